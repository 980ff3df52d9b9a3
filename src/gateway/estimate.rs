//! Counts the tokens that no provider reported, with a tokenizer that may not be the provider's own. Such
//! counts are marked as estimates.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use memchr::memchr2;
use memchr::memmem::Finder;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::bill::Bill;
use crate::protocol::{TokenUsage, UsageSource};
use crate::store::{Receipt, Row, Store};

/// Most text that is remembered of an answer, in bytes. More is not counted.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// Longest piece that is tokenized at once, in bytes. The time for a piece without blanks grows with its square.
const PIECE: usize = 2_048;
/// The same where there is no blank to cut at.
const WITHOUT_BLANKS: usize = 256;
/// Most of a text that is counted, in bytes.
const SAMPLE: usize = 256 * 1024;
/// Most rows that wait to be counted. With more, the newest go to the history with what was reported.
const MOST_WAITING: usize = 512;
/// Tokens around each message, as OpenAI counts them for its own models.
const PER_MESSAGE: u64 = 4;

/// What a count is made from.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The request's body.
    pub(super) request: Bytes,
    /// A whole answer.
    pub(super) answer: Bytes,
    /// The texts of a streamed one, as they stand in JSON.
    pub(super) seen: Vec<u8>,
}

/// Counts off the path of requests, one at a time.
#[derive(Debug, Clone)]
pub struct Estimator {
    tasks: TaskTracker,
    turn: Arc<Semaphore>,
}

impl Default for Estimator {
    fn default() -> Self {
        let tasks = TaskTracker::new();
        // Closed means that it can be waited for; tasks are taken all the same.
        tasks.close();
        Estimator { tasks, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Estimator {
    /// Hands a row to the history, and again once what it lacks is counted.
    pub(super) fn complete(&self, mut row: Box<Row>, evidence: Evidence, store: Store, bill: Bill) -> Option<Receipt> {
        let turn = self.turn.clone();
        if self.tasks.len() >= MOST_WAITING {
            bill.settle(&mut row);
            return store.finished(row);
        }
        let receipt = store.answered(&row);
        if receipt.as_ref().is_some_and(Receipt::is_refused) {
            return receipt;
        }
        let finish = move || {
            let counted = evidence.count();
            let reported = row.usage;
            row.usage.input_tokens = reported.input_tokens.or(counted.input_tokens);
            row.usage.output_tokens = reported.output_tokens.max(counted.output_tokens);
            if row.usage != reported {
                row.usage_source = UsageSource::Estimated;
            }
            bill.settle(&mut row);
            store.counted(row);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                self.tasks.spawn_on(
                    async move {
                        let _turn = turn.acquire_owned().await;
                        // A panic in there would lose the row; there is none, as counting only reads.
                        let _ = tokio::task::spawn_blocking(finish).await;
                    },
                    &runtime,
                );
            }
            Err(_) => finish(),
        }
        receipt
    }

    /// Waits until nothing is being counted.
    pub async fn idle(&self) {
        self.tasks.wait().await;
    }
}

impl Evidence {
    /// Whether an answer has begun: where nothing was said, nothing is counted.
    pub(super) fn says_something(&self) -> bool {
        !self.answer.is_empty() || !self.seen.is_empty()
    }

    fn count(&self) -> TokenUsage {
        // What serde_json cannot read, such as a lone surrogate, cannot be counted: unknown is not 0.
        let readable = serde_json::from_slice::<Value>(&self.request).ok();
        let can_read = readable.is_some();
        let request = readable.unwrap_or_default();
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut input = String::new();
        for message in messages {
            texts(message, &mut input, 0);
        }
        if request["tools"].is_array() {
            input.push_str(&request["tools"].to_string());
        }
        let mut output = unescape(&self.seen);
        if let Ok(answer) = serde_json::from_slice::<Value>(&self.answer) {
            for choice in answer["choices"].as_array().into_iter().flatten() {
                texts(&choice["message"], &mut output, 0);
            }
        }
        let said = !output.is_empty();
        TokenUsage {
            input_tokens: can_read.then(|| tokens(&input) + PER_MESSAGE * messages.len() as u64),
            output_tokens: said.then(|| tokens(&output)),
            ..TokenUsage::default()
        }
    }
}

/// Every text in a message: what it says, and its calls. Pictures and sounds are not counted.
fn texts(value: &Value, whole: &mut String, depth: usize) {
    match value {
        Value::String(text) if !text.starts_with("data:") && depth > 0 => {
            whole.push_str(text);
            whole.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, whole, depth + 1)),
        Value::Object(members) => {
            let counted = [
                "content",
                "text",
                "refusal",
                "reasoning_content",
                "reasoning",
                "tool_calls",
                "function",
                "name",
                "arguments",
            ];
            for (_, member) in members.iter().filter(|(name, _)| counted.contains(&name.as_str())) {
                texts(member, whole, depth + 1);
            }
        }
        _ => {}
    }
}

/// How many tokens a text has, by OpenAI's `o200k_base`. Of a long one the beginning is counted, and the rest taken to
/// be alike: it is an estimate in any case, and nobody's row is to wait for it.
fn tokens(text: &str) -> u64 {
    let end = (0..=text.len().min(SAMPLE)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let counted = count(&text[..end]);
    if end == text.len() {
        return counted;
    }
    counted.saturating_mul(text.len() as u64) / end.max(1) as u64
}

fn count(text: &str) -> u64 {
    let tokenizer = tiktoken_rs::o200k_base_singleton();
    let mut rest = text;
    let mut count = 0;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut(rest));
        count += tokenizer.encode_ordinary(piece).len() as u64;
        rest = after;
    }
    count
}

