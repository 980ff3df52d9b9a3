//! Which of OpenAI's models an endpoint has, and what it says of the others.

use super::super::turn::Refusal;

/// The refusal of a model that does not exist.
pub(super) fn unknown(model: &str) -> Refusal {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    Refusal::new(404, message).coded("model_not_found")
}

/// Whether a name is one of a chat model.
pub(super) fn chats(model: &str) -> bool {
    let numbered_o = model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    (model.starts_with("gpt-") || model.starts_with("chatgpt-") || numbered_o) && !model.contains("-instruct")
}

/// The refusal of more tokens than a model reads and writes.
pub(super) fn too_long(limit: u64, prompt: u64, completion: u64) -> Refusal {
    let message = format!(
        "This model's maximum context length is {limit} tokens, however you requested {} tokens ({prompt} in your \
         prompt; {completion} for the completion). Please reduce your prompt; or completion length.",
        prompt + completion
    );
    Refusal::new(400, message)
}
