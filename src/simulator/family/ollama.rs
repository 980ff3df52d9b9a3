//! Ollama: lenient about fields, strict about efforts and the arguments of calls.

use serde_json::{Value, json};

use super::super::turn::Refusal;
use super::dress::{is_chunk, only_counts, rename_reasoning, set, speeches};
use super::{Checked, given, list};

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    for effort in [given(asked, "reasoning_effort"), given(&asked["reasoning"], "effort")].into_iter().flatten() {
        let efforts = ["high", "medium", "low", "none"];
        if !efforts.iter().any(|&word| effort == word) {
            let shown = effort.as_str().unwrap_or_default();
            let message =
                format!("invalid reasoning value: '{shown}' (must be \"high\", \"medium\", \"low\", or \"none\")");
            return Err(Refusal::new(400, message));
        }
    }
    for message in list(asked, "messages") {
        let calls = list(message, "tool_calls");
        if given(message, "content").is_none() && calls.is_empty() {
            return Err(Refusal::new(400, "invalid message content type: <nil>"));
        }
        for call in calls {
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            if !serde_json::from_str::<Value>(arguments).is_ok_and(|arguments| arguments.is_object()) {
                return Err(Refusal::new(400, "invalid tool call arguments"));
            }
        }
    }
    Ok(())
}

/// Leaves out what Ollama does not have.
pub(super) fn dress(answer: &mut Value) {
    rename_reasoning(answer);
    only_counts(answer);
    let chunk = is_chunk(answer);
    for speech in speeches(answer) {
        speech.remove("refusal");
        if chunk {
            set(speech, "role", json!("assistant"));
            if !speech.get("content").is_some_and(Value::is_string) {
                set(speech, "content", json!(""));
            }
        }
    }
    answer["system_fingerprint"] = json!("fp_ollama");
}
