//! A chat request, read once by borrowing from its bytes and changed by patching them in place.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::patch::{patched, present, span_in};
use super::text::Text;

/// The body of `POST /v1/chat/completions`, as far as it is looked at. Everything else stays in
/// the bytes, untouched.
#[derive(Debug)]
pub struct ChatRequest<'a> {
    body: &'a str,
    /// The model that the client asked for; empty if it named none.
    pub model: Cow<'a, str>,
    /// The conversation, oldest first.
    pub messages: Vec<Message<'a>>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client itself asked for the usage chunk.
    pub include_usage: bool,
    /// How many tools the client offers, `functions` included.
    pub tools: usize,
    /// Bytes of JSON that describe them.
    pub tools_bytes: usize,
    /// What else it asks for that routing looks at.
    pub wishes: Wishes<'a>,
    model_span: Option<Range<usize>>,
    stream_options_span: Option<Range<usize>>,
}

/// Fields that routing looks at. One of another type than OpenAI's API gives it counts as absent: the upstream
/// will say what is wrong with it.
#[derive(Debug, Default)]
pub struct Wishes<'a> {
    /// `reasoning_effort`.
    pub reasoning_effort: Option<Cow<'a, str>>,
    /// The conversation that it names: `metadata.session_id`.
    pub session_id: Option<Cow<'a, str>>,
    /// `prompt_cache_key`: what shares a prompt cache; one conversation, or many.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// Longest answer, in tokens: `max_completion_tokens`, else `max_tokens`.
    pub max_output: Option<u64>,
    /// Whether the answer must follow a JSON schema.
    pub json_schema: bool,
}

/// One message of a conversation.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// `system`, `developer`, `user`, `assistant`, `tool`, or what else a client writes.
    #[serde(borrow, default)]
    pub role: Cow<'a, str>,
    /// Its text.
    #[serde(borrow, default)]
    pub content: Content<'a>,
}

/// The text of a message: what stands in a plain `content`, or the text parts of a list.
#[derive(Debug, Default)]
pub struct Content<'a> {
    /// The texts, in order; none for an empty or absent content.
    pub texts: Vec<Cow<'a, str>>,
    /// Parts that are no text: images, audio, files.
    pub other_parts: usize,
    /// Those of them that are images.
    pub images: usize,
    /// Those of them that are audio.
    pub audio: usize,
}

/// A request that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The body is no JSON object of the right shape.
    #[error("the request body is not a valid chat completion request: {reason}")]
    Malformed {
        /// What the parser says, with line and column.
        reason: String,
        /// The field, where the parser knows it.
        param: Option<&'static str>,
    },
    /// One of its fields is not as it must be.
    #[error("`{param}`: {reason}")]
    Field {
        /// The field, as in `messages[0].role`.
        param: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What happens to a stream's usage chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageChunk {
    /// Ask the upstream for it.
    Ask,
    /// Leave the request as it is: the upstream does not know the option.
    Leave,
    /// Take the option out: the upstream would refuse it.
    Remove,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    /// Tools, as they were called before.
    #[serde(borrow, default)]
    functions: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_effort: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_format: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Text<'a>>,
}

