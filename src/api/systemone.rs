//! `POST /v1/systemone`: how strong a model something needs, in the form of decision models.
//!
//! The form is that of `TypeSafe`'s System One API, which OpenClaw's `decisionModel` speaks: a state, and typed questions on
//! it. This one knows a single thing, how strong a model the state needs, and refuses every other question. OpenClaw
//! refuses an answer that has a member too many.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::Request;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi, Union};
use serde_json::{Value, json};

use super::body::{self, JsonBody};
use super::{ApiError, Shared, Tag};
use crate::catalog::Tier;
use crate::routing::{Need, tier_in_words};

pub(super) struct SystemOneApi(pub(super) Arc<Shared>);

/// Most levels of a score, as in the API that this follows.
const MOST_LEVELS: usize = 10;
/// Longest name that an error repeats, in characters.
const LONGEST_NAME: usize = 64;
/// Most questions of one request.
const MOST_QUESTIONS: usize = 256;

/// Something to judge, and what is asked of it.
#[derive(Object)]
struct SystemOneRequest {
    /// Any name: there is one model.
    model: String,
    /// What is judged: a text, a chat request with `messages`, or any other JSON, which is read as text.
    state: Any<Value>,
    /// At most 256, each by a name of its own.
    questions: BTreeMap<String, Question>,
}

/// A question on how strong a model the state needs.
#[derive(Union)]
#[oai(one_of, discriminator_name = "type")]
enum Question {
    #[oai(mapping = "choice")]
    Choice(ChoiceQuestion),
    #[oai(mapping = "score")]
    Score(ScoreQuestion),
    #[oai(mapping = "noul")]
    Noul(NoulQuestion),
}

/// Which of some options.
#[derive(Object)]
struct ChoiceQuestion {
    /// Not read.
    instructions: Option<Any<Value>>,
    /// Options with what they mean, or `null`. The name of each, or else its meaning, names a tier (`cheap`, `medium`,
    /// `frontier`, or an everyday word such as `simple`, `moderate`, `complex`), no two the same.
    criteria: BTreeMap<String, Option<Any<Value>>>,
}

/// How much.
#[derive(Object)]
struct ScoreQuestion {
    /// Not read.
    instructions: Option<Any<Value>>,
    /// One to ten levels of need, the lowest first.
    criteria: Vec<Any<Value>>,
}

/// Yes or no.
#[derive(Object)]
struct NoulQuestion {
    /// A statement that names a tier: `needs a frontier model`, `is simple`.
    instructions: Option<Any<Value>>,
    /// What `true` means, if that says more than `instructions`.
    criteria: Option<NoulCriteria>,
}

/// What the two answers mean.
#[derive(Object)]
struct NoulCriteria {
    /// The statement, where there are no instructions.
    #[oai(rename = "true")]
    yes: Option<Any<Value>>,
    /// Not read.
    #[oai(rename = "false")]
    no: Option<Any<Value>>,
}

/// An answer to every question.
#[derive(Object)]
struct SystemOneAnswer {
    /// The classifier, with the first 32 bits of its hash.
    model: String,
    /// By the names of the questions.
    answers: BTreeMap<String, AnswerObject>,
    /// What it took.
    usage: SystemOneUsage,
}

/// Nothing is billed.
#[derive(Object)]
struct SystemOneUsage {
    /// Tokens of the state, estimated.
    input_tokens: u64,
    /// Always 0: no text is written.
    output_tokens: u64,
}

#[derive(Union)]
#[oai(one_of, discriminator_name = "type", rename = "SystemOneResult")]
enum AnswerObject {
    #[oai(mapping = "choice")]
    Choice(ChoiceAnswer),
    #[oai(mapping = "score")]
    Score(ScoreAnswer),
    #[oai(mapping = "noul")]
    Noul(NoulAnswer),
}

/// The likeliest option.
#[derive(Object)]
struct ChoiceAnswer {
    /// Its name.
    choice: String,
    /// How far its probability is from chance, 0 to 1.
    confidence: f64,
    /// Of every option. They add up to 1.
    probabilities: BTreeMap<String, f64>,
}

/// The mean level.
#[derive(Object)]
struct ScoreAnswer {
    /// From 0 to the number of levels less one.
    score: f64,
    /// How close the levels' probabilities are to the likeliest one, 0 to 1.
    confidence: f64,
    /// The levels, as they were asked for.
    legend: BTreeMap<String, Any<Value>>,
    /// Of every level. They add up to 1.
    probabilities: BTreeMap<String, f64>,
}

/// Yes or no.
#[derive(Object)]
struct NoulAnswer {
    /// The probability that the statement holds.
    noul: f64,
}

