//! A chat request read in full, for the dialects that write it anew.
//!
//! Everything of OpenAI's chat completions API that has a meaning elsewhere has a place here; what has
//! none is kept by name, so that a dialect can refuse it by name. Texts borrow from the request's bytes.
//!
//! Source: OpenAI's API reference, "Create chat completion" (read 2026-11-25).

mod options;
mod part;
mod tool;
mod turn;

use std::borrow::Cow;

use serde::Deserialize;

use super::text::Text;
use super::{Members, RequestError};

pub use options::{Effort, Options, ResponseFormat};
pub use part::{File, Image, Part, PartKind};
pub use tool::{Tool, ToolChoice};
pub use turn::{Call, Reasoning, Turn};

/// A request, read in full.
#[derive(Debug, Clone)]
pub struct Conversation<'a> {
    /// The turns, oldest first.
    pub turns: Vec<Turn<'a>>,
    /// The tools that the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Which of them it must or must not call.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Everything else.
    pub options: Options<'a>,
}

impl<'a> Conversation<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// A field has another shape than OpenAI's API gives it, a role is unknown, a call's arguments are no
    /// JSON, or a tool result answers no call; the error names the field.
    pub fn parse(body: &'a str) -> Result<Self, RequestError> {
        let members: Members<'a> = serde_json::from_str(body)
            .map_err(|error| RequestError::Malformed { reason: error.to_string(), param: None })?;
        let messages: Vec<&'a serde_json::value::RawValue> = field(body, &members, "messages")?.unwrap_or_default();
        let mut turns = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            turns.push(turn::read(message.get(), &format!("messages[{index}]"))?);
        }
        turn::check_results(&turns)?;
        let tools: Vec<&'a serde_json::value::RawValue> = field(body, &members, "tools")?.unwrap_or_default();
        let tools = tools
            .into_iter()
            .enumerate()
            .map(|(index, tool)| tool::read(tool.get(), &format!("tools[{index}]")))
            .collect::<Result<Vec<_>, _>>()?;
        let tool_choice = tool::choice(borrowed(body, members.get("tool_choice")), &tools)?;
        let options = options::read(body, &members)?;
        Ok(Conversation { turns, tools, tool_choice, options })
    }
}

/// The part of `body` that a member's value is: the same text, but with the body's lifetime.
fn borrowed<'a>(body: &'a str, value: Option<&str>) -> Option<&'a str> {
    let value = value?;
    let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    body.get(start..start + value.len())
}

/// Reads a member, if it is there and not `null`.
fn field<'a, T: Deserialize<'a>>(
    body: &'a str,
    members: &Members<'a>,
    name: &'static str,
) -> Result<Option<T>, RequestError> {
    match borrowed(body, members.get(name)) {
        None | Some("null") => Ok(None),
        Some(json) => serde_json::from_str(json).map(Some).map_err(|error| invalid(name, &error.to_string())),
    }
}

