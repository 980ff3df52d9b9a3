//! The turns of a conversation as this API wants them: user and assistant, results first, nothing empty.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use serde_json::value::RawValue;

use super::super::Context;
use super::super::drops::{Drops, EncodeError};
use super::super::json::{list, object, quote, word};
use crate::catalog::Provider;
use crate::protocol::conversation::{Call, Conversation, File, Image, Part, PartKind, Reasoning, Turn};
use crate::protocol::{ANTHROPIC, Members, short_hash};

/// What stands for a turn that says nothing, where the API wants one that does.
const EMPTY: &str = "(empty message)";

/// A content block.
#[derive(Debug)]
pub(super) struct Block<'a> {
    json: Json<'a>,
    /// Whether a cache marker may stand on it.
    pub(super) markable: bool,
}

#[derive(Debug)]
enum Json<'a> {
    Built(Members<'a>),
    /// As the provider wrote it.
    Native(String),
}

impl Block<'_> {
    pub(super) fn mark(&mut self) {
        if let Json::Built(members) = &mut self.json {
            members.set("cache_control", r#"{"type":"ephemeral"}"#);
        }
    }

    pub(super) fn to_json(&self) -> String {
        match &self.json {
            Json::Built(members) => members.to_json(),
            Json::Native(json) => json.clone(),
        }
    }
}

/// A message.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) is_user: bool,
    /// How many of the blocks are tool results; they stand first.
    results: usize,
    pub(super) blocks: Vec<Block<'a>>,
}

impl Message<'_> {
    pub(super) fn to_json(&self) -> String {
        let role = if self.is_user { "user" } else { "assistant" };
        format!(r#"{{"role":"{role}","content":{}}}"#, list(self.blocks.iter().map(Block::to_json)))
    }
}

/// The conversation in this API's form.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    /// What the model is told by whoever runs it.
    pub(super) system: Vec<Block<'a>>,
    /// The turns.
    pub(super) messages: Vec<Message<'a>>,
    /// Whether the client marked anything for the prompt cache.
    pub(super) marked: bool,
    /// Whether the turn that called the tools whose results are last begins with a thought.
    pub(super) loop_has_thought: bool,
    /// Ids of calls, from the client's to those that are sent.
    ids: HashMap<String, String>,
    used: HashSet<String>,
}

/// Writes the turns.
pub(super) fn content<'a>(
    conversation: &Conversation<'a>,
    context: &Context<'_>,
    drops: &mut Drops,
) -> Result<Content<'a>, EncodeError> {
    let mut written = Content { loop_has_thought: true, ..Content::default() };
    for turn in &conversation.turns {
        match turn {
            Turn::Instruction { parts } => {
                for part in parts {
                    let block = written.part(part, context, drops)?;
                    written.system.extend(block);
                }
            }
            Turn::User { parts } => {
                let mut blocks = Vec::with_capacity(parts.len());
                for part in parts {
                    blocks.extend(written.part(part, context, drops)?);
                }
                written.message(true).blocks.extend(blocks);
            }
            Turn::Assistant { parts, calls, reasoning } => {
                let blocks = written.assistant(parts, calls, reasoning, context, drops)?;
                written.loop_has_thought = blocks.first().is_some_and(|block| !block.markable) || calls.is_empty();
                written.message(false).blocks.extend(blocks);
            }
            Turn::Result { call_id, parts, cache_control, .. } => {
                let block = written.result(call_id, parts, cache_control.as_ref(), context, drops)?;
                let message = written.message(true);
                let at = message.results;
                message.blocks.insert(at, block);
                message.results += 1;
            }
        }
    }
    written.tidy();
    Ok(written)
}

impl<'a> Content<'a> {
    /// The last message, if it is of this role, else a new one.
    fn message(&mut self, is_user: bool) -> &mut Message<'a> {
        if self.messages.last().is_none_or(|last| last.is_user != is_user) {
            self.messages.push(Message { is_user, results: 0, blocks: Vec::new() });
        }
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    /// No empty messages, none of the same role after another, and the user's first.
    fn tidy(&mut self) {
        let last = self.messages.len().saturating_sub(1);
        let mut tidy: Vec<Message<'a>> = Vec::with_capacity(self.messages.len() + 1);
        for (at, mut message) in std::mem::take(&mut self.messages).into_iter().enumerate() {
            if message.blocks.is_empty() {
                if at != last || !message.is_user {
                    continue;
                }
                message.blocks.push(text(EMPTY));
            }
            if tidy.is_empty() && !message.is_user {
                tidy.push(Message { is_user: true, results: 0, blocks: vec![text(EMPTY)] });
            }
            match tidy.last_mut().filter(|before| before.is_user == message.is_user) {
                Some(before) => before.blocks.append(&mut message.blocks),
                None => tidy.push(message),
            }
        }
        if tidy.is_empty() {
            tidy.push(Message { is_user: true, results: 0, blocks: vec![text(EMPTY)] });
        }
        self.messages = tidy;
    }