#[OpenApi]
impl SystemOneApi {
    /// Judge how strong a model something needs
    ///
    /// Answers typed questions with probabilities, in the form of `TypeSafe`'s System One API, which OpenClaw's
    /// `decisionModel` speaks. It knows one thing: how strong a model the state needs. A question on anything else is
    /// refused (400). The embedded classifier alone judges: no rule, no conversation and no upstream has a say, and
    /// nothing goes to the history.
    #[oai(path = "/v1/systemone", method = "post", operation_id = "judge", tag = "Tag::Chat")]
    async fn judge(
        &self,
        request: &Request,
        body: JsonBody<SystemOneRequest>,
    ) -> Result<Json<SystemOneAnswer>, ApiError> {
        let body = self.0.read(request, body.take()).await?;
        let asked = body::parse(&body);
        let SystemOneRequest { state: Any(state), questions, .. } =
            asked.map_err(|error| ApiError::invalid("questions", format!("the request cannot be read: {error}")))?;
        if questions.is_empty() || questions.len() > MOST_QUESTIONS {
            let message = format!("there are {} questions: ask 1 to {MOST_QUESTIONS}", questions.len());
            return Err(ApiError::invalid("questions", message));
        }
        let judged = self.0.gateway.judge(chat(state).to_string().as_bytes());
        let judged = judged.map_err(|error| ApiError::invalid("state", error.to_string()))?;
        let answers = questions.into_iter().map(|(name, question)| {
            let refused = |why: String| {
                let name = short(&name);
                ApiError::invalid(&format!("questions.{name}"), format!("question `{name}`: {why}"))
            };
            let answer = answer(judged.need, question).map_err(refused)?;
            Ok((name, answer))
        });
        Ok(Json(SystemOneAnswer {
            model: format!("xrouter-{}", judged.version),
            answers: answers.collect::<Result<_, ApiError>>()?,
            usage: SystemOneUsage { input_tokens: judged.input_tokens, output_tokens: 0 },
        }))
    }
}

/// The state as a chat request.
fn chat(state: Value) -> Value {
    let text = match state {
        Value::Object(members) if members.get("messages").is_some_and(are_messages) => {
            return Value::Object(members);
        }
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    json!({ "messages": [{ "role": "user", "content": text }] })
}

fn are_messages(messages: &Value) -> bool {
    messages.as_array().is_some_and(|all| all.iter().all(|message| message["role"].is_string()))
}

/// The beginning of a name, for a message.
fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// What a question does not say, or says otherwise than this model understands.
const HINT: &str = "this model judges only how strong a model the state needs; name tiers, such as cheap, medium and \
                    frontier, or simple, moderate and complex";

fn answer(need: Need, question: Question) -> Result<AnswerObject, String> {
    match question {
        Question::Choice(ChoiceQuestion { criteria, .. }) => choice(need, criteria).map(AnswerObject::Choice),
        Question::Score(ScoreQuestion { criteria, .. }) => score(need, criteria).map(AnswerObject::Score),
        Question::Noul(NoulQuestion { instructions, criteria }) => {
            let statement = criteria.and_then(|criteria| criteria.yes);
            let named = [statement, instructions].iter().flatten().find_map(|Any(text)| tier_in_words(&words(text)));
            let tier = named.ok_or_else(|| format!("its statement names no tier, or several; {HINT}"))?;
            Ok(AnswerObject::Noul(NoulAnswer { noul: need.holds(tier) }))
        }
    }
}

fn choice(need: Need, criteria: BTreeMap<String, Option<Any<Value>>>) -> Result<ChoiceAnswer, String> {
    let mut tiers: Vec<Tier> = Vec::new();
    for (name, meaning) in &criteria {
        let in_meaning = || tier_in_words(&words(&meaning.as_ref()?.0));
        let tier = tier_in_words(name).or_else(in_meaning);
        let tier = tier.ok_or_else(|| format!("option `{}` names no tier, or several; {HINT}", short(name)))?;
        if tiers.contains(&tier) {
            return Err(format!("option `{}` is not the only one for the {tier} tier; {HINT}", short(name)));
        }
        tiers.push(tier);
    }
    let probabilities = need.choice(&tiers);
    let likeliest = likeliest(&probabilities).ok_or("it has no options")?;
    let chance = 1.0 / number(probabilities.len());
    let confidence = if probabilities.len() == 1 { 1.0 } else { (probabilities[likeliest] - chance) / (1.0 - chance) };
    let names: Vec<String> = criteria.into_keys().collect();
    Ok(ChoiceAnswer {
        choice: names[likeliest].clone(),
        confidence: confidence.clamp(0.0, 1.0),
        probabilities: names.into_iter().zip(probabilities).collect(),
    })
}

fn score(need: Need, criteria: Vec<Any<Value>>) -> Result<ScoreAnswer, String> {
    if criteria.len() > MOST_LEVELS {
        return Err(format!("it has {} levels: at most {MOST_LEVELS} are answered", criteria.len()));
    }
    let probabilities = need.levels(criteria.len());
    let mode = number(likeliest(&probabilities).ok_or("it has no levels")?);
    let mean = |distance: &dyn Fn(f64) -> f64| -> f64 {
        probabilities.iter().enumerate().map(|(level, probability)| distance(number(level)) * probability).sum()
    };
    // As far as the levels are from their middle at the mean, if all are as likely.
    let middle = (number(criteria.len()) - 1.0) / 2.0;
    let spread = (0..criteria.len()).map(|level| (number(level) - middle).abs()).sum::<f64>() / number(criteria.len());
    let confidence = if spread > 0.0 { 1.0 - mean(&|level| (level - mode).abs()) / spread } else { 1.0 };
    let name = |level: usize| level.to_string();
    Ok(ScoreAnswer {
        score: mean(&|level| level),
        confidence: confidence.clamp(0.0, 1.0),
        probabilities: probabilities.iter().enumerate().map(|(level, share)| (name(level), *share)).collect(),
        legend: criteria.into_iter().enumerate().map(|(level, meaning)| (name(level), meaning)).collect(),
    })
}

fn likeliest(probabilities: &[f64]) -> Option<usize> {
    (0..probabilities.len()).max_by(|one, other| probabilities[*one].total_cmp(&probabilities[*other]))
}

/// Text of an instruction or a meaning.
fn words(entry: &Value) -> String {
    entry.as_str().map_or_else(|| entry.to_string(), str::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn number(count: usize) -> f64 {
    count as f64
}
