//! What a provider adds to answers in OpenAI's form, and what it leaves out of them.

use serde_json::{Map, Value, json};

use super::list;
use super::{azure, groq, mistral, ollama, openrouter, perplexity, together};

/// Adds a provider's peculiarities to an answer, or to a chunk of one, in OpenAI's form.
pub(in super::super) fn dress(provider: &str, answer: &mut Value) {
    match provider {
        "openai" => hide_reasoning(answer),
        "azure_openai" => azure::dress(answer),
        "mistral" => mistral::dress(answer),
        "groq" => groq::dress(answer),
        "together" => together::dress(answer),
        "perplexity" => perplexity::dress(answer),
        "openrouter" => openrouter::dress(answer),
        "ollama" => ollama::dress(answer),
        _ => {}
    }
}

/// Events before the first chunk.
pub(in super::super) fn first_events(provider: &str) -> Vec<String> {
    match provider {
        "azure_openai" => {
            let chunk = json!({
                "id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": azure::prompt_filter(),
                "choices": [], "usage": null,
            });
            vec![format!("data: {chunk}\n\n")]
        }
        "openrouter" => vec![": OPENROUTER PROCESSING\n\n".to_owned()],
        _ => Vec::new(),
    }
}

/// Whether the chunk with the finish reason has the usage too.
pub(in super::super) fn usage_with_finish(provider: &str) -> bool {
    matches!(provider, "mistral" | "groq" | "together" | "perplexity")
}

/// Leaves out the reasoning.
pub(super) fn hide_reasoning(answer: &mut Value) {
    for speech in speeches(answer) {
        speech.remove("reasoning_content");
    }
}

/// Some write `reasoning` for what others write `reasoning_content` for.
pub(super) fn rename_reasoning(answer: &mut Value) {
    for speech in speeches(answer) {
        if let Some(reasoning) = speech.remove("reasoning_content") {
            set(speech, "reasoning", reasoning);
        }
    }
}

/// Leaves all but the three counts out of the usage.
pub(super) fn only_counts(answer: &mut Value) {
    if let Some(usage) = usage(answer) {
        usage.retain(|name, _| ["prompt_tokens", "completion_tokens", "total_tokens"].contains(&name.as_str()));
    }
}

/// The choices of an answer.
pub(super) fn choices(answer: &mut Value) -> impl Iterator<Item = &mut Value> {
    answer.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten()
}

/// The messages of an answer, or its deltas.
pub(super) fn speeches(answer: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    choices(answer).filter_map(speech)
}

/// The message of a choice, or its delta.
pub(super) fn speech(choice: &mut Value) -> Option<&mut Map<String, Value>> {
    let name = if choice.get("delta").is_some() { "delta" } else { "message" };
    choice.get_mut(name).and_then(Value::as_object_mut)
}

/// The usage of an answer.
pub(super) fn usage(answer: &mut Value) -> Option<&mut Map<String, Value>> {
    answer.get_mut("usage").and_then(Value::as_object_mut)
}

/// Sets a field.
pub(super) fn set(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

/// Whether an answer is a chunk of a stream.
pub(super) fn is_chunk(answer: &Value) -> bool {
    answer["object"] == "chat.completion.chunk"
}

/// Whether a choice of this answer has a reason to end.
pub(super) fn is_last(answer: &Value) -> bool {
    list(answer, "choices").iter().any(|choice| choice["finish_reason"].is_string())
}