    /// A part as a block; `None` if there is nothing in it.
    fn part(
        &mut self,
        part: &Part<'a>,
        context: &Context<'_>,
        drops: &mut Drops,
    ) -> Result<Option<Block<'a>>, EncodeError> {
        let mut block = match &part.kind {
            PartKind::Text(said) | PartKind::Refusal(said) => {
                if said.trim().is_empty() {
                    return Ok(None);
                }
                text(said)
            }
            PartKind::Image(image) => {
                built(object([("type", word!("image")), ("source", image_source(image, context).into())]))
            }
            PartKind::File(file) => {
                let mut members = object([("type", word!("document")), ("source", file_source(file, part)?.into())]);
                if let Some(name) = &file.name {
                    members.set("title", quote(name));
                }
                built(members)
            }
            PartKind::Audio { .. } => {
                drops.cannot(&part.path, "its API has no sound")?;
                return Ok(None);
            }
        };
        if let (Some(marker), Json::Built(members)) = (&part.cache_control, &mut block.json) {
            members.set("cache_control", marker.clone());
            self.marked = true;
        }
        Ok(Some(block))
    }

    fn assistant(
        &mut self,
        parts: &[Part<'a>],
        calls: &[Call<'a>],
        reasoning: &Reasoning<'a>,
        context: &Context<'_>,
        drops: &mut Drops,
    ) -> Result<Vec<Block<'a>>, EncodeError> {
        let said: String = parts
            .iter()
            .filter_map(|part| match &part.kind {
                PartKind::Text(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        let names = calls.iter().map(|call| (call.id.as_ref(), call.name.as_ref()));
        let kept = context.turns.recall(context.scope, Provider::Anthropic, &said, names);
        let native = kept.as_deref().and_then(Native::read);
        if let Some(native) = native.as_ref().filter(|native| native.says(&said, calls)) {
            let free = native.ids().all(|id| !self.used.contains(id));
            if free {
                for (call, id) in calls.iter().zip(native.ids()) {
                    self.ids.insert(call.id.to_string(), id.to_owned());
                    self.used.insert(id.to_owned());
                }
                return Ok(native.blocks().collect());
            }
        }
        let mut blocks: Vec<Block<'a>> = match &native {
            Some(native) => native.thoughts().collect(),
            None => details(reasoning),
        };
        for part in parts {
            blocks.extend(self.part(part, context, drops)?);
        }
        for call in calls {
            let id = self.call_id(&call.id);
            blocks.push(built(object([
                ("type", word!("tool_use")),
                ("id", quote(&id).into()),
                ("name", quote(&call.name).into()),
                ("input", call.arguments.clone()),
            ])));
        }
        Ok(blocks)
    }

    fn result(
        &mut self,
        call_id: &str,
        parts: &[Part<'a>],
        cache_control: Option<&Cow<'a, str>>,
        context: &Context<'_>,
        drops: &mut Drops,
    ) -> Result<Block<'a>, EncodeError> {
        let mut blocks = Vec::with_capacity(parts.len());
        let mut marker = cache_control.cloned();
        for part in parts {
            // A marker counts for the whole result: inside of it the API takes none.
            let unmarked = Part { cache_control: None, ..part.clone() };
            marker = marker.or_else(|| part.cache_control.clone());
            blocks.extend(self.part(&unmarked, context, drops)?);
        }
        let id = self.ids.get(call_id).cloned().unwrap_or_else(|| plain_id(call_id));
        let mut members = object([("type", word!("tool_result")), ("tool_use_id", quote(&id).into())]);
        if !blocks.is_empty() {
            members.set("content", list(blocks.iter().map(Block::to_json)));
        }
        if let Some(marker) = marker {
            members.set("cache_control", marker);
            self.marked = true;
        }
        Ok(built(members))
    }

    /// The id that is sent for a call: of the characters that the API takes, and not sent before. Some clients
    /// use the same ids in every turn.
    fn call_id(&mut self, id: &str) -> String {
        let plain = plain_id(id);
        let mut sent = plain.clone();
        let mut number = 2;
        while !self.used.insert(sent.clone()) {
            sent = format!("{plain}_{number}");
            number += 1;
        }
        self.ids.insert(id.to_owned(), sent.clone());
        sent
    }
}

/// An id of letters, digits, `_` and `-`. One that had others gets a mark, so that no two become the same.
fn plain_id(id: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if id.chars().all(fits) {
        return id.to_owned();
    }
    let plain: String = id.chars().map(|character| if fits(character) { character } else { '_' }).take(64).collect();
    format!("{plain}_{}", short_hash(id))
}

pub(super) fn text<'a>(text: &str) -> Block<'a> {
    built(object([("type", word!("text")), ("text", quote(text).into())]))
}

fn built(members: Members<'_>) -> Block<'_> {
    Block { json: Json::Built(members), markable: true }
}

fn image_source(image: &Image<'_>, context: &Context<'_>) -> String {
    match image {
        Image::Data { media_type, data } => base64_source(media_type, data),
        Image::Url(url) => match context.fetched.get(url.as_ref()) {
            Some((media_type, data)) => base64_source(media_type, data),
            None => format!(r#"{{"type":"url","url":{}}}"#, quote(url)),
        },
    }
}

fn base64_source(media_type: &str, data: &str) -> String {
    format!(r#"{{"type":"base64","media_type":{},"data":{}}}"#, quote(media_type), quote(data))
}

fn file_source(file: &File<'_>, part: &Part<'_>) -> Result<String, EncodeError> {
    if let Some(id) = &file.id {
        return Ok(format!(r#"{{"type":"file","file_id":{}}}"#, quote(id)));
    }
    if let Some(url) = &file.url {
        return Ok(format!(r#"{{"type":"url","url":{}}}"#, quote(url)));
    }
    let invalid = |reason: String| EncodeError::Invalid { param: format!("{}.file.file_data", part.path), reason };
    match &file.data {
        Some((kind, data)) if kind == "application/pdf" => Ok(base64_source(kind, data)),
        Some((kind, data)) if kind.starts_with("text/") => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(data.as_bytes())
                .map_err(|error| invalid(format!("it is no base64 ({error})")))?;
            let text = String::from_utf8(bytes).map_err(|error| invalid(format!("it is no UTF-8 text ({error})")))?;
            Ok(format!(r#"{{"type":"text","media_type":"text/plain","data":{}}}"#, quote(&text)))
        }
        Some((kind, _)) => Err(invalid(format!("Anthropic takes PDF and text, not `{kind}`"))),
        None => Err(invalid("it is missing".to_owned())),
    }
}

/// The thoughts that a client brought back.
fn details<'a>(reasoning: &Reasoning<'_>) -> Vec<Block<'a>> {
    let ours = reasoning.details.iter().filter(|detail| detail.is_of(ANTHROPIC));
    ours.filter_map(|detail| match (&detail.data, &detail.signature) {
        (Some(data), _) => Some(format!(r#"{{"type":"redacted_thinking","data":{}}}"#, quote(data))),
        (None, Some(signature)) => {
            let text = detail.text.as_deref().unwrap_or_default();
            Some(format!(r#"{{"type":"thinking","thinking":{},"signature":{}}}"#, quote(text), quote(signature)))
        }
        (None, None) => None,
    })
    .map(|json| Block { json: Json::Native(json), markable: false })
    .collect()
}

/// A turn as the API wrote it.
struct Native<'n> {
    blocks: Vec<(NativeBlock, &'n RawValue)>,
}

#[derive(Debug, serde::Deserialize)]
struct NativeBlock {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    input: serde_json::Value,
}

impl<'n> Native<'n> {
    fn read(json: &'n str) -> Option<Self> {
        let blocks: Vec<&'n RawValue> = serde_json::from_str(json).ok()?;
        let blocks = blocks.into_iter().map(|raw| Some((serde_json::from_str(raw.get()).ok()?, raw)));
        Some(Native { blocks: blocks.collect::<Option<_>>()? })
    }

    /// Whether it says and calls what the client has it say and call.
    fn says(&self, said: &str, calls: &[Call<'_>]) -> bool {
        let text: String = self.blocks.iter().map(|(block, _)| block.text.as_str()).collect();
        let own: Vec<_> = self.blocks.iter().filter(|(block, _)| block.kind == "tool_use").collect();
        text.trim() == said.trim()
            && own.len() == calls.len()
            && own.iter().zip(calls).all(|((block, _), call)| {
                serde_json::from_str::<serde_json::Value>(&call.arguments).is_ok_and(|input| input == block.input)
            })
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(|(block, _)| block.kind == "tool_use").map(|(block, _)| block.id.as_str())
    }

    fn blocks<'a>(&self) -> impl Iterator<Item = Block<'a>> {
        self.blocks
            .iter()
            .map(|(block, raw)| Block { json: Json::Native(raw.get().to_owned()), markable: !is_thought(&block.kind) })
    }

    fn thoughts<'a>(&self) -> impl Iterator<Item = Block<'a>> {
        self.blocks().filter(|block| !block.markable)
    }
}

fn is_thought(kind: &str) -> bool {
    matches!(kind, "thinking" | "redacted_thinking")
}
