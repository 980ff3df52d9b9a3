//! Google's Gemini API (v1beta `generateContent`), strictly: what the real API refuses is refused.
//!
//! Sources: <https://ai.google.dev/api/generate-content>, <https://ai.google.dev/api/caching>, the types and converters
//! of Google's Python SDK google-genai 3.6.1, <https://ai.google.dev/gemini-api/docs/function-calling>,
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>, <https://ai.google.dev/gemini-api/docs/thinking> and
//! <https://ai.google.dev/gemini-api/docs/troubleshooting> (read 2026-11-25).
//!
//! Google reads both `camelCase` and `snake_case`; here only the documented `camelCase` is read.

mod answer;
mod asked;
mod config;
mod contents;
mod parts;
mod schema;
mod shape;
mod signatures;
mod thinking;
mod tools;

pub(super) use answer::{error, error_event, events, whole};
pub(super) use asked::understand;

use poem::http::HeaderMap;
use serde_json::Value;

use super::turn::Refusal;
use config::check_config;
use contents::{check_contents, check_instruction, check_turns};
use shape::{has, invalid, objects, only, refuse};
use signatures::{check_signatures, signs};
use thinking::generation;
use tools::{check_tool_config, check_tools};

/// What a check finds.
type Checked = Result<(), Refusal>;

const KNOWN_FIELDS: [&str; 11] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "labels",
    "store",
    "continuationToken",
];

/// Checks a request as the real API does; the refusal if it fails. Who asks is checked elsewhere.
pub(super) fn check(
    _headers: &HeaderMap,
    asked: &Value,
    model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    if !asked.is_object() {
        return refuse("Invalid JSON payload received. Unexpected token.");
    }
    only(asked, &KNOWN_FIELDS, "")?;
    let contents = objects(&asked["contents"], "contents")?;
    check_contents(contents)?;
    check_instruction(&asked["systemInstruction"])?;
    let declared = check_tools(&asked["tools"])?;
    check_tool_config(&asked["toolConfig"], &declared)?;
    check_config(&asked["generationConfig"], model_in_path)?;
    check_safety(&asked["safetySettings"])?;
    if has(asked, "serviceTier") && !["standard", "flex", "priority"].iter().any(|tier| asked["serviceTier"] == *tier) {
        return invalid("service_tier", "TYPE_ENUM", &asked["serviceTier"]);
    }
    check_turns(contents)?;
    if signs(model_in_path) {
        check_signatures(contents)?;
        if contents.last().is_some_and(|content| content["role"] == "model") {
            return refuse("Requests ending with a model turn are not supported");
        }
    }
    let json = asked["generationConfig"]["responseMimeType"] == "application/json";
    if json && !declared.is_empty() && generation(model_in_path).is_some_and(|generation| generation < (3, 0)) {
        return refuse("Function calling with a response mime type: 'application/json' is unsupported");
    }
    Ok(())
}

/// Checks the safety settings, of which each category has one at most.
fn check_safety(settings: &Value) -> Checked {
    let mut categories = Vec::new();
    for (index, setting) in objects(settings, "safety_settings")?.iter().enumerate() {
        let path = format!("safety_settings[{index}]");
        only(setting, &["category", "threshold"], &path)?;
        let category = setting["category"].as_str().unwrap_or_default();
        let known = ["HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY"];
        if !category.strip_prefix("HARM_CATEGORY_").is_some_and(|category| known.contains(&category)) {
            return invalid(&format!("{path}.category"), "TYPE_ENUM", &setting["category"]);
        }
        let threshold = setting["threshold"].as_str().unwrap_or_default();
        let known = ["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"];
        if !known.contains(&threshold) {
            return invalid(&format!("{path}.threshold"), "TYPE_ENUM", &setting["threshold"]);
        }
        if categories.contains(&category) {
            return refuse(format!("* GenerateContentRequest.safety_settings: more than one setting for {category}"));
        }
        categories.push(category);
    }
    Ok(())
}
