//! What OpenAI's generations of models take.
//!
//! Source: OpenAI's API reference, "Create chat completion", and "Reasoning models" (read 2026-11-25).

/// `gpt-5.4-mini` → (5, 4); `gpt-4o` → (4, 0); `o3` is no gpt.
fn gpt(model: &str) -> Option<(u32, u32)> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let rest = name.strip_prefix("gpt-")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let major = digits(rest);
    let minor = rest[major.len()..].strip_prefix('.').map(digits).unwrap_or_default();
    Some((major.parse().ok()?, minor.parse().unwrap_or(0)))
}

/// Whether a model reasons, and so takes no `max_tokens` and no sampling parameters.
pub(super) fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let o_series =
        name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|character: char| character.is_ascii_digit()));
    o_series || gpt(model).is_some_and(|version| version >= (5, 0)) && !name.starts_with("gpt-5-chat")
}

/// What a model does with function tools on this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tools {
    /// It takes them.
    Fine,
    /// It takes them only where `reasoning_effort` is `none`.
    WithEffortNone,
}

pub(super) fn tools(model: &str) -> Tools {
    match gpt(model) {
        // This one has no `none`: what to do is said by the API's own error.
        Some((6, _)) if model.contains("astra") => Tools::Fine,
        Some(version) if version >= (5, 4) && !model.contains("chat") => Tools::WithEffortNone,
        _ => Tools::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_tells_what_it_takes() {
        for model in ["o3", "o4-mini", "gpt-5", "gpt-5.1-codex", "gpt-6-sol", "openai/gpt-5.6"] {
            assert!(reasons(model), "{model}");
        }
        for model in
            ["gpt-4o", "gpt-4.1", "gpt-oss-120b", "gpt-5-chat-latest", "omni", "llama3.1", "openai/gpt-oss-20b"]
        {
            assert!(!reasons(model), "{model}");
        }
        assert_eq!(tools("gpt-5.4-mini"), Tools::WithEffortNone);
        assert_eq!(tools("gpt-5.6-sol"), Tools::WithEffortNone);
        assert_eq!(tools("gpt-6-astra"), Tools::Fine);
        assert_eq!(tools("gpt-5.1"), Tools::Fine);
    }
}
