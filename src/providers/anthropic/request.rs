//! From a conversation to a Messages request.

use super::super::drops::{Drops, EncodeError};
use super::super::json::{described, list, number, object, quote, word};
use super::super::{Context, Outbound};
use super::content::{self, Block, Content};
use super::model::{Facts, Thinking};
use super::schema;
use crate::catalog::Provider;
use crate::protocol::Members;
use crate::protocol::conversation::{Conversation, Effort, Options, ResponseFormat, Tool, ToolChoice};

/// The version from which sampling parameters are refused for every model.
const WITHOUT_SAMPLING: &str = "2026-10-21";
/// Smallest thinking budget that the API takes, in tokens.
const LEAST_BUDGET: u64 = 1_024;

pub(in super::super) fn encode(
    conversation: &Conversation<'_>,
    context: &Context<'_>,
    stream: bool,
) -> Result<Outbound, EncodeError> {
    let upstream = context.upstream;
    let options = &conversation.options;
    let mut drops = Drops::new(Provider::Anthropic, upstream.drop_params);
    drops.options(options, &["top_k", "user", "service_tier", "thinking", "parallel_tool_calls"])?;
    drops.marks(conversation, true, false);
    let mut turns = content::content(conversation, context, &mut drops)?;
    let mut request = Request {
        facts: Facts::of(context.model),
        version: upstream.api_version.as_deref().unwrap_or_default(),
        conversation,
        options,
        drops,
    };
    request.end(&turns)?;
    let tools = request.tools()?;
    let choice = request.tool_choice(!tools.is_empty())?;
    let forced = matches!(&choice, Some(choice) if choice.get("type").is_some_and(|kind| kind != "\"auto\"" && kind != "\"none\""));
    let plan = request.thinking(forced, &turns)?;
    let default = upstream.max_tokens.min(request.facts.most_tokens);
    let max_tokens = match (options.max_tokens, plan.budget) {
        (Some(limit), _) => {
            // No answer is longer than the model's longest.
            if limit > request.facts.most_tokens {
                request.drops.hint("max_tokens");
            }
            limit.min(request.facts.most_tokens)
        }
        (None, Some(budget)) => (budget + default).min(request.facts.most_tokens.max(budget + 1)),
        (None, None) => default,
    };

    let mut body = object([("model", quote(context.model).into()), ("max_tokens", max_tokens.to_string().into())]);
    let format = request.response_format(&mut turns)?;
    let mut tools: Vec<Members<'_>> = tools;
    if upstream.cache_markers && !turns.marked && !conversation.tools.iter().any(|tool| tool.cache_control.is_some()) {
        mark(&mut tools, &mut turns);
    }
    if !turns.system.is_empty() {
        body.set("system", list(turns.system.iter().map(Block::to_json)));
    }
    body.set("messages", list(turns.messages.iter().map(content::Message::to_json)));
    if !tools.is_empty() {
        body.set("tools", list(tools.iter().map(Members::to_json)));
    }
    if let Some(choice) = choice {
        body.set("tool_choice", choice.to_json());
    }
    if let Some(thinking) = plan.thinking {
        body.set("thinking", thinking);
    }
    let mut output = Members::default();
    if let Some(effort) = plan.effort {
        output.set("effort", effort);
    }
    if let Some(format) = format {
        output.set("format", format);
    }
    if output.iter().next().is_some() {
        body.set("output_config", output.to_json());
    }
    request.sampling(&mut body, plan.thinks)?;
    request.rest(&mut body)?;
    if stream {
        body.set("stream", "true");
    }
    Ok(Outbound { body: body.to_json().into(), dropped: request.drops.into_names() })
}

