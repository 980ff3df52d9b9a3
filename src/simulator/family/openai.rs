//! OpenAI: parameters that a model does not have, and fields that are others'.

use serde_json::Value;

use super::super::turn::Refusal;
use super::{Checked, differs, given, has_tools, list};

/// Fields in messages, parts and tools that other providers have and OpenAI does not.
const FOREIGN: [&str; 4] = ["reasoning_content", "reasoning", "reasoning_details", "cache_control"];

/// Checks a request.
pub(super) fn check(asked: &Value) -> Checked {
    foreign(asked)?;
    model_rules(asked)?;
    effort(asked)
}

/// Refuses fields that other providers have.
pub(super) fn foreign(asked: &Value) -> Checked {
    for (index, message) in list(asked, "messages").iter().enumerate() {
        let at = format!("messages[{index}]");
        native(&at, message)?;
        for (part, value) in list(message, "content").iter().enumerate() {
            native(&format!("{at}.content[{part}]"), value)?;
        }
        for (call, value) in list(message, "tool_calls").iter().enumerate() {
            native(&format!("{at}.tool_calls[{call}]"), value)?;
        }
    }
    for (index, tool) in list(asked, "tools").iter().enumerate() {
        native(&format!("tools[{index}]"), tool)?;
        native(&format!("tools[{index}].function"), &tool["function"])?;
    }
    Ok(())
}

fn native(at: &str, value: &Value) -> Checked {
    match FOREIGN.iter().find(|name| value.get(**name).is_some()) {
        Some(name) => Err(unknown_parameter(&format!("{at}.{name}"))),
        None => Ok(()),
    }
}

/// Parameters that a model does not have.
pub(super) fn model_rules(asked: &Value) -> Checked {
    let model = asked["model"].as_str().unwrap_or_default();
    let family = Family::of(model);
    if model.contains("-search-preview") && given(asked, "temperature").is_some() {
        return Err(unsupported_parameter("temperature"));
    }
    if !family.reasons() {
        return Ok(());
    }
    if given(asked, "max_tokens").is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                       Use 'max_completion_tokens' instead.";
        return Err(Refusal::at(400, "max_tokens", message));
    }
    // From 5.1 on, and before 6, a model that does not reason can be sampled as any other.
    let rests = family.at_least((5, 1)) && !family.at_least((6, 0)) && asked["reasoning_effort"] == "none";
    if !rests {
        for name in ["temperature", "top_p"] {
            if differs(asked, name, 1.0) {
                return Err(unsupported_value(name, &asked[name], "Only the default (1) value is supported."));
            }
        }
        if asked["logprobs"] == true || given(asked, "top_logprobs").is_some() {
            return Err(unsupported_parameter("logprobs"));
        }
    }
    for name in ["presence_penalty", "frequency_penalty"] {
        if differs(asked, name, 0.0) {
            return Err(unsupported_parameter(name));
        }
    }
    if given(asked, "logit_bias").is_some() {
        return Err(unsupported_parameter("logit_bias"));
    }
    let unstoppable = ["o3", "o4-mini", "gpt-6-astra"].iter().any(|name| model.starts_with(name));
    if unstoppable && given(asked, "stop").is_some() {
        return Err(unsupported_parameter("stop"));
    }
    if family == Family::O && given(asked, "verbosity").is_some() {
        return Err(unsupported_parameter("verbosity"));
    }
    Ok(())
}

/// How much a model can reason, and that newer ones have tools here only when they do not.
fn effort(asked: &Value) -> Checked {
    let model = asked["model"].as_str().unwrap_or_default();
    let family = Family::of(model);
    if !family.reasons() {
        return Ok(());
    }
    if let Some(effort) = given(asked, "reasoning_effort") {
        let mut supported = vec!["low", "medium", "high"];
        match family {
            _ if model.starts_with("gpt-5-pro") => supported = vec!["high"],
            Family::Gpt { major: 5, minor: 0, .. } => supported.push("minimal"),
            Family::Gpt { .. } => supported.push("xhigh"),
            _ => {}
        }
        if family.can_rest() {
            supported.push("none");
        }
        if family.at_least((5, 6)) {
            supported.push("max");
        }
        if !effort.as_str().is_some_and(|effort| supported.contains(&effort)) {
            let supported = format!("Supported values are: '{}'.", supported.join("', '"));
            return Err(unsupported_value("reasoning_effort", effort, &supported));
        }
    }
    if has_tools(asked) && family.at_least((5, 4)) && asked["reasoning_effort"] != "none" {
        let way = if family.can_rest() {
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
        } else {
            "Please use /v1/responses instead."
        };
        let message = format!(
            "Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. {way}"
        );
        return Err(Refusal::at(400, "reasoning_effort", message));
    }
    Ok(())
}

/// Whether one of OpenAI's models reasons.
pub(in super::super) fn reasons(model: &str) -> bool {
    Family::of(model).reasons()
}

/// What the name of one of OpenAI's models says about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family<'a> {
    /// One that begins with an `o` and a number.
    O,
    /// A GPT: its version, and what follows it.
    Gpt {
        major: u32,
        minor: u32,
        dotted: bool,
        variant: &'a str,
    },
    /// Another one that reasons.
    Reasoner,
    Other,
}

impl<'a> Family<'a> {
    fn of(model: &'a str) -> Self {
        if model.starts_with("codex-mini-latest") || model.starts_with("computer-use-preview") {
            return Family::Reasoner;
        }
        let (head, _) = model.split_once('-').unwrap_or((model, ""));
        let digits = head.strip_prefix('o').unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Family::O;
        }
        Self::gpt(model).unwrap_or(Family::Other)
    }

    fn gpt(model: &'a str) -> Option<Self> {
        let rest = model.strip_prefix("gpt-")?;
        let (number, variant) = rest.split_once('-').unwrap_or((rest, ""));
        let dotted = number.contains('.');
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        Some(Family::Gpt { major: major.parse().ok()?, minor: minor.parse().ok()?, dotted, variant })
    }

    fn reasons(self) -> bool {
        match self {
            Family::O | Family::Reasoner => true,
            Family::Gpt { major, dotted, variant, .. } => {
                major > 5 || (major == 5 && (dotted || !variant.starts_with("chat")))
            }
            Family::Other => false,
        }
    }

    fn at_least(self, version: (u32, u32)) -> bool {
        matches!(self, Family::Gpt { major, minor, .. } if (major, minor) >= version)
    }

    /// Whether the model can be told not to reason.
    fn can_rest(self) -> bool {
        match self {
            Family::Gpt { major: 5, minor, .. } => minor >= 1,
            Family::Gpt { major: 6, variant, .. } => variant.starts_with("sol") || variant.starts_with("luna"),
            _ => false,
        }
    }
}

/// The refusal of a parameter that does not exist.
pub(super) fn unknown_parameter(name: &str) -> Refusal {
    Refusal::at(400, name, format!("Unknown parameter: '{name}'."))
}

fn unsupported_parameter(name: &str) -> Refusal {
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
    Refusal::at(400, name, message)
}

/// The refusal of a value that a model does not take.
pub(super) fn unsupported_value(name: &str, value: &Value, supported: &str) -> Refusal {
    let shown = value.as_str().map_or_else(|| value.to_string(), |value| format!("'{value}'"));
    let message = format!("Unsupported value: '{name}' does not support {shown} with this model. {supported}");
    Refusal::at(400, name, message)
}
