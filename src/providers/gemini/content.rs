//! The turns of a conversation as `contents`: user and model, results together, signatures in their place.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::super::Context;
use super::super::drops::{Drops, EncodeError};
use super::super::json::{list, object, quote};
use super::request::is_old;
use crate::catalog::Provider;
use crate::protocol::conversation::{Call, Conversation, Image, Part, PartKind, Reasoning, Turn};
use crate::protocol::{GEMINI, Members};

/// What stands for a turn that says nothing, where the API wants one that does.
const EMPTY: &str = "(empty message)";
/// The signature for a call that another model made, or whose own was lost: the API checks none then.
///
/// Source: "Thought signatures", FAQ 1 (read 2026-11-25).
const UNSIGNED: &str = "skip_thought_signature_validator";

/// The conversation in this API's form.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// What the model is told by whoever runs it, as parts.
    pub(super) system: Vec<String>,
    /// The turns.
    contents: Vec<Turned>,
    /// Client's id of a call → the id that is sent, if the API gave it one, and its name.
    calls: HashMap<String, (Option<String>, String)>,
}

#[derive(Debug)]
struct Turned {
    role: Role,
    parts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    User,
    /// Results of tools: a `user` turn of their own, as they may stand with nothing else.
    Results,
    Model,
}

/// Writes the turns.
pub(super) fn content(
    conversation: &Conversation<'_>,
    context: &Context<'_>,
    drops: &mut Drops,
) -> Result<Content, EncodeError> {
    let mut written = Content::default();
    // Results that come late stand with the others of their calls.
    for turn in &conversation.turns {
        match turn {
            Turn::Instruction { parts } => {
                for part in parts {
                    let fresh = part_of(part, context, drops)?;
                    written.system.extend(fresh);
                }
            }
            Turn::User { parts } => {
                let mut fresh = Vec::with_capacity(parts.len());
                for part in parts {
                    fresh.extend(part_of(part, context, drops)?);
                }
                written.add(Role::User, fresh);
            }
            Turn::Assistant { parts, calls, reasoning } => {
                let fresh = written.model(parts, calls, reasoning, context, drops)?;
                written.add(Role::Model, fresh);
            }
            Turn::Result { call_id, parts, path, .. } => {
                let fresh = written.result(call_id, parts, path, context, drops)?;
                written.add_result(fresh);
            }
        }
    }
    Ok(written)
}

