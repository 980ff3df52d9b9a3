//! What the model does in its turn: it thinks, searches, calls tools, speaks, or makes the conversation smaller.

use serde_json::{Value, json};

use super::super::super::answer::{count_tokens, input_tokens, pieces, thought, turn};
use super::super::super::turn::{Asked, Finish, Tool, Usage};
use super::super::super::{Reply, family};
use super::super::{Scene, form};
use super::answer::includes;
use super::ids::seal;
use super::input::type_of;
use super::tools::{callables, offered};

/// A page that every search finds.
const PAGE: &str = "https://example.com/found";

/// One thing that the model does.
pub(super) enum Item {
    Thought {
        /// In pieces, if a summary is wanted.
        summary: Vec<String>,
        /// If it is wanted.
        sealed: Option<String>,
    },
    WebSearch {
        query: String,
    },
    ToolSearch {
        call_id: String,
        query: String,
    },
    Call {
        call_id: String,
        name: String,
        namespace: Option<String>,
        /// Whether its input is free text, and no JSON.
        free: bool,
        pieces: Vec<String>,
    },
    Message {
        pieces: Vec<String>,
        annotations: Vec<Value>,
    },
    Compaction {
        sealed: String,
    },
}

/// A turn of the model.
pub(super) struct Talk {
    pub(super) items: Vec<Item>,
    pub(super) finish: Finish,
    pub(super) usage: Usage,
}

/// What the model does with a request that was checked.
pub(super) fn talk(scene: &Scene<'_>) -> Talk {
    let request = scene.asked;
    let asked = understand(scene);
    let mut talk = Talk { items: Vec::new(), finish: Finish::Stop, usage: usage(&asked) };
    if request["input"]
        .as_array()
        .is_some_and(|items| items.last().is_some_and(|last| last["type"] == "compaction_trigger"))
    {
        let summary = format!("The user asked: {}", asked.question);
        talk.usage.output = count_tokens(&summary);
        talk.items.push(Item::Compaction { sealed: seal(&summary) });
        return talk;
    }
    if asked.thinks {
        let thought = thought(&asked);
        talk.usage.reasoning = count_tokens(&thought);
        let wants_summary = ["summary", "generate_summary"].iter().any(|name| request["reasoning"][name].is_string());
        let sealed = includes(request, "reasoning.encrypted_content").then(|| seal(&thought));
        talk.items.push(Item::Thought { summary: if wants_summary { pieces(&thought) } else { Vec::new() }, sealed });
    }
    match asked.limit.filter(|limit| *limit <= talk.usage.reasoning) {
        // Nothing is left to say anything.
        Some(limit) => {
            talk.usage.reasoning = limit;
            talk.finish = Finish::Length;
        }
        None => act(scene, &asked, &mut talk),
    }
    let spoken: u64 = talk.items.iter().flat_map(said).map(|piece| count_tokens(piece)).sum();
    talk.usage.reasoning += spoken * scene.reasoning_percent / 100;
    talk.usage.output = spoken + talk.usage.reasoning;
    talk
}

fn act(scene: &Scene<'_>, asked: &Asked, talk: &mut Talk) {
    let has =
        |kind: &str| offered(scene.asked).any(|tool| tool["type"].as_str().is_some_and(|is| is.starts_with(kind)));
    let call_id = |index: usize| format!("call_{:08}{index}", scene.number);
    let scripted = match scene.reply {
        Reply::Text(text) => Some(text.clone()),
        Reply::Blocked => {
            talk.finish = Finish::Blocked;
            Some(String::new())
        }
        _ => None,
    };
    let free_to_search = scripted.is_none() && asked.may_call && !asked.after_tool;
    if free_to_search && asked.question.contains("search the tools") && has("tool_search") {
        talk.items.push(Item::ToolSearch { call_id: call_id(0), query: asked.question.clone() });
        return;
    }
    let searches = free_to_search && asked.question.contains("search the web") && has("web_search");
    let annotations = if searches {
        talk.items.push(Item::WebSearch { query: asked.question.clone() });
        vec![json!({ "type": "url_citation", "url": PAGE, "title": "Found", "start_index": 0, "end_index": 4 })]
    } else {
        Vec::new()
    };
    let quiet = Asked { may_call: asked.may_call && !searches, ..asked.clone() };
    let (text, calls) = scripted.map_or_else(|| turn(&quiet), |text| (text, Vec::new()));
    let tools = callables(scene.asked);
    for (index, (key, arguments)) in calls.iter().enumerate() {
        let Some(tool) = key.parse::<usize>().ok().and_then(|at| tools.get(at)) else { continue };
        let input = if tool.schema.is_some() { arguments } else { "a free text for the tool" };
        talk.items.push(Item::Call {
            call_id: call_id(index),
            name: tool.name.to_owned(),
            namespace: tool.namespace.map(str::to_owned),
            free: tool.schema.is_none(),
            pieces: pieces(input),
        });
    }
    if calls.is_empty() {
        let mut said = pieces(&text);
        // Whoever scripts a text wants to see all of it.
        let limit = asked.limit.filter(|_| !matches!(scene.reply, Reply::Text(_)));
        let room = limit.map_or(u64::MAX, |limit| limit - talk.usage.reasoning);
        let mut spoken = 0;
        let fits = said.iter().take_while(|piece| {
            spoken += count_tokens(piece);
            spoken <= room
        });
        let fits = fits.count();
        if said.len() > fits {
            said.truncate(fits);
            talk.finish = Finish::Length;
        }
        talk.items.push(Item::Message { pieces: said, annotations });
    }
}

