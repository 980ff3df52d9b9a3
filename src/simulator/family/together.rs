//! Together: an answer ends with `eos`, and the names of some parameters are older.

use serde_json::{Value, json};

use super::super::turn::Refusal;
use super::dress::{choices, is_chunk, only_counts, rename_reasoning, set, speech};
use super::{Checked, given, list, role};

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    let refused = |name: &str, message: &str| Err(Refusal::at(400, name, format!("Input validation error: {message}")));
    if asked.get("max_completion_tokens").is_some() {
        return refused("max_completion_tokens", "unknown field 'max_completion_tokens', use 'max_tokens'");
    }
    if let Some(logprobs) = given(asked, "logprobs")
        && logprobs.as_u64().is_none_or(|number| number > 20)
    {
        return refused("logprobs", "'logprobs' must be an integer between 0 and 20");
    }
    if given(asked, "stop").is_some_and(|stop| !stop.is_array()) {
        return refused("stop", "'stop' must be an array of strings");
    }
    if given(asked, "reasoning_effort")
        .is_some_and(|effort| !["low", "medium", "high"].iter().any(|&word| effort == word))
    {
        return refused("reasoning_effort", "'reasoning_effort' must be one of low, medium, high");
    }
    for message in list(asked, "messages") {
        match role(message) {
            "developer" => return refused("messages", "role 'developer' is not one of system, user, assistant, tool"),
            "tool" if !message["content"].is_string() => {
                return refused("messages", "the content of a tool message must be a string");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Renames what Together names otherwise, and adds what only it has.
pub(super) fn dress(answer: &mut Value) {
    rename_reasoning(answer);
    only_counts(answer);
    let chunk = is_chunk(answer);
    for choice in choices(answer) {
        if choice["finish_reason"] == "stop" {
            choice["finish_reason"] = json!("eos");
        }
        if let Some(speech) = speech(choice) {
            speech.remove("refusal");
            if chunk {
                set(speech, "role", json!("assistant"));
                set(speech, "token_id", json!(128_006));
            }
        }
        if !chunk {
            choice["seed"] = json!(8_372_659_130_472_u64);
        }
    }
    if !chunk {
        answer["prompt"] = json!([]);
    } else if !answer["usage"].is_object() {
        answer["usage"] = Value::Null;
    }
}