impl Content {
    /// The contents as JSON. The user's first, and no turn without parts.
    pub(super) fn contents(&self) -> String {
        let mut written = Vec::with_capacity(self.contents.len() + 1);
        let empty = format!(r#"{{"role":"user","parts":[{{"text":{}}}]}}"#, quote(EMPTY));
        if self.contents.first().is_none_or(|first| first.role != Role::User) {
            written.push(empty);
        }
        for turn in &self.contents {
            let role = if turn.role == Role::Model { "model" } else { "user" };
            written.push(format!(r#"{{"role":"{role}","parts":{}}}"#, list(&turn.parts)));
        }
        list(written)
    }

    /// Whether the model is to go on with a turn of its own.
    pub(super) fn ends_with_model(&self) -> bool {
        self.contents.last().is_some_and(|last| last.role == Role::Model)
    }

    fn add(&mut self, role: Role, mut parts: Vec<String>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut().filter(|last| last.role == role) {
            Some(last) => last.parts.append(&mut parts),
            None => self.contents.push(Turned { role, parts }),
        }
    }

    /// A result stands directly behind the calls, before what the user said in between.
    fn add_result(&mut self, part: String) {
        let after = self.contents.iter().rposition(|turn| turn.role == Role::Model).map_or(0, |at| at + 1);
        match self.contents.get_mut(after).filter(|turn| turn.role == Role::Results) {
            Some(results) => results.parts.push(part),
            None => self.contents.insert(after, Turned { role: Role::Results, parts: vec![part] }),
        }
    }

    fn model(
        &mut self,
        parts: &[Part<'_>],
        calls: &[Call<'_>],
        reasoning: &Reasoning<'_>,
        context: &Context<'_>,
        drops: &mut Drops,
    ) -> Result<Vec<String>, EncodeError> {
        let said: String = parts
            .iter()
            .filter_map(|part| match &part.kind {
                PartKind::Text(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        let names = calls.iter().map(|call| (call.id.as_ref(), call.name.as_ref()));
        let kept = context.turns.recall(context.scope, Provider::Gemini, &said, names);
        let native = kept.as_deref().and_then(Native::read);
        if let Some(native) = native.as_ref().filter(|native| native.says(&said, calls)) {
            for (call, part) in calls.iter().zip(native.calls()) {
                self.calls.insert(call.id.to_string(), (part.id.clone(), call.name.to_string()));
            }
            return Ok(native.0.iter().map(|(_, raw)| raw.get().to_owned()).collect());
        }
        let mut written = Vec::with_capacity(parts.len() + calls.len());
        for part in parts {
            written.extend(part_of(part, context, drops)?);
        }
        // A signature without a call belongs to the last text.
        let ours = || reasoning.details.iter().filter(|detail| detail.is_of(GEMINI));
        if let Some(signature) = ours().find(|detail| detail.id.is_none()).and_then(|detail| detail.data.as_deref()) {
            match written.last_mut() {
                Some(last) => last.insert_str(last.len() - 1, &format!(r#","thoughtSignature":{}"#, quote(signature))),
                None if calls.is_empty() => {
                    written.push(format!(r#"{{"text":"","thoughtSignature":{}}}"#, quote(signature)));
                }
                None => {}
            }
        }
        for (at, call) in calls.iter().enumerate() {
            let brought = ours().find(|detail| detail.id.as_deref().is_some_and(|id| same_id(id, &call.id)));
            let own_id = native.as_ref().and_then(|native| native.calls().nth(at)).and_then(|part| part.id.clone());
            // An id that was made here is nothing to the API.
            let id = own_id.or_else(|| brought.map(|_| call.id.to_string()).filter(|_| !is_old(context.model)));
            let mut inner = Members::default();
            if let Some(id) = &id {
                inner.set("id", quote(id));
            }
            inner.set("name", quote(&call.name));
            inner.set("args", call.arguments.clone());
            let mut part = object([("functionCall", inner.to_json().into())]);
            let signature = brought
                .and_then(|detail| detail.data.as_deref())
                .or((at == 0 && !is_old(context.model)).then_some(UNSIGNED));
            if let Some(signature) = signature {
                part.set("thoughtSignature", quote(signature));
            }
            written.push(part.to_json());
            self.calls.insert(call.id.to_string(), (id, call.name.to_string()));
        }
        Ok(written)
    }

    fn result(
        &self,
        call_id: &str,
        parts: &[Part<'_>],
        path: &str,
        context: &Context<'_>,
        drops: &mut Drops,
    ) -> Result<String, EncodeError> {
        let Some((id, name)) = self.calls.get(call_id) else {
            return Err(EncodeError::Invalid {
                param: format!("{path}.tool_call_id"),
                reason: "no earlier assistant message has a tool call with this id".to_owned(),
            });
        };
        let mut texts = String::new();
        let mut media = Vec::new();
        for part in parts {
            match &part.kind {
                PartKind::Text(text) => {
                    if !texts.is_empty() {
                        texts.push('\n');
                    }
                    texts.push_str(text);
                }
                _ => media.extend(part_of(part, context, drops)?),
            }
        }
        // An object goes as it is; anything else is wrapped, as the API takes objects only.
        let is_object = texts.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&texts).is_ok();
        let response = if is_object { texts } else { format!(r#"{{"result":{}}}"#, quote(&texts)) };
        let mut inner = Members::default();
        if let Some(id) = id {
            inner.set("id", quote(id));
        }
        inner.set("name", quote(name));
        inner.set("response", response);
        if !media.is_empty() {
            inner.set("parts", list(media));
        }
        Ok(object([("functionResponse", inner.to_json().into())]).to_json())
    }
}

/// A part as JSON; `None` if there is nothing in it.
fn part_of(part: &Part<'_>, context: &Context<'_>, drops: &mut Drops) -> Result<Option<String>, EncodeError> {
    Ok(match &part.kind {
        PartKind::Text(text) | PartKind::Refusal(text) => {
            (!text.is_empty()).then(|| format!(r#"{{"text":{}}}"#, quote(text)))
        }
        PartKind::Image(Image::Data { media_type, data }) => Some(inline(media_type, data)),
        PartKind::Image(Image::Url(url)) => Some(match context.fetched.get(url.as_ref()) {
            Some((media_type, data)) => inline(media_type, data),
            None => file_data(media_type_of(url).unwrap_or("image/jpeg"), url),
        }),
        PartKind::Audio { data, format } => Some(inline(&format!("audio/{format}"), data)),
        PartKind::File(file) => match (&file.data, &file.url, &file.id) {
            (Some((media_type, data)), ..) => Some(inline(media_type, data)),
            (None, Some(url), _) => Some(file_data(media_type_of(url).unwrap_or("application/pdf"), url)),
            (None, None, Some(id)) if id.starts_with("https://") => Some(file_data("application/pdf", id)),
            _ => {
                let reason = "an id of another provider's file means nothing here";
                drops.cannot(&format!("{}.file.file_id", part.path), reason)?;
                None
            }
        },
    })
}

fn same_id(one: &str, other: &str) -> bool {
    let plain = |id: &str| id.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    one == other || plain(one) == plain(other)
}

fn inline(media_type: &str, data: &str) -> String {
    format!(r#"{{"inlineData":{{"mimeType":{},"data":{}}}}}"#, quote(media_type), quote(data))
}

fn file_data(media_type: &str, uri: &str) -> String {
    format!(r#"{{"fileData":{{"mimeType":{},"fileUri":{}}}}}"#, quote(media_type), quote(uri))
}

/// The type that a URL's ending tells, if it is one that the API fetches by itself.
pub(in super::super) fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    Some(match path.rsplit('.').next()? {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

/// A turn as the API wrote it.
struct Native<'n>(Vec<(NativePart, &'n RawValue)>);

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct NativePart {
    #[serde(default)]
    text: String,
    #[serde(default)]
    function_call: Option<NativeCall>,
}

#[derive(serde::Deserialize)]
struct NativeCall {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    args: Option<serde_json::Value>,
}

impl<'n> Native<'n> {
    fn read(json: &'n str) -> Option<Self> {
        let parts: Vec<&'n RawValue> = serde_json::from_str(json).ok()?;
        let parts = parts.into_iter().map(|raw| Some((serde_json::from_str(raw.get()).ok()?, raw)));
        parts.collect::<Option<_>>().map(Native)
    }

    fn calls(&self) -> impl Iterator<Item = &NativeCall> {
        self.0.iter().filter_map(|(part, _)| part.function_call.as_ref())
    }

    /// Whether it says and calls what the client has it say and call.
    fn says(&self, said: &str, calls: &[Call<'_>]) -> bool {
        let text: String = self.0.iter().map(|(part, _)| part.text.as_str()).collect();
        text.trim() == said.trim()
            && self.calls().count() == calls.len()
            && self.calls().zip(calls).all(|(own, call)| {
                let args = own.args.clone().unwrap_or_else(|| serde_json::json!({}));
                serde_json::from_str::<serde_json::Value>(&call.arguments).is_ok_and(|written| written == args)
            })
    }
}
