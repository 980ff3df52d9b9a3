//! What a simulated model says, and how many tokens that is.

use serde_json::{Value, json};

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

/// What the model does in its turn.
pub(super) enum Turn {
    /// It says something.
    Text(String),
    /// It calls a function: name and arguments.
    Call(String, String),
}

/// The model's turn for a request.
pub(super) fn turn(request: &Value) -> Turn {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let last_role = messages.last().and_then(|message| message["role"].as_str()).unwrap_or_default();
    let tool = request["tools"].as_array().and_then(|tools| tools.first());
    if let Some(tool) = tool.filter(|_| last_role == "user" && request["tool_choice"] != "none") {
        let function = &tool["function"];
        let arguments = sample(&function["parameters"]).to_string();
        return Turn::Call(function["name"].as_str().unwrap_or("unnamed").to_owned(), arguments);
    }
    let format = &request["response_format"];
    match format["type"].as_str() {
        Some("json_schema") => return Turn::Text(sample(&format["json_schema"]["schema"]).to_string()),
        Some("json_object") => return Turn::Text(json!({ "answer": "yes" }).to_string()),
        _ => {}
    }
    // The longer the question, the longer the answer: two to sixteen sentences.
    let asked = count_tokens(&text_of(messages.last()));
    let sentences = usize::try_from((2 + asked / 12).min(16)).unwrap_or(2);
    Turn::Text((0..sentences).map(|at| SENTENCES[at % SENTENCES.len()]).collect::<Vec<_>>().join(" "))
}

fn text_of(message: Option<&Value>) -> String {
    match message.map(|message| &message["content"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
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
        _ => json!("sample"),
    }
}

/// A plausible token count: a token for every four letters, and one for every Han character.
pub(super) fn count_tokens(text: &str) -> u64 {
    let wide = text.chars().filter(|character| *character as u32 >= 0x2E80).count() as u64;
    let narrow = text.chars().count() as u64 - wide;
    wide + narrow.div_ceil(4)
}

/// The input tokens of a request: its texts, and a few per message.
pub(super) fn input_tokens(request: &Value) -> u64 {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: u64 = messages.iter().map(|message| 4 + count_tokens(&text_of(Some(message)))).sum();
    let tools = if request["tools"].is_array() { count_tokens(&request["tools"].to_string()) } else { 0 };
    3 + texts + tools
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