impl<'a> Wire<'a> {
    fn wishes(&self) -> Wishes<'a> {
        let text = |raw: Option<&'a RawValue>| Some(serde_json::from_str::<Text<'a>>(raw?.get()).ok()?.0);
        let number = |raw: Option<&'a RawValue>| serde_json::from_str::<u64>(raw?.get()).ok();
        let metadata = || serde_json::from_str::<Metadata<'a>>(self.metadata?.get()).ok()?.session_id.map(|id| id.0);
        let format = self.response_format.and_then(|raw| serde_json::from_str::<ResponseFormat<'_>>(raw.get()).ok());
        Wishes {
            reasoning_effort: text(self.reasoning_effort),
            session_id: metadata().filter(|name| !name.trim().is_empty()),
            prompt_cache_key: text(self.prompt_cache_key).filter(|name| !name.trim().is_empty()),
            max_output: number(self.max_completion_tokens).or_else(|| number(self.max_tokens)),
            json_schema: format.and_then(|format| format.kind).is_some_and(|kind| kind.0 == "json_schema"),
        }
    }
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl<'a> ChatRequest<'a> {
    /// Whether a message has an image.
    #[must_use]
    pub fn has_images(&self) -> bool {
        self.messages.iter().any(|message| message.content.images > 0)
    }

    /// Reads a request body.
    ///
    /// # Errors
    /// The body is not UTF-8, no JSON object, names one of the fields read here twice, or has one
    /// of another type than OpenAI's API gives it.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let body = std::str::from_utf8(body).map_err(|error| malformed(format!("it is not UTF-8 ({error})"), None))?;
        // A list of the right members would be taken for an object.
        if !body.trim_start().starts_with('{') {
            return Err(malformed("it is no JSON object".to_owned(), None));
        }
        let wire: Wire<'a> = serde_json::from_str(body).map_err(|error| {
            let reason = error.to_string();
            let param = ["messages", "stream_options", "stream", "tools", "model"]
                .into_iter()
                .find(|field| reason.contains(&format!("`{field}`")));
            malformed(reason, param)
        })?;
        let model = match wire.model {
            None => Cow::Borrowed(""),
            Some(raw) => serde_json::from_str::<Option<Text<'a>>>(raw.get())
                .map_err(|_| malformed("`model` must be a string".to_owned(), Some("model")))?
                .map_or(Cow::Borrowed(""), |text| text.0),
        };
        let include_usage = match wire.stream_options {
            None => false,
            Some(raw) => serde_json::from_str::<Option<StreamOptions>>(raw.get())
                .map_err(|_| malformed("`stream_options` must be an object".to_owned(), Some("stream_options")))?
                .and_then(|options| options.include_usage)
                .unwrap_or(false),
        };
        let wishes = wire.wishes();
        let functions = wire.functions.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
        Ok(ChatRequest {
            body,
            model,
            wishes,
            tools: wire.tools.iter().chain(&functions).map(Vec::len).sum(),
            tools_bytes: wire.tools.iter().chain(&functions).flatten().map(|tool| tool.get().len()).sum(),
            messages: wire.messages,
            stream: wire.stream.unwrap_or(false),
            include_usage,
            model_span: wire.model.map(|raw| span_in(body, raw.get())),
            stream_options_span: wire.stream_options.map(|raw| span_in(body, raw.get())),
        })
    }

    /// The bytes that it was read from.
    #[must_use]
    pub fn body(&self) -> &'a str {
        self.body
    }

    /// The body with another model and, for streams, the usage chunk asked for or not; every other
    /// byte is the client's.
    ///
    /// # Panics
    /// Never: a request that was parsed is an object.
    #[must_use]
    pub fn with_model(&self, model: &str, usage: UsageChunk) -> Bytes {
        let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(2);
        let mut front = String::new();
        let quoted = serde_json::Value::from(model).to_string();
        match &self.model_span {
            Some(span) => edits.push((span.clone(), quoted)),
            None => front = format!("\"model\":{quoted},"),
        }
        match (usage, &self.stream_options_span) {
            (UsageChunk::Ask, _) if !self.stream || self.include_usage => {}
            (UsageChunk::Ask, None) => front.push_str("\"stream_options\":{\"include_usage\":true},"),
            (UsageChunk::Ask, Some(span)) => edits.push((span.clone(), asking_for_usage(&self.body[span.clone()]))),
            (UsageChunk::Remove, Some(span)) => edits.push((member_around(self.body, span), String::new())),
            (UsageChunk::Remove, None) | (UsageChunk::Leave, _) => {}
        }
        patched(self.body, &front, edits)
    }
}

fn malformed(reason: String, param: Option<&'static str>) -> RequestError {
    RequestError::Malformed { reason, param }
}

/// `stream_options` with `include_usage` set, its other members kept.
fn asking_for_usage(options: &str) -> String {
    let mut members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(options).unwrap_or_default();
    members.insert("include_usage".to_owned(), true.into());
    serde_json::Value::Object(members).to_string()
}

/// The span of a whole member (`"name": value` and one comma), from the span of its value.
fn member_around(body: &str, value: &Range<usize>) -> Range<usize> {
    let colon = body[..value.start].rfind(':').expect("a member's value stands after a colon");
    let close = body[..colon].rfind('"').expect("a member's name ends with a quote");
    let open = body[..close].rfind('"').expect("the names that are removed hold no quote");
    let after = &body[value.end..];
    if after.trim_start().starts_with(',') {
        let comma = value.end + after.len() - after.trim_start().len();
        return open..comma + 1;
    }
    let before = body[..open].trim_end();
    if before.ends_with(',') { before.len() - 1..value.end } else { open..value.end }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a list of parts or null as message content")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content { texts: vec![Cow::Borrowed(text)], ..Content::default() })
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content { texts: vec![Cow::Owned(text.to_owned())], ..Content::default() })
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let mut content = Content::default();
                while let Some(part) = parts.next_element::<Part<'de>>()? {
                    content.add(part);
                }
                Ok(content)
            }
            // Some clients wrap a single part without a list.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let part = Part::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                let mut content = Content::default();
                content.add(part);
                Ok(content)
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, rename = "type", default)]
    kind: Option<Text<'a>>,
}