/// What is said aloud in an item, in pieces.
pub(super) fn said(item: &Item) -> &[String] {
    match item {
        Item::Call { pieces, .. } | Item::Message { pieces, .. } => pieces,
        _ => &[],
    }
}

/// The tokens of what was asked.
fn usage(asked: &Asked) -> Usage {
    let input = input_tokens(asked);
    Usage { input, cached: if asked.cached { input / 2 } else { 0 }, written: 0, output: 0, reasoning: 0 }
}

/// The texts of a content or an output.
fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Reads a request that was checked. A tool goes by its place among those that can be called.
fn understand(scene: &Scene<'_>) -> Asked {
    let asked = scene.asked;
    let items = match &asked["input"] {
        Value::String(text) => vec![json!({ "role": "user", "content": text })],
        input => input.as_array().cloned().unwrap_or_default(),
    };
    let user = items.iter().rev().find(|item| item["role"] == "user");
    let all = items.iter().flat_map(|item| [&item["content"], &item["output"], &item["arguments"], &item["input"]]);
    let callables = callables(asked);
    let tools = callables
        .iter()
        .enumerate()
        .map(|(index, tool)| Tool { name: index.to_string(), schema: tool.schema.cloned().unwrap_or_default() });
    let choice = &asked["tool_choice"];
    let chosen = if choice["type"] == "allowed_tools" { &choice["tools"][0] } else { choice };
    let named = chosen["name"].as_str().and_then(|name| callables.iter().position(|tool| tool.name == name));
    let effort = form::given(&asked["reasoning"], "effort").and_then(Value::as_str);
    let format = &asked["text"]["format"];
    Asked {
        question: user.map(|item| texts(&item["content"]).join(" ")).unwrap_or_default(),
        texts: texts(&asked["instructions"]).into_iter().chain(all.flat_map(texts)).collect(),
        turns: items.len(),
        after_tool: items.last().is_some_and(|item| type_of(item).ends_with("_output")),
        tools: tools.collect(),
        may_call: choice != "none",
        parallel: asked["parallel_tool_calls"] != false,
        named: named.map(|index| index.to_string()),
        schema: (format["type"] == "json_schema").then(|| format["schema"].clone()),
        json: format["type"] == "json_object",
        limit: asked["max_output_tokens"].as_u64(),
        thinks: effort != Some("none")
            && (effort.is_some() || family::reasons(asked["model"].as_str().unwrap_or_default())),
        cached: items.len() > 2,
        ..Asked::default()
    }
}

impl Item {
    /// How the id of such an item begins.
    pub(super) fn prefix(&self) -> &'static str {
        match self {
            Item::Thought { .. } => "rs",
            Item::WebSearch { .. } => "ws",
            Item::ToolSearch { .. } => "tsc",
            Item::Call { free: true, .. } => "ctc",
            Item::Call { .. } => "fc",
            Item::Message { .. } => "msg",
            Item::Compaction { .. } => "cmp",
        }
    }

    /// The item as it is when it is complete, or when it begins.
    pub(super) fn json(&self, id: &str, complete: bool, finish: Finish) -> Value {
        let status = match finish {
            _ if !complete => "in_progress",
            Finish::Length | Finish::Blocked => "incomplete",
            _ => "completed",
        };
        let when = |pieces: &[String]| if complete { pieces.concat() } else { String::new() };
        match self {
            Item::Thought { summary, sealed } => {
                let parts =
                    if complete && !summary.is_empty() { vec![summary_part(&summary.concat())] } else { Vec::new() };
                let mut item = json!({ "id": id, "type": "reasoning", "summary": parts });
                if let Some(sealed) = sealed {
                    item["encrypted_content"] = json!(if complete { sealed.as_str() } else { "" });
                }
                item
            }
            Item::WebSearch { query } => json!({
                "id": id, "type": "web_search_call", "status": if complete { "completed" } else { "in_progress" },
                "action": { "type": "search", "query": query, "queries": [query] },
            }),
            Item::ToolSearch { call_id, query } => json!({
                "id": id, "type": "tool_search_call", "status": if complete { "completed" } else { "in_progress" },
                "call_id": call_id, "execution": "client", "arguments": { "query": query },
            }),
            Item::Call { call_id, name, namespace, free, pieces } => {
                let (kind, member) = if *free { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
                let mut item = json!({ "id": id, "type": kind, "status": status, "call_id": call_id, "name": name });
                item[member] = when(pieces).into();
                if let Some(namespace) = namespace {
                    item["namespace"] = namespace.as_str().into();
                }
                item
            }
            Item::Message { pieces, annotations } => {
                let content = if complete { vec![text_part(&pieces.concat(), annotations)] } else { Vec::new() };
                json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
            }
            Item::Compaction { sealed } => json!({ "id": id, "type": "compaction", "encrypted_content": sealed }),
        }
    }
}

pub(super) fn summary_part(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

pub(super) fn text_part(text: &str, annotations: &[Value]) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": annotations, "logprobs": [] })
}
