//! An embeddings request and its answer, of which only the model and the tokens are looked at.
//!
//! Source: OpenAI's API reference, "Create embeddings" (read 2026-12-01).

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::chat::RequestError;
use super::patch::{patched, present, span_in};
use super::text::Text;
use super::usage::TokenUsage;

/// The body of `POST /v1/embeddings`. What is to be embedded stays in the bytes.
#[derive(Debug)]
pub struct EmbeddingsRequest<'a> {
    body: &'a str,
    /// The model that the client asked for; empty if it named none.
    pub model: Cow<'a, str>,
    model_span: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    input: &'a RawValue,
}

impl<'a> EmbeddingsRequest<'a> {
    /// Reads a request body.
    ///
    /// # Errors
    /// The body is not UTF-8, no JSON object, has no `input`, has one of the two fields twice, or its `model` is no text.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let malformed = |reason: String, param| RequestError::Malformed { reason, param };
        let body = std::str::from_utf8(body).map_err(|error| malformed(format!("it is not UTF-8 ({error})"), None))?;
        if !body.trim_start().starts_with('{') {
            return Err(malformed("it is no JSON object".to_owned(), None));
        }
        let wire: Wire<'a> = serde_json::from_str(body).map_err(|error| {
            let reason = error.to_string();
            let param = ["input", "model"].into_iter().find(|field| reason.contains(&format!("`{field}`")));
            malformed(reason, param)
        })?;
        if wire.input.get() == "null" {
            return Err(malformed("`input` must be a text or a list".to_owned(), Some("input")));
        }
        let model = match wire.model {
            None => Cow::Borrowed(""),
            Some(raw) => serde_json::from_str::<Option<Text<'a>>>(raw.get())
                .map_err(|_| malformed("`model` must be a string".to_owned(), Some("model")))?
                .map_or(Cow::Borrowed(""), |text| text.0),
        };
        Ok(EmbeddingsRequest { body, model, model_span: wire.model.map(|raw| span_in(body, raw.get())) })
    }

    /// The body with a model's name; every other byte is the client's.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Bytes {
        if self.model == model {
            return Bytes::copy_from_slice(self.body.as_bytes());
        }
        let quoted = serde_json::Value::from(model).to_string();
        match &self.model_span {
            Some(span) => patched(self.body, "", vec![(span.clone(), quoted)]),
            None => patched(self.body, &format!("\"model\":{quoted},"), Vec::new()),
        }
    }
}

/// The parts of an answer that are looked at.
#[derive(Debug, Deserialize)]
pub struct EmbeddingsView<'a> {
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    /// Present in every real answer.
    #[expect(dead_code, reason = "an answer without it is none")]
    data: Vec<IgnoredAny>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl EmbeddingsView<'_> {
    /// The model that answered, as the provider names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(Text::as_str)
    }

    /// Token counts, and the same as the provider wrote them. An embedding has no output tokens.
    #[must_use]
    pub fn usage(&self) -> Option<(TokenUsage, String)> {
        let raw = self.usage?;
        let usage: TokenUsage = serde_json::from_str(raw.get()).ok()?;
        let output_tokens = usage.input_tokens.map(|_| 0);
        Some((TokenUsage { output_tokens, ..usage }, raw.get().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(body: &str, model: &str) -> String {
        let request = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
        String::from_utf8(request.with_model(model).to_vec()).unwrap()
    }

    #[test]
    fn only_the_models_name_is_changed() {
        let body = " { \"input\" : [1, 2e0],\"model\":\"a\", \"x\":1.0e0 }";
        assert_eq!(sent(body, "a"), body);
        assert_eq!(sent(body, "b\""), body.replace("\"a\"", "\"b\\\"\""));
        assert_eq!(sent("{\"input\":\"t\"}", "b"), "{\"model\":\"b\",\"input\":\"t\"}");
        assert_eq!(sent("{\"model\":null,\"input\":\"t\"}", "b"), "{\"model\":\"b\",\"input\":\"t\"}");
    }

    #[test]
    fn a_request_that_cannot_be_meant_is_refused_with_its_field() {
        for (body, field) in [
            ("[]", None),
            ("{", None),
            ("{\"model\":\"a\"}", Some("input")),
            ("{\"model\":\"a\",\"input\":null}", Some("input")),
            ("{\"model\":1,\"input\":\"t\"}", Some("model")),
            ("{\"input\":\"t\",\"input\":\"u\"}", Some("input")),
        ] {
            match EmbeddingsRequest::parse(body.as_bytes()) {
                Err(RequestError::Malformed { param, .. }) => assert_eq!(param, field, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_answer_tells_its_model_and_its_input_tokens() {
        let view: EmbeddingsView<'_> = serde_json::from_str(
            r#"{"object":"list","data":[{"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        )
        .unwrap();
        let (usage, raw) = view.usage().unwrap();
        assert_eq!((view.model(), usage.input_tokens, usage.output_tokens), (Some("m"), Some(8), Some(0)));
        assert_eq!(raw, r#"{"prompt_tokens":8,"total_tokens":8}"#);
        let silent: EmbeddingsView<'_> = serde_json::from_str(r#"{"data":[]}"#).unwrap();
        assert!(silent.usage().is_none());
        assert!(serde_json::from_str::<EmbeddingsView<'_>>(r#"{"error":{}}"#).is_err());
    }
}