/// A text member.
fn text<'a>(body: &'a str, members: &Members<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, RequestError> {
    Ok(field::<Text<'a>>(body, members, name)?.map(|text| text.0))
}

/// A field that is not as it must be.
fn invalid(param: &str, reason: &str) -> RequestError {
    RequestError::Field { param: param.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let message = |message: &str| format!(r#"{{"messages":[{{"role":"user","content":"q"}},{message}]}}"#);
        let cases = [
            (message(r#"{"role":"robot","content":"x"}"#), "messages[1].role"),
            (message(r#"{"content":"x"}"#), "messages[1].role"),
            (message(r#""text""#), "messages[1]"),
            (message(r#"{"role":"user","content":7}"#), "messages[1].content"),
            (message(r#"{"role":"user","content":[{"type":"smell"}]}"#), "messages[1].content[0].type"),
            (message(r#"{"role":"user","content":[{"type":"text"}]}"#), "messages[1].content[0].text"),
            (
                message(
                    r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/tiff;base64,AA"}}]}"#,
                ),
                "messages[1].content[0].image_url.url",
            ),
            (
                message(
                    r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,@@"}}]}"#,
                ),
                "messages[1].content[0].image_url.url",
            ),
            (
                message(r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://x/y.png"}}]}"#),
                "messages[1].content[0].image_url.url",
            ),
            (
                message(
                    r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}"#,
                ),
                "messages[1].tool_calls[0].function.arguments",
            ),
            (
                message(
                    r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"[1]"}}]}"#,
                ),
                "messages[1].tool_calls[0].function.arguments",
            ),
            (message(r#"{"role":"tool","content":"x"}"#), "messages[1].tool_call_id"),
            (message(r#"{"role":"tool","tool_call_id":"nobody","content":"x"}"#), "messages[1].tool_call_id"),
            (
                message(
                    r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
                ),
                "messages[1].tool_calls[0].id",
            ),
            (r#"{"messages":[],"tools":[{"type":"function","function":{}}]}"#.to_owned(), "tools[0].function.name"),
            (
                r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]}"#.to_owned(),
                "tools[0].function.parameters",
            ),
            (r#"{"messages":[],"tool_choice":"maybe"}"#.to_owned(), "tool_choice"),
            (
                r#"{"messages":[],"tools":[],"tool_choice":{"type":"function","function":{"name":"g"}}}"#.to_owned(),
                "tool_choice",
            ),
            (r#"{"messages":[],"temperature":"hot"}"#.to_owned(), "temperature"),
            (r#"{"messages":[],"stop":7}"#.to_owned(), "stop"),
            (r#"{"messages":[],"reasoning_effort":"huge"}"#.to_owned(), "reasoning_effort"),
            (r#"{"messages":[],"response_format":{"type":"xml"}}"#.to_owned(), "response_format.type"),
            (r#"{"messages":[],"response_format":{"type":"json_schema"}}"#.to_owned(), "response_format.json_schema"),
            (r#"{"messages":7}"#.to_owned(), "messages"),
        ];
        for (body, expected) in cases {
            match Conversation::parse(&body) {
                Err(RequestError::Field { param, .. }) => assert_eq!(param, expected, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn everything_of_a_request_has_its_place() {
        let body = r#"{"model":"m","messages":[
            {"role":"developer","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"é\u0021","cache_control":{"type":"ephemeral","ttl":"1h"}},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},
                {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
                {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]},
            {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[
                {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1.50}"}},
                {"id":"c2","type":"function","function":{"name":"f","arguments":""}}]},
            {"role":"tool","tool_call_id":"c1","content":"one"},
            {"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"}]}],
            "tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object"}}}],
            "tool_choice":"required","parallel_tool_calls":false,"max_tokens":5,"max_completion_tokens":7,
            "stop":"x","temperature":0,"seed":3,"n":1,"store":false,"reasoning_effort":"low","x_own":{"a":1},
            "response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":{"type":"object"}}}}"#;
        let conversation = Conversation::parse(body).unwrap();
        assert_eq!(conversation.turns.len(), 5);
        let Turn::User { parts, .. } = &conversation.turns[1] else { panic!("{:?}", conversation.turns[1]) };
        assert_eq!(parts.len(), 4);
        assert_eq!(parts[0].cache_control.as_deref(), Some(r#"{"type":"ephemeral","ttl":"1h"}"#));
        let Turn::Assistant { calls, reasoning, .. } = &conversation.turns[2] else { panic!() };
        assert_eq!(calls[0].arguments, r#"{"a":1.50}"#);
        assert_eq!(calls[1].arguments, "{}");
        assert_eq!(reasoning.text.as_deref(), Some("hm"));
        assert_eq!(conversation.tool_choice, Some(ToolChoice::Required));
        let options = &conversation.options;
        assert_eq!((options.max_tokens, options.seed, options.effort), (Some(7), Some(3), Some(Effort::Low)));
        assert_eq!(options.stop, ["x"]);
        assert_eq!(options.unknown.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>(), ["x_own"]);
        assert!(matches!(&options.response_format, Some(ResponseFormat::Schema { strict: Some(true), .. })));
    }
}