/// Where to cut off the next piece: at a blank if there is one.
fn cut(text: &str) -> usize {
    if text.len() <= WITHOUT_BLANKS {
        return text.len();
    }
    let floor = |at: usize| (1..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let window = &text[..floor(PIECE)];
    // A run without blanks that is long comes alone, in small pieces.
    let mut last = None;
    let mut from = 0;
    for (at, _) in window.match_indices(|character: char| character.is_ascii_whitespace()) {
        if at - from > WITHOUT_BLANKS {
            break;
        }
        last = Some(at);
        from = at;
    }
    match last {
        Some(at) if at > 0 => at,
        _ => floor(WITHOUT_BLANKS),
    }
}

/// Names of the members that hold text. Made once: making one costs more than looking through a chunk.
static TEXTS: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
    ["\"content\"", "\"reasoning_content\"", "\"reasoning\"", "\"arguments\"", "\"refusal\""].map(Finder::new)
});

/// Remembers the texts of a chunk, as they stand in its JSON: cheaper than reading it, and enough to count.
pub(super) fn collect(chunk: &[u8], seen: &mut Vec<u8>) {
    for name in TEXTS.iter() {
        for at in name.find_iter(chunk) {
            let rest = chunk[at + name.needle().len()..].trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { continue };
            let Some(text) = rest.strip_prefix(b"\"") else { continue };
            let end = end_of_string(text);
            if seen.len() + end < LONGEST_ANSWER {
                seen.extend_from_slice(&text[..end]);
            }
        }
    }
}

/// Where a JSON string ends.
fn end_of_string(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr2(b'"', b'\\', &text[at..]) {
        if text[at + found] == b'"' {
            return at + found;
        }
        at = (at + found + 2).min(text.len());
    }
    text.len()
}

fn unescape(seen: &[u8]) -> String {
    let quoted = [b"\"", seen, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(seen).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_and_the_rest_is_not() {
        let evidence = Evidence {
            request: Bytes::from_static(br#"{"messages":[{"role":"user","content":[{"type":"text","text":"hello world"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#),
            answer: Bytes::from_static(br#"{"choices":[{"message":{"role":"assistant","content":"hello world"}}]}"#),
            seen: Vec::new(),
        };
        let usage = evidence.count();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(3 + PER_MESSAGE), Some(3)));
        let unreadable = Evidence {
            request: Bytes::from_static(br#"{"messages":[],"metadata":{"a":"\ud800"}}"#),
            ..Evidence::default()
        };
        assert_eq!(unreadable.count().input_tokens, None, "what cannot be read is not 0");
        assert_eq!(Evidence::default().count().output_tokens, None, "no answer is not an answer of no tokens");
    }

    #[test]
    fn the_texts_of_chunks_are_remembered_as_they_stand() {
        let mut seen = Vec::new();
        collect(br#"data: {"choices":[{"delta":{"content":"a \"b\" \u00e9"}}]}"#, &mut seen);
        collect(br#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"x\":1"}}]}}]}"#, &mut seen);
        collect(br#"{"choices":[{"delta":{"content":null}}]}"#, &mut seen);
        assert_eq!(unescape(&seen), "a \"b\" é{\"x\":1");
    }

    #[test]
    fn a_text_without_blanks_is_counted_in_bearable_time() {
        assert!(tokens(&"a".repeat(200_000)) > 10_000);
        assert!(tokens(&"证明 ".repeat(20_000)) > 10_000);
        let long = format!("short words {} and on", "x".repeat(5_000));
        assert!(tokens(&long) > 600);
    }
}