/// Marks what the next turn will have in common with this one: the tools, the system text, and the last two
/// user messages, so that the one before is still found when a new one has come. Four is the API's limit.
fn mark(tools: &mut [Members<'_>], content: &mut Content<'_>) {
    if let Some(last) = tools.last_mut() {
        last.set("cache_control", r#"{"type":"ephemeral"}"#);
    }
    if let Some(last) = content.system.last_mut() {
        last.mark();
    }
    for message in content.messages.iter_mut().filter(|message| message.is_user).rev().take(2) {
        if let Some(last) = message.blocks.iter_mut().rev().find(|block| block.markable) {
            last.mark();
        }
    }
}

struct Request<'r, 'a> {
    facts: Facts,
    version: &'r str,
    conversation: &'r Conversation<'a>,
    options: &'r Options<'a>,
    drops: Drops,
}

/// What is asked of the model's thinking.
#[derive(Default)]
struct Plan {
    thinking: Option<String>,
    effort: Option<String>,
    budget: Option<u64>,
    thinks: bool,
}

impl<'a> Request<'_, 'a> {
    /// A conversation that ends with the assistant asks the model to go on with it.
    fn end(&self, content: &Content<'_>) -> Result<(), EncodeError> {
        let goes_on = content.messages.last().is_some_and(|last| !last.is_user);
        if goes_on && !self.facts.prefill {
            let param = format!("messages[{}]", self.conversation.turns.len().saturating_sub(1));
            let reason = "this model does not go on with an assistant message; end with a user message";
            return Err(self.drops.never(&param, reason));
        }
        Ok(())
    }

    fn tools(&mut self) -> Result<Vec<Members<'a>>, EncodeError> {
        let conversation = self.conversation;
        // The API has no list of allowed tools: those that are not allowed are not shown.
        let allowed = |tool: &Tool<'_>| match &conversation.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) => names.contains(&tool.name),
            _ => true,
        };
        conversation.tools.iter().filter(|tool| allowed(tool)).map(|tool| self.tool(tool)).collect()
    }

    fn tool(&mut self, tool: &Tool<'a>) -> Result<Members<'a>, EncodeError> {
        let mut json = object([("name", quote(&tool.name).into())]);
        if let Some(description) = &tool.description {
            json.set("description", quote(description));
        }
        let mut schema = match tool.parameters {
            None => r#"{"type":"object","properties":{}}"#.to_owned(),
            Some(parameters) => {
                let mut members = Members::parse(parameters).unwrap_or_default();
                if !members.has("type") {
                    members.set("type", "\"object\"");
                }
                members.to_json()
            }
        };
        let mut strict = tool.strict == Some(true) && self.facts.schema;
        if strict {
            match schema::adapt(&schema) {
                Ok(adapted) => schema = adapted,
                Err(reason) => {
                    self.drops.cannot(&format!("{}.function.strict", tool.path), &reason)?;
                    strict = false;
                }
            }
        } else if tool.strict == Some(true) {
            self.drops.cannot(&format!("{}.function.strict", tool.path), "this model has no strict tools")?;
        }
        json.set("input_schema", schema);
        if strict {
            json.set("strict", "true");
        }
        if let Some(marker) = tool.cache_control {
            json.set("cache_control", marker);
        }
        Ok(json)
    }

    fn tool_choice(&mut self, has_tools: bool) -> Result<Option<Members<'a>>, EncodeError> {
        if !has_tools {
            return Ok(None);
        }
        let forced = matches!(
            self.conversation.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. })
        );
        let single = self.options.parallel_tool_calls == Some(false);
        if forced && !self.facts.forced_tool {
            self.drops.cannot("tool_choice", "this model cannot be made to call a tool")?;
            return Ok(single.then(|| one_at_a_time(object([("type", word!("auto"))]))));
        }
        let choice = match &self.conversation.tool_choice {
            Some(ToolChoice::None) => return Ok(Some(object([("type", word!("none"))]))),
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => object([("type", word!("any"))]),
            Some(ToolChoice::Named(name)) => object([("type", word!("tool")), ("name", quote(name).into())]),
            Some(ToolChoice::Auto | ToolChoice::Allowed { .. }) => object([("type", word!("auto"))]),
            None if single => object([("type", word!("auto"))]),
            None => return Ok(None),
        };
        Ok(Some(if single { one_at_a_time(choice) } else { choice }))
    }

    fn thinking(&mut self, forced: bool, content: &Content<'_>) -> Result<Plan, EncodeError> {
        if let Some(thinking) = self.options.thinking {
            let off = thinking.contains("\"disabled\"");
            return Ok(Plan { thinking: Some(thinking.to_owned()), thinks: !off, ..Plan::default() });
        }
        let off = r#"{"type":"disabled"}"#;
        let unasked = self.facts.thinks_unasked;
        let Some(effort) = self.options.effort else {
            // Where it thinks unasked, a forced tool needs it not to.
            let stop = unasked && forced && self.facts.can_stop_thinking;
            return Ok(Plan { thinking: stop.then(|| off.to_owned()), thinks: unasked && !stop, ..Plan::default() });
        };
        if effort == Effort::None {
            if unasked && !self.facts.can_stop_thinking {
                self.drops.cannot("reasoning_effort", "this model always thinks")?;
                return Ok(Plan { thinks: true, ..Plan::default() });
            }
            return Ok(Plan { thinking: unasked.then(|| off.to_owned()), ..Plan::default() });
        }
        match self.facts.thinking {
            Thinking::No => {
                self.drops.cannot("reasoning_effort", "this model does not think")?;
                Ok(Plan::default())
            }
            Thinking::Adaptive => {
                let word = match effort {
                    Effort::None | Effort::Minimal | Effort::Low => "\"low\"",
                    Effort::Medium => "\"medium\"",
                    Effort::Xhigh if self.facts.xhigh => "\"xhigh\"",
                    Effort::High | Effort::Xhigh => "\"high\"",
                    Effort::Max => "\"max\"",
                };
                if forced {
                    // The tool is what was asked for; thought is a means to it.
                    self.drops.hint("reasoning_effort");
                    let stop = unasked && self.facts.can_stop_thinking;
                    return Ok(Plan { thinking: stop.then(|| off.to_owned()), ..Plan::default() });
                }
                let thinking = r#"{"type":"adaptive","display":"summarized"}"#.to_owned();
                Ok(Plan { thinking: Some(thinking), effort: Some(word.to_owned()), thinks: true, budget: None })
            }
            Thinking::Budget => {
                let most = self.options.max_tokens.map_or(u64::MAX, |limit| limit / 5 * 4);
                let wanted = match effort {
                    Effort::None | Effort::Minimal => LEAST_BUDGET,
                    Effort::Low => 2_048,
                    Effort::Medium => 8_192,
                    Effort::High => 16_384,
                    Effort::Xhigh => 24_576,
                    Effort::Max => 32_000,
                };
                let budget = wanted.min(most).min(self.facts.most_tokens - 1);
                // Too little room to think, a tool that is forced, or a tool loop that another model began: the API
                // refuses thought there, and the answer is what was asked for.
                if budget < LEAST_BUDGET || forced || !content.loop_has_thought {
                    self.drops.hint("reasoning_effort");
                    return Ok(Plan::default());
                }
                let thinking = format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#);
                Ok(Plan { thinking: Some(thinking), budget: Some(budget), thinks: true, effort: None })
            }
        }
    }

    fn response_format(&mut self, content: &mut Content<'a>) -> Result<Option<String>, EncodeError> {
        let schema = match &self.options.response_format {
            None | Some(ResponseFormat::Text) => return Ok(None),
            Some(ResponseFormat::Object) => {
                // The API has no such mode; its models keep to being told.
                content.system.push(content::text("Answer with one JSON object and nothing else."));
                return Ok(None);
            }
            Some(ResponseFormat::Schema { schema, description, .. }) => described(schema, description.as_deref()),
        };
        if !self.facts.schema {
            self.drops.cannot("response_format", "this model cannot be held to a schema")?;
            return Ok(None);
        }
        match schema::adapt(&schema) {
            Ok(adapted) => Ok(Some(format!(r#"{{"type":"json_schema","schema":{adapted}}}"#))),
            Err(reason) => {
                self.drops.cannot("response_format", &reason)?;
                Ok(None)
            }
        }
    }

    fn sampling(&mut self, body: &mut Members<'_>, thinks: bool) -> Result<(), EncodeError> {
        let fixed = !self.facts.sampling || self.version >= WITHOUT_SAMPLING;
        let mut figures = [("temperature", self.options.temperature), ("top_p", self.options.top_p)];
        for (param, value) in &mut figures {
            let Some(figure) = *value else { continue };
            #[expect(clippy::float_cmp, reason = "1 is the default, and what was written is compared")]
            let is_default = figure == 1.0;
            // What goes without saying can be left unsaid.
            if is_default {
                *value = None;
            } else if fixed {
                self.drops.cannot(param, "this model samples as it likes")?;
                *value = None;
            } else if !(0.0..=1.0).contains(&figure) {
                self.drops.cannot(param, "it goes from 0 to 1 there")?;
                *value = None;
            } else if thinks && (*param == "temperature" || figure < 0.95) {
                self.drops.cannot(param, "a model that thinks samples as it likes")?;
                *value = None;
            }
        }
        if !self.facts.both && figures.iter().all(|(_, value)| value.is_some()) {
            self.drops.cannot("top_p", "this model takes temperature or top_p, not both")?;
            figures[1].1 = None;
        }
        for (param, value) in figures {
            if let Some(value) = value {
                body.set(param, number(value));
            }
        }
        if let Some(top_k) = self.options.top_k {
            if fixed || thinks {
                self.drops.cannot("top_k", "this model samples as it likes")?;
            } else {
                body.set("top_k", top_k.to_string());
            }
        }
        Ok(())
    }

    fn rest(&mut self, body: &mut Members<'_>) -> Result<(), EncodeError> {
        let mut stops = Vec::with_capacity(self.options.stop.len());
        for stop in &self.options.stop {
            if stop.trim().is_empty() {
                self.drops.cannot("stop", "it cannot stop at blanks alone")?;
            } else {
                stops.push(quote(stop));
            }
        }
        if !stops.is_empty() {
            body.set("stop_sequences", list(stops));
        }
        if let Some(user) = &self.options.user {
            body.set("metadata", format!(r#"{{"user_id":{}}}"#, quote(user)));
        }
        match self.options.service_tier.as_deref() {
            None => {}
            Some("auto") => body.set("service_tier", "\"auto\""),
            Some("default" | "standard" | "standard_only") => body.set("service_tier", "\"standard_only\""),
            Some(_) => self.drops.hint("service_tier"),
        }
        Ok(())
    }
}

fn one_at_a_time(mut choice: Members<'_>) -> Members<'_> {
    choice.set("disable_parallel_tool_use", "true");
    choice
}
