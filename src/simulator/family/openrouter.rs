//! `OpenRouter`: an effort in two places, and an answer that names who gave it.

use serde_json::{Value, json};

use super::super::turn::Refusal;
use super::dress::{choices, rename_reasoning, set, speeches, usage};
use super::{Checked, given};

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    let efforts = ["max", "xhigh", "high", "medium", "low", "minimal", "none"];
    let short = given(asked, "reasoning_effort");
    let long = given(&asked["reasoning"], "effort");
    for effort in [short, long].into_iter().flatten() {
        if !efforts.iter().any(|&word| effort == word) {
            return Err(Refusal::new(400, format!("reasoning effort must be one of {}", efforts.join(", "))));
        }
    }
    if let (Some(short), Some(long)) = (short, long)
        && short != long
    {
        return Err(Refusal::new(400, "reasoning_effort and reasoning.effort must not differ"));
    }
    Ok(())
}

/// Adds who gave the answer and what it cost.
pub(super) fn dress(answer: &mut Value) {
    rename_reasoning(answer);
    for speech in speeches(answer) {
        if let Some(text) = speech.get("reasoning").and_then(Value::as_str) {
            let details = json!([{ "type": "reasoning.text", "text": text, "format": "unknown", "index": 0 }]);
            set(speech, "reasoning_details", details);
        }
    }
    for choice in choices(answer) {
        choice["native_finish_reason"] = choice["finish_reason"].clone();
    }
    answer["provider"] = json!("Simulated");
    if let Some(usage) = usage(answer) {
        set(usage, "cost", json!(0.000_42));
        set(usage, "is_byok", json!(false));
        set(usage, "cost_details", json!({ "upstream_inference_cost": null }));
        if let Some(details) = usage.get_mut("prompt_tokens_details").and_then(Value::as_object_mut) {
            set(details, "cache_write_tokens", json!(0));
        }
    }
}
