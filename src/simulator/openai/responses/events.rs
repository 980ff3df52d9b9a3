//! The events of a stream, in their order.
//!
//! Source: OpenAI's API reference, "Streaming events" (read 2026-12-01).

use serde_json::{Value, json};

use super::super::super::Reply;
use super::super::super::turn::Finish;
use super::super::Scene;
use super::talk::{Item, summary_part, text_part};

/// The events so far; each has its number.
struct Events {
    texts: Vec<String>,
    /// Whether deltas are padded, so that nobody can tell the tokens by their lengths.
    padded: bool,
}

impl Events {
    fn push(&mut self, kind: &str, fields: Value) {
        self.texts.push(event(kind, self.texts.len(), fields));
    }

    /// A piece of something longer.
    fn delta(&mut self, kind: &str, mut fields: Value, piece: &str) {
        fields["delta"] = piece.into();
        if self.padded {
            fields["obfuscation"] = "x".repeat(16_usize.saturating_sub(piece.len())).into();
        }
        self.push(kind, fields);
    }
}

fn event(kind: &str, number: usize, fields: Value) -> String {
    let mut data = json!({ "type": kind, "sequence_number": number });
    if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
        data.extend(fields);
    }
    format!("event: {kind}\ndata: {data}\n\n")
}

/// The events of a response, and the one that a failing model sends instead of those that are left.
pub(super) fn events(scene: &Scene<'_>, items: &[Item], begun: &Value, response: &Value) -> (Vec<String>, String) {
    let padded = scene.asked["stream_options"]["include_obfuscation"] != false;
    let mut events = Events { texts: Vec::new(), padded };
    events.push("response.created", json!({ "response": begun }));
    events.push("response.in_progress", json!({ "response": begun }));
    for (index, item) in items.iter().enumerate() {
        let done = &response["output"][index];
        let id = done["id"].as_str().unwrap_or_default();
        let added = item.json(id, false, Finish::Stop);
        events.push("response.output_item.added", json!({ "output_index": index, "item": added }));
        inside(&mut events, item, &json!({ "item_id": id, "output_index": index }));
        events.push("response.output_item.done", json!({ "output_index": index, "item": done }));
    }
    let end = if response["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
    events.push(end, json!({ "response": response }));
    let mut failed = begun.clone();
    failed["status"] = json!("failed");
    failed["error"] = json!({ "code": "server_error", "message": "the model crashed" });
    let number = match scene.reply {
        Reply::ErrorAfter(count) => events.texts.len().min(*count),
        _ => 0,
    };
    (events.texts, event("response.failed", number, json!({ "response": failed })))
}

/// What happens between the begin of an item and its end; `place` says which item it is.
fn inside(events: &mut Events, item: &Item, place: &Value) {
    let at = |more: Value| {
        let mut fields = place.clone();
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        fields
    };
    match item {
        Item::Thought { summary, .. } if !summary.is_empty() => {
            let part = |text: &str| at(json!({ "summary_index": 0, "part": summary_part(text) }));
            events.push("response.reasoning_summary_part.added", part(""));
            for piece in summary {
                events.delta("response.reasoning_summary_text.delta", at(json!({ "summary_index": 0 })), piece);
            }
            let text = summary.concat();
            events.push("response.reasoning_summary_text.done", at(json!({ "summary_index": 0, "text": text })));
            events.push("response.reasoning_summary_part.done", part(&text));
        }
        Item::WebSearch { .. } => {
            for step in ["in_progress", "searching", "completed"] {
                events.push(&format!("response.web_search_call.{step}"), at(json!({})));
            }
        }
        Item::Call { free, pieces, .. } => {
            let (kind, member) =
                if *free { ("custom_tool_call_input", "input") } else { ("function_call_arguments", "arguments") };
            for piece in pieces {
                events.delta(&format!("response.{kind}.delta"), at(json!({})), piece);
            }
            events.push(&format!("response.{kind}.done"), at(json!({ member: pieces.concat() })));
        }
        Item::Message { pieces, annotations } => {
            let part = |text: &str, annotations: &[Value]| {
                at(json!({ "content_index": 0, "part": text_part(text, annotations) }))
            };
            events.push("response.content_part.added", part("", &[]));
            for piece in pieces {
                let fields = at(json!({ "content_index": 0, "logprobs": [] }));
                events.delta("response.output_text.delta", fields, piece);
            }
            for (index, annotation) in annotations.iter().enumerate() {
                let fields = json!({ "content_index": 0, "annotation_index": index, "annotation": annotation });
                events.push("response.output_text.annotation.added", at(fields));
            }
            let text = pieces.concat();
            let fields = json!({ "content_index": 0, "text": text, "logprobs": [] });
            events.push("response.output_text.done", at(fields));
            events.push("response.content_part.done", part(&text, annotations));
        }
        Item::Thought { .. } | Item::ToolSearch { .. } | Item::Compaction { .. } => {}
    }
}
