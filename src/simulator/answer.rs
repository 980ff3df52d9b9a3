//! What a simulated model says, and how many tokens that is.

use serde_json::{Value, json};

use super::turn::{Asked, Tool};

/// Sentences that answers are made of.
const SENTENCES: [&str; 8] = [
    "Here is a short answer to your question.",
    "The main point is that the two parts depend on each other.",
    "First look at the inputs, then at what happens between them.",
    "A simple example makes this clearer than a long definition.",
    "In most cases the straightforward way is also the fastest.",
    "There are exceptions, and they are worth a test of their own.",
    "Measure before and after, and keep the change that helps.",
    "这里再补充一点：先确认前提，再得出结论。",
];

/// What the model says in its turn: its text, and the tools that it calls with their arguments.
pub(super) fn turn(asked: &Asked) -> (String, Vec<(String, String)>) {
    if asked.may_call && !asked.after_tool && !asked.tools.is_empty() {
        let both = asked.parallel && asked.named.is_none() && asked.question.contains("both");
        let meant = |tool: &&Tool| asked.named.as_ref().is_none_or(|name| *name == tool.name);
        let called = asked.tools.iter().filter(meant).take(if both { 2 } else { 1 });
        let calls = called.map(|tool| (tool.name.clone(), sample(&tool.schema).to_string())).collect();
        return (String::new(), calls);
    }
    if let Some(schema) = &asked.schema {
        return (sample(schema).to_string(), Vec::new());
    }
    if asked.json {
        return (json!({ "answer": "yes" }).to_string(), Vec::new());
    }
    // The longer the question, the longer the answer: two to sixteen sentences.
    let words = count_tokens(&asked.question);
    let sentences = usize::try_from((2 + words / 12).min(16)).unwrap_or(2);
    ((0..sentences).map(|at| SENTENCES[at % SENTENCES.len()]).collect::<Vec<_>>().join(" "), Vec::new())
}

/// What the model thinks before it speaks.
pub(super) fn thought(asked: &Asked) -> String {
    let question: String = asked.question.chars().take(40).collect();
    format!("The user asks: {question} I weigh it, then I answer.")
}

/// A value that a JSON Schema allows.
fn sample(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(members.map(|(name, schema)| (name.clone(), sample(schema))).collect())
        }
        Some("array") => json!([sample(&schema["items"])]),
        Some("integer" | "number") => json!(7),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("string") => json!("sample"),
        _ if schema["properties"].is_object() => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(members.map(|(name, schema)| (name.clone(), sample(schema))).collect())
        }
        _ if schema.is_null() => json!({}),
        _ => json!("sample"),
    }
}

/// A plausible token count: a token for every four letters, and one for every Han character.
pub(super) fn count_tokens(text: &str) -> u64 {
    let wide = text.chars().filter(|character| *character as u32 >= 0x2E80).count() as u64;
    let narrow = text.chars().count() as u64 - wide;
    wide + narrow.div_ceil(4)
}

/// The input tokens of a request: its texts, its tools, and a few per message.
pub(super) fn input_tokens(asked: &Asked) -> u64 {
    let texts: u64 = asked.texts.iter().map(|text| count_tokens(text)).sum();
    let tools = asked.tools.iter().map(|tool| 8 + count_tokens(&tool.schema.to_string())).sum::<u64>();
    3 + 4 * asked.turns as u64 + texts + tools
}

/// A text in pieces as a model streams them: words with the blank before them.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for character in text.chars() {
        match pieces.last_mut() {
            Some(piece) if character != ' ' && (character as u32) < 0x2E80 => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
    }
    pieces
}
