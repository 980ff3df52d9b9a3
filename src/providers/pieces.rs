//! What a provider says, in pieces that are the same for all dialects, and what is made of them: chunks of
//! a stream, or a whole answer.

use serde_json::{Map, Value, json};

use super::turn_store::StoredTurn;
use crate::protocol::completion::{Choice, Chunk, ChunkChoice, Completion, Delta, Message, Role, ToolCall, WireUsage};
use crate::protocol::{ReasoningDetail, TokenUsage};

/// A whole answer, read.
#[derive(Debug)]
pub(super) struct Whole {
    /// What it says.
    pub(super) said: Vec<Said>,
    /// Its usage, as the provider wrote it.
    pub(super) raw_usage: Option<String>,
    /// Its content as it must come back, if it must.
    pub(super) native: Option<String>,
}

/// Most answers of one request: OpenAI's own limit of `n`.
const MOST_ANSWERS: u64 = 128;

/// One thing that a provider says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The answer's id and model.
    Head {
        /// Its id, if it has one.
        id: Option<String>,
        /// The model that answers, if it says so.
        model: Option<String>,
    },
    /// Something in the answer with this number.
    Piece(u64, Piece),
    /// Tokens so far. Later figures replace earlier ones.
    Usage(TokenUsage),
    /// The class of service that was given.
    ServiceTier(String),
    /// Something that has no place in OpenAI's API.
    Field(&'static str, Value),
}

/// Something in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// More text.
    Text(String),
    /// More thought.
    Thinking(String),
    /// A block of thought that is complete.
    Detail(ReasoningDetail),
    /// The signature of the call that began last.
    CallSignature {
        /// Whose it is.
        format: &'static str,
        /// Its number among the blocks of thought.
        index: u64,
        /// The signature.
        data: String,
    },
    /// More of why it does not answer.
    Refusal(String),
    /// A tool call begins.
    Call {
        /// Its id; one is made where the provider gives none.
        id: Option<String>,
        /// The tool's name.
        name: String,
    },
    /// More of the arguments of the call that began last.
    Arguments(String),
    /// Where it has it from.
    Annotation(Value),
    /// Probabilities of tokens, in OpenAI's form.
    Logprobs(Value),
    /// It ends. `Finish::Stop` means calls where there were any.
    Finish(Finish),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// It was complete.
    Stop,
    /// It reached a limit.
    Length,
    /// It was held back.
    Filtered,
}

/// A citation of a page, in OpenAI's form. The places count characters.
pub(super) fn url_citation(start: usize, end: usize, url: &str, title: &str) -> Value {
    json!({ "type": "url_citation", "url_citation": { "start_index": start, "end_index": end, "url": url, "title": title } })
}

/// One of the answers, as far as it has come.
#[derive(Debug, Default)]
struct Progress {
    begun: bool,
    text: String,
    calls: Vec<ToolCall>,
    finished: Option<&'static str>,
}

/// Puts the pieces together.
#[derive(Debug)]
pub(super) struct Assembler {
    id: String,
    model: String,
    created: i64,
    usage: TokenUsage,
    service_tier: Option<String>,
    fields: Map<String, Value>,
    answers: Vec<Progress>,
}

impl Assembler {
    /// `created` is in seconds since the epoch; `model` is what was asked for, if the answer names none.
    pub(super) fn new(created: i64, model: &str) -> Self {
        Assembler {
            id: String::new(),
            model: model.to_owned(),
            created,
            usage: TokenUsage::default(),
            service_tier: None,
            fields: Map::new(),
            answers: Vec::new(),
        }
    }

    /// The model that answers.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The tokens that were reported.
    pub(super) fn usage(&self) -> TokenUsage {
        self.usage
    }

    /// Whether every answer that began has ended, and at least one has.
    pub(super) fn is_finished(&self) -> bool {
        let mut begun = self.answers.iter().filter(|answer| answer.begun).peekable();
        begun.peek().is_some() && begun.all(|answer| answer.finished.is_some())
    }

    /// The first answer as a turn, for its provider to have it back.
    pub(super) fn turn(&self, native: Option<String>) -> Option<StoredTurn> {
        let (answer, native) = (self.answers.first()?, native?);
        let calls = answer.calls.iter();
        let calls =
            calls.map(|call| (call.id.clone().unwrap_or_default(), call.function.name.clone().unwrap_or_default()));
        Some(StoredTurn { text: answer.text.clone(), calls: calls.collect(), native })
    }

