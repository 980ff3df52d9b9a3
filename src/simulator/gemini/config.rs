//! The generation's configuration: sampling, limits and the format of the answer.

use serde_json::Value;

use super::Checked;
use super::schema::check_schema;
use super::shape::{Test, has, invalid, is_integer, is_texts, list, only, refuse};
use super::thinking::{check_thinking, generation};

const CONFIG_FIELDS: [&str; 21] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseFormat",
    "thinkingConfig",
    "mediaResolution",
    "responseModalities",
    "speechConfig",
    "imageConfig",
    "enableEnhancedCivicAnswers",
];

/// What a field of the generation's configuration must be: its two names, the test, and the type's name.
const CONFIG_TYPES: [(&str, &str, Test, &str); 10] = [
    ("temperature", "temperature", Value::is_number, "TYPE_FLOAT"),
    ("topP", "top_p", Value::is_number, "TYPE_FLOAT"),
    ("topK", "top_k", is_integer, "TYPE_INT32"),
    ("candidateCount", "candidate_count", is_integer, "TYPE_INT32"),
    ("maxOutputTokens", "max_output_tokens", is_integer, "TYPE_INT32"),
    ("stopSequences", "stop_sequences", is_texts, "TYPE_STRING"),
    ("seed", "seed", is_integer, "TYPE_INT32"),
    ("responseLogprobs", "response_logprobs", Value::is_boolean, "TYPE_BOOL"),
    ("responseMimeType", "response_mime_type", Value::is_string, "TYPE_STRING"),
    ("responseModalities", "response_modalities", Value::is_array, "TYPE_ENUM"),
];

/// Checks the configuration for a model.
pub(super) fn check_config(config: &Value, model: &str) -> Checked {
    only(config, &CONFIG_FIELDS, "generation_config")?;
    for (field, name, fits, kind) in CONFIG_TYPES {
        if has(config, field) && !fits(&config[field]) {
            return invalid(&format!("generation_config.{name}"), kind, &config[field]);
        }
    }
    let path = "* GenerateContentRequest.generation_config";
    let generation = generation(model);
    let beyond = |field: &str, most: f64| config[field].as_f64().is_some_and(|value| !(0.0..=most).contains(&value));
    if beyond("temperature", 2.0) {
        return refuse(format!("{path}.temperature: temperature must be in the range [0.0, 2.0]."));
    }
    if beyond("topP", 1.0) {
        return refuse(format!("{path}.top_p: top_p must be in the range [0.0, 1.0]."));
    }
    if config["topK"].as_i64().is_some_and(|value| value < 1) {
        return refuse(format!("{path}.top_k: top_k must be positive."));
    }
    if config["maxOutputTokens"].as_i64().is_some_and(|value| value < 1) {
        return refuse(format!("{path}.max_output_tokens: max_output_tokens must be positive."));
    }
    if list(&config["stopSequences"]).len() > 5 {
        return refuse(format!("{path}.stop_sequences: the number of stop sequences must be at most 5."));
    }
    match config["candidateCount"].as_i64() {
        Some(count) if count > 1 && generation.is_some_and(|generation| generation >= (3, 0)) => {
            return refuse("Multiple candidates is not enabled for this model");
        }
        Some(count) if !(1..=8).contains(&count) => {
            return refuse(format!("{path}.candidate_count: candidate_count must be in the range [1, 8]."));
        }
        _ => {}
    }
    if has(config, "presencePenalty") || has(config, "frequencyPenalty") {
        return refuse("Penalty is not enabled for this model");
    }
    if config["responseLogprobs"] == true || has(config, "logprobs") {
        return refuse("Logprobs is not enabled for this model");
    }
    check_format(config, path)?;
    check_thinking(&config["thinkingConfig"], model, generation)
}

fn check_format(config: &Value, path: &str) -> Checked {
    let mime = config["responseMimeType"].as_str().unwrap_or("text/plain");
    if !["text/plain", "application/json", "text/x.enum"].contains(&mime) {
        return refuse(format!(
            "{path}.response_mime_type: allowed mimetypes are `text/plain`, `application/json` and `text/x.enum`."
        ));
    }
    let (older, newer) = (has(config, "responseSchema"), has(config, "responseJsonSchema"));
    if older && newer {
        return refuse(format!("{path}: response_schema and response_json_schema are mutually exclusive"));
    }
    if (older || newer) && mime == "text/plain" {
        return refuse(format!("{path}.response_schema: only allowed with response_mime_type `application/json`."));
    }
    if older {
        check_schema(&config["responseSchema"], "generation_config.response_schema")?;
    }
    if newer && !config["responseJsonSchema"].is_object() {
        return refuse(format!("{path}.response_json_schema: must be a JSON schema"));
    }
    Ok(())
}
