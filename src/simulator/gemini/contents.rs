//! The contents and the system instruction: their roles, and calls and responses in turn.

use serde_json::Value;

use super::Checked;
use super::parts::check_part;
use super::shape::{has, list, objects, only, refuse};

const CALL_AFTER_USER: &str =
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn.";
const RESPONSE_AFTER_CALL: &str =
    "Please ensure that function response turn comes immediately after a function call turn.";
const AS_MANY_RESPONSES: &str = "Please ensure that the number of function response parts is equal to the number of \
                                 function call parts of the function call turn.";

/// Checks each content, and that a user has said something.
pub(super) fn check_contents(contents: &[Value]) -> Checked {
    if contents.is_empty() {
        return refuse("* GenerateContentRequest.contents: contents is not specified");
    }
    for (index, content) in contents.iter().enumerate() {
        let path = format!("contents[{index}]");
        only(content, &["role", "parts"], &path)?;
        match &content["role"] {
            Value::Null => {}
            role if role == "user" || role == "model" => {}
            _ => return refuse("Please use a valid role: user, model."),
        }
        let parts = objects(&content["parts"], &format!("{path}.parts"))?;
        if parts.is_empty() {
            return refuse(format!("* GenerateContentRequest.{path}.parts: contents.parts must not be empty."));
        }
        for (at, part) in parts.iter().enumerate() {
            check_part(part, &format!("{path}.parts[{at}]"))?;
        }
        let wrong = if content["role"] == "model" { "functionResponse" } else { "functionCall" };
        if parts.iter().any(|part| has(part, wrong)) {
            let message = if wrong == "functionCall" { CALL_AFTER_USER } else { RESPONSE_AFTER_CALL };
            return refuse(message);
        }
    }
    if contents.iter().all(|content| content["role"] == "model") {
        return refuse("* GenerateContentRequest.contents: at least one user part is required");
    }
    Ok(())
}

/// Checks the system instruction.
pub(super) fn check_instruction(instruction: &Value) -> Checked {
    if instruction.is_null() {
        return Ok(());
    }
    only(instruction, &["role", "parts"], "system_instruction")?;
    let parts = objects(&instruction["parts"], "system_instruction.parts")?;
    if parts.is_empty() {
        return refuse("* GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.");
    }
    for (at, part) in parts.iter().enumerate() {
        let path = format!("system_instruction.parts[{at}]");
        check_part(part, &path)?;
        if !has(part, "text") {
            return refuse(format!("* GenerateContentRequest.{path}: system_instruction takes text only"));
        }
    }
    Ok(())
}

/// Calls follow a user's turn, and the turn after them holds the response to each of them and nothing else.
pub(super) fn check_turns(contents: &[Value]) -> Checked {
    for (index, content) in contents.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| contents.get(before));
        let responses = functions(content, "functionResponse");
        if !responses.is_empty() {
            let calls = before.map(|before| functions(before, "functionCall")).unwrap_or_default();
            if calls.is_empty() {
                return refuse(RESPONSE_AFTER_CALL);
            }
            if list(&content["parts"]).len() != responses.len() {
                return refuse("Please ensure that function response turn has function response parts only.");
            }
            if calls.len() != responses.len() {
                return refuse(AS_MANY_RESPONSES);
            }
            check_answers(calls, &responses)?;
        }
        if functions(content, "functionCall").is_empty() {
            continue;
        }
        if before.is_none_or(|before| before["role"] == "model") {
            return refuse(CALL_AFTER_USER);
        }
        let next = contents.get(index + 1).map(|next| functions(next, "functionResponse")).unwrap_or_default();
        if next.is_empty() {
            return refuse(AS_MANY_RESPONSES);
        }
    }
    Ok(())
}

/// Every response has the name of a call of its own, and the call's id if the call has one.
fn check_answers(mut calls: Vec<&Value>, responses: &[&Value]) -> Checked {
    for response in responses {
        let fits =
            |call: &&Value| call["name"] == response["name"] && (!has(call, "id") || call["id"] == response["id"]);
        let Some(at) = calls.iter().position(fits) else {
            return refuse(format!(
                "Please ensure that the id and the name of every function response are equal to those of a function \
                 call of the function call turn: {} {}.",
                response["id"], response["name"]
            ));
        };
        calls.remove(at);
    }
    Ok(())
}

/// The function calls or the function responses of a content.
pub(super) fn functions<'a>(content: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(&content["parts"]).iter().filter(|part| has(part, kind)).map(|part| &part[kind]).collect()
}