    fn answer(&mut self, index: u64) -> &mut Progress {
        let index = usize::try_from(index).unwrap_or(0);
        if self.answers.len() <= index {
            self.answers.resize_with(index + 1, Progress::default);
        }
        &mut self.answers[index]
    }

    /// An id for a call whose provider gives none: the same for the same call of the same answer, and of
    /// letters and digits only, as some clients keep nothing else.
    fn call_id(&self, index: u64, number: usize) -> String {
        use sha2::{Digest, Sha256};
        let seed = if self.id.is_empty() { uuid::Uuid::now_v7().to_string() } else { self.id.clone() };
        let digest = Sha256::digest(format!("{seed} {index} {number}"));
        format!("call{}", hex::encode(&digest[..12]))
    }

    /// Takes what was said into account; the deltas that it makes, each with its answer's number.
    fn take(&mut self, said: Said) -> Vec<ChunkChoice> {
        let (index, piece) = match said {
            Said::Head { id, model } => {
                if let Some(id) = id.filter(|id| !id.is_empty()) {
                    self.id = id;
                }
                if let Some(model) = model.filter(|model| !model.is_empty()) {
                    self.model = model;
                }
                return Vec::new();
            }
            Said::Usage(usage) => {
                self.usage = usage;
                return Vec::new();
            }
            Said::ServiceTier(tier) => {
                self.service_tier = Some(tier);
                return Vec::new();
            }
            Said::Field(name, value) => {
                self.fields.insert(name.to_owned(), value);
                return Vec::new();
            }
            // No provider gives more than some answers; a larger number is a lie.
            Said::Piece(index, piece) => (index.min(MOST_ANSWERS - 1), piece),
        };
        let made_id = match &piece {
            Piece::Call { id: None, .. } => {
                let number = self.answer(index).calls.len();
                Some(self.call_id(index, number))
            }
            _ => None,
        };
        let answer = self.answer(index);
        let mut choices = Vec::new();
        let mut say = |delta: Delta, finish_reason| {
            choices.push(ChunkChoice { index, delta, logprobs: None, finish_reason });
        };
        if !answer.begun {
            answer.begun = true;
            say(Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() }, None);
        }
        if matches!(piece, Piece::Call { .. } | Piece::Finish(_))
            && let Some(number) = answer.calls.len().checked_sub(1)
            && let Some(last) = answer.calls.last_mut().filter(|call| call.function.arguments.trim().is_empty())
        {
            // A call without arguments is a call with none, and OpenAI's clients parse them.
            last.function.arguments.push_str("{}");
            let call = ToolCall::arguments(number as u64, "{}".to_owned());
            say(Delta { tool_calls: vec![call], ..Delta::default() }, None);
        }
        match piece {
            Piece::Text(text) => {
                if !text.is_empty() {
                    answer.text.push_str(&text);
                    say(Delta { content: Some(text), ..Delta::default() }, None);
                }
            }
            Piece::Thinking(text) => {
                if !text.is_empty() {
                    say(Delta { reasoning_content: Some(text), ..Delta::default() }, None);
                }
            }
            Piece::Detail(detail) => say(Delta { reasoning_details: vec![detail], ..Delta::default() }, None),
            Piece::CallSignature { format, index, data } => {
                let id = answer.calls.last().and_then(|call| call.id.clone());
                let detail = ReasoningDetail::encrypted(format, index, data, id);
                say(Delta { reasoning_details: vec![detail], ..Delta::default() }, None);
            }
            Piece::Refusal(text) => say(Delta { refusal: Some(text), ..Delta::default() }, None),
            Piece::Call { id, name } => {
                let id = id.or(made_id).unwrap_or_default();
                let number = answer.calls.len() as u64;
                answer.calls.push(ToolCall::whole(id.clone(), name.clone(), String::new()));
                say(Delta { tool_calls: vec![ToolCall::begin(number, id, name)], ..Delta::default() }, None);
            }
            Piece::Arguments(piece) => {
                if let Some(number) = answer.calls.len().checked_sub(1).filter(|_| !piece.is_empty()) {
                    answer.calls[number].function.arguments.push_str(&piece);
                    let call = ToolCall::arguments(number as u64, piece);
                    say(Delta { tool_calls: vec![call], ..Delta::default() }, None);
                }
            }
            Piece::Annotation(annotation) => say(Delta { annotations: vec![annotation], ..Delta::default() }, None),
            Piece::Logprobs(logprobs) => {
                let choice = ChunkChoice { index, logprobs: Some(logprobs), ..ChunkChoice::default() };
                choices.push(choice);
            }
            Piece::Finish(finish) => {
                let reason = match finish {
                    Finish::Stop if !answer.calls.is_empty() => "tool_calls",
                    Finish::Stop => "stop",
                    Finish::Length => "length",
                    Finish::Filtered => "content_filter",
                };
                if answer.finished.is_none() {
                    answer.finished = Some(reason);
                    say(Delta::default(), Some(reason));
                }
            }
        }
        choices
    }

    fn chunk(&mut self, choices: Vec<ChunkChoice>) -> Chunk {
        let ends = choices.iter().any(|choice| choice.finish_reason.is_some());
        Chunk {
            id: self.id.clone(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: None,
            service_tier: if ends { self.service_tier.clone() } else { None },
            provider_fields: if ends { std::mem::take(&mut self.fields) } else { Map::new() },
        }
    }

    /// The chunks that something said makes.
    pub(super) fn chunks(&mut self, said: Said, chunks: &mut Vec<Chunk>) {
        for choice in self.take(said) {
            let chunk = self.chunk(vec![choice]);
            chunks.push(chunk);
        }
    }

    /// The chunk that carries the usage; `None` if none was reported.
    pub(super) fn usage_chunk(&mut self) -> Option<Chunk> {
        let usage = WireUsage::of(&self.usage)?;
        let mut chunk = self.chunk(Vec::new());
        chunk.usage = Some(usage);
        chunk.service_tier.clone_from(&self.service_tier);
        chunk.provider_fields = std::mem::take(&mut self.fields);
        Some(chunk)
    }

    /// The whole answer that all of it makes.
    pub(super) fn completion(&mut self, all: Vec<Said>) -> Completion {
        let mut choices: Vec<Choice> = Vec::new();
        for said in all {
            for part in self.take(said) {
                let at = usize::try_from(part.index).unwrap_or(0);
                while choices.len() <= at {
                    choices.push(Choice { index: choices.len() as u64, finish_reason: "stop", ..Choice::default() });
                }
                let choice = &mut choices[at];
                merge(&mut choice.message, part.delta);
                choice.finish_reason = part.finish_reason.unwrap_or(choice.finish_reason);
                choice.logprobs = merge_logprobs(choice.logprobs.take(), part.logprobs);
            }
        }
        for (choice, progress) in choices.iter_mut().zip(&mut self.answers) {
            choice.message.tool_calls.clone_from(&progress.calls);
            if choice.message.content.as_deref() == Some("") && !progress.calls.is_empty() {
                choice.message.content = None;
            }
        }
        Completion {
            id: self.id.clone(),
            object: "chat.completion",
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: WireUsage::of(&self.usage),
            service_tier: self.service_tier.clone(),
            provider_fields: std::mem::take(&mut self.fields),
        }
    }
}

fn merge(message: &mut Message, delta: Delta) {
    let add = |whole: &mut Option<String>, piece: Option<String>| {
        if let Some(piece) = piece {
            whole.get_or_insert_default().push_str(&piece);
        }
    };
    add(&mut message.content, delta.content);
    add(&mut message.refusal, delta.refusal);
    add(&mut message.reasoning_content, delta.reasoning_content);
    message.reasoning_details.extend(delta.reasoning_details);
    message.annotations.extend(delta.annotations);
}

fn merge_logprobs(whole: Option<Value>, piece: Option<Value>) -> Option<Value> {
    match (whole, piece) {
        (Some(mut whole), Some(mut piece)) => {
            if let (Some(tokens), Some(more)) = (whole["content"].as_array_mut(), piece["content"].as_array_mut()) {
                tokens.append(more);
            }
            Some(whole)
        }
        (whole, piece) => whole.or(piece),
    }
}