impl<'a> Content<'a> {
    fn add(&mut self, part: Part<'a>) {
        let Some(text) = part.text else {
            let kind = part.kind.as_ref().map_or("", |kind| kind.0.as_ref());
            self.other_parts += 1;
            self.images += usize::from(kind == "image_url");
            self.audio += usize::from(kind == "input_audio");
            return;
        };
        self.texts.push(text.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "{ \"model\" : \"auto\",\"x\":1.0e0, \"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],\"stream\":true }";

    fn patched(body: &str, model: &str, usage: UsageChunk) -> String {
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        String::from_utf8(request.with_model(model, usage).to_vec()).unwrap()
    }

    #[test]
    fn a_request_is_read_by_borrowing() {
        let request = ChatRequest::parse(BODY.as_bytes()).unwrap();
        assert!(matches!(request.model, Cow::Borrowed("auto")));
        assert!(request.stream && !request.include_usage);
        assert_eq!(request.messages[0].content.texts, ["hé"]);
    }

    #[test]
    fn only_the_model_and_the_usage_option_change() {
        assert_eq!(
            patched(BODY, "m\"1", UsageChunk::Ask),
            "{\"stream_options\":{\"include_usage\":true}, \"model\" : \"m\\\"1\",\"x\":1.0e0, \"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],\"stream\":true }"
        );
        let other = r#"{"messages":[],"stream":true,"stream_options":{"a":1,"include_usage":false}}"#;
        assert_eq!(
            patched(other, "m", UsageChunk::Ask),
            r#"{"model":"m","messages":[],"stream":true,"stream_options":{"a":1,"include_usage":true}}"#
        );
        let asked = r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(patched(asked, "m", UsageChunk::Ask), asked);
        let plain = r#"{"model":"m","messages":[]}"#;
        assert_eq!(patched(plain, "m", UsageChunk::Ask), plain);
    }

    #[test]
    fn null_is_written_over_and_not_doubled() {
        let body = r#"{"model":null,"messages":[],"stream":true,"stream_options":null}"#;
        let patched = patched(body, "m", UsageChunk::Ask);
        assert_eq!(patched, r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#);
    }

    #[test]
    fn the_usage_option_can_be_taken_out_wherever_it_stands() {
        let cases = [
            (r#"{"model":"m","stream_options" : {},"messages":[]}"#, r#"{"model":"m","messages":[]}"#),
            (r#"{"stream_options":{} , "model":"m","messages":[]}"#, r#"{ "model":"m","messages":[]}"#),
            (r#"{"model":"m","messages":[] , "stream_options":{}}"#, r#"{"model":"m","messages":[] }"#),
        ];
        for (before, after) in cases {
            assert_eq!(patched(before, "m", UsageChunk::Remove), after);
        }
    }

    #[test]
    fn content_is_text_parts_null_or_absent() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}}]},
            {"role":"assistant","content":null},{"role":"tool"}]}"#;
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(request.messages[0].content.texts, ["a"]);
        assert_eq!(request.messages[0].content.other_parts, 1);
        assert!(request.messages[1].content.texts.is_empty());
        assert!(request.messages[2].content.texts.is_empty());
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_field() {
        let cases = [
            ("", None),
            ("[]", None),
            (r#"["auto",[]]"#, None),
            (r#"["auto",[{"role":"user","content":"x"}]]"#, None),
            ("{}", Some("messages")),
            (r#"{"messages":[],"model":1}"#, Some("model")),
            (r#"{"messages":[],"stream_options":7}"#, Some("stream_options")),
            (r#"{"messages":[],"messages":[]}"#, Some("messages")),
            (r#"{"messages":[]} x"#, None),
        ];
        for (body, field) in cases {
            let RequestError::Malformed { param, .. } = ChatRequest::parse(body.as_bytes()).unwrap_err() else {
                panic!("{body}")
            };
            assert_eq!(param, field, "{body}");
        }
        assert!(ChatRequest::parse(b"{\"messages\":[\"\xff\"]}").is_err());
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for field in ["model", "messages", "stream_options", "tools", "x"] {
            let body = format!(r#"{{"messages":[],"{field}":{deep}}}"#);
            let _ = ChatRequest::parse(body.as_bytes());
        }
        let content = format!(r#"{{"messages":[{{"role":"user","content":{deep}}}]}}"#);
        assert!(ChatRequest::parse(content.as_bytes()).is_err());
    }
}
