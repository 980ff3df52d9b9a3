//! The fields that a request may have, of which type they are, and what the plain ones may hold.

use serde_json::{Map, Value};

use super::shape::{list, object, only, refuse};
use super::{Checked, Version};

/// Fields that a request may have; any other is refused.
const KNOWN_FIELDS: [&str; 19] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "metadata",
    "service_tier",
    "cache_control",
    "container",
    "inference_geo",
    "speed",
];

/// Fields that a request may have beside them if it has an `anthropic-beta` header.
const BETA_FIELDS: [&str; 8] = [
    "mcp_servers",
    "context_management",
    "compaction",
    "fallbacks",
    "fallback_credit_token",
    "thread",
    "billing_policy",
    "diagnostics",
];

/// Whether a value is of a type.
type Test = fn(&Value) -> bool;

/// What a field's value must be, if it is there.
const TYPES: [(&str, Test, &str); 13] = [
    ("model", Value::is_string, "string"),
    ("max_tokens", Value::is_u64, "integer"),
    ("messages", Value::is_array, "list"),
    ("system", is_text_or_list, "list"),
    ("stream", Value::is_boolean, "boolean"),
    ("stop_sequences", Value::is_array, "list"),
    ("temperature", Value::is_number, "number"),
    ("top_p", Value::is_number, "number"),
    ("top_k", Value::is_u64, "integer"),
    ("thinking", Value::is_object, "dictionary"),
    ("output_config", Value::is_object, "dictionary"),
    ("tools", Value::is_array, "list"),
    ("tool_choice", Value::is_object, "dictionary"),
];

/// The sampling parameters, which newer models and the API version of 2026-10-21 no longer take.
pub(super) const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// Refuses fields that are not known, that are missing, and that are of the wrong type.
pub(super) fn check_fields(fields: &Map<String, Value>, version: Version, beta: bool) -> Checked {
    let known = |name: &str| {
        (KNOWN_FIELDS.contains(&name) && !(version == Version::Newest && SAMPLING.contains(&name)))
            || name == "diagnostics"
            || (beta && BETA_FIELDS.contains(&name))
    };
    if let Some(unknown) = fields.keys().find(|name| !known(name)) {
        return refuse(format!("{unknown}: Extra inputs are not permitted"));
    }
    if let Some(missing) = ["model", "max_tokens", "messages"].iter().find(|name| !fields.contains_key(**name)) {
        return refuse(format!("{missing}: Field required"));
    }
    for (field, fits, what) in TYPES {
        if fields.get(field).is_some_and(|value| !fits(value)) {
            return refuse(format!("{field}: Input should be a valid {what}"));
        }
    }
    Ok(())
}

/// Checks the fields that are no more than a value or a list of texts.
pub(super) fn check_scalars(asked: &Value) -> Checked {
    if asked["model"] == "" {
        return refuse("model: String should have at least 1 character");
    }
    for field in ["temperature", "top_p"] {
        let value = asked[field].as_f64().unwrap_or_default();
        if value < 0.0 {
            return refuse(format!("{field}: Input should be greater than or equal to 0"));
        }
        if value > 1.0 {
            return refuse(format!("{field}: Input should be less than or equal to 1"));
        }
    }
    for (index, sequence) in list(&asked["stop_sequences"]).iter().enumerate() {
        let Some(sequence) = sequence.as_str() else {
            return refuse(format!("stop_sequences.{index}: Input should be a valid string"));
        };
        if sequence.trim().is_empty() {
            return refuse("stop_sequences: each stop sequence must contain non-whitespace");
        }
    }
    if let Some(metadata) = asked.get("metadata") {
        only(object(metadata, "metadata")?, &["user_id"], "metadata")?;
        match &metadata["user_id"] {
            Value::Null => {}
            Value::String(user) if user.chars().count() <= 256 => {}
            Value::String(_) => return refuse("metadata.user_id: String should have at most 256 characters"),
            _ => return refuse("metadata.user_id: Input should be a valid string"),
        }
    }
    if let Some(tier) = asked.get("service_tier")
        && tier != "auto"
        && tier != "standard_only"
    {
        return refuse("service_tier: Input should be 'auto' or 'standard_only'");
    }
    match &asked["speed"] {
        Value::Null => Ok(()),
        speed if speed == "standard" || speed == "fast" => Ok(()),
        _ => refuse("speed: Input should be 'standard' or 'fast'"),
    }
}

fn is_text_or_list(value: &Value) -> bool {
    value.is_string() || value.is_array()
}
