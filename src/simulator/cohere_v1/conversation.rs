//! The earlier turns, and how the message and the results follow them.

use serde_json::Value;

use super::super::turn::Refusal;
use super::tools::{tool_call, tool_result};
use super::{Checked, FORM};

/// One earlier turn.
pub(super) fn history(index: usize, turn: &Value) -> Checked {
    match turn["role"].as_str().unwrap_or_default() {
        "TOOL" => {
            FORM.object("chat_history", turn, &["role", "tool_results"])?;
            let results = FORM.list("chat_history.tool_results", &turn["tool_results"])?;
            results.iter().try_for_each(tool_result)
        }
        "USER" | "CHATBOT" | "SYSTEM" => {
            FORM.object("chat_history", turn, &["role", "message", "tool_calls"])?;
            let calls = match turn.get("tool_calls") {
                Some(calls) => FORM.list("chat_history.tool_calls", calls)?,
                None => &[],
            };
            calls.iter().try_for_each(tool_call)?;
            let message = match turn.get("message") {
                Some(message) => Some(FORM.text("chat_history.message", message)?),
                None => None,
            };
            // Only a turn that calls something can be without words.
            if message.is_none_or(|message| message.is_empty() && calls.is_empty()) {
                let message = "invalid request: all elements in history must have a message.";
                return Err(Refusal::at(400, "chat_history", message));
            }
            Ok(())
        }
        _ => {
            let message = format!(
                "invalid request: Invalid role in chat_history at index {index}. \
                 Role must be one of the following: User, Chatbot, System, Tool"
            );
            Err(Refusal::at(400, "chat_history", message))
        }
    }
}

/// How the message, the results and the earlier turns go together.
pub(super) fn conversation(asked: &Value, message: &str) -> Checked {
    let results = filled(asked, "tool_results");
    let history = filled(asked, "chat_history");
    let last = history.last();
    let after_tool = last.is_some_and(|turn| turn["role"] == "TOOL");
    if message.is_empty() && results.is_empty() && !after_tool {
        let message = "invalid request: message must be at least 1 token long or tool results must be specified.";
        return Err(Refusal::at(400, "message", message));
    }
    if !message.is_empty() && after_tool {
        let message = "invalid request: cannot specify message if the last entry in chat history contains tool results";
        return Err(Refusal::at(400, "message", message));
    }
    if results.is_empty() {
        return Ok(());
    }
    if filled(asked, "tools").is_empty() {
        return Err(Refusal::at(
            400,
            "tool_results",
            "invalid request: tool_results can only be specified with tools.",
        ));
    }
    if asked["force_single_step"] == true {
        return Ok(());
    }
    if !message.is_empty() {
        let message = "invalid request: cannot specify both message and tool_results in multistep mode";
        return Err(Refusal::at(400, "message", message));
    }
    // Results belong to calls, and the calls to the model's last turn.
    let calls = last.filter(|turn| turn["role"] == "CHATBOT").map(|turn| filled(turn, "tool_calls"));
    let calls = calls.unwrap_or_default();
    match results.iter().find(|result| !calls.contains(&result["call"])) {
        Some(result) => {
            let call = &result["call"];
            let message = format!("invalid request: the last turn in chat history does not have the tool call {call}");
            Err(Refusal::at(400, "tool_results", message))
        }
        None if results.len() < calls.len() => {
            Err(Refusal::at(400, "tool_results", "invalid request: some tool calls have no tool results"))
        }
        None => Ok(()),
    }
}

/// The members of a list; none if it is no list.
pub(super) fn filled<'a>(asked: &'a Value, name: &str) -> &'a [Value] {
    asked[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
