//! The generation of a model, on which it depends what a request may hold.

use serde_json::Value;

use super::Checked;
use super::fields::SAMPLING;
use super::messages::last_role;
use super::shape::refuse;
use super::tools::forced;

/// Efforts, by rising strength.
pub(super) const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

/// A model's generation: what a request may hold depends on it.
pub(super) struct Model<'a> {
    line: &'a str,
    pub(super) version: (u64, u64),
}

impl<'a> Model<'a> {
    /// Reads names such as `claude-opus-4-20250514`, `claude-3-5-sonnet-latest` and `claude-fable-5-1`.
    /// Nothing is known of models with another form of name, so that they take everything.
    pub(super) fn named(name: &'a str) -> Option<Self> {
        let (_, rest) = name.split_once("claude-")?;
        let mut line = "";
        let mut numbers = Vec::new();
        for part in rest.split(['-', '@', '.', ':']) {
            match part.parse::<u64>() {
                // A longer number is a date.
                Ok(number) if part.len() <= 2 => numbers.push(number),
                Err(_) if line.is_empty() => line = part,
                _ => {}
            }
        }
        let major = *numbers.first()?;
        Some(Model { line, version: (major, numbers.get(1).copied().unwrap_or_default()) })
    }

    fn most_tokens(&self) -> u64 {
        match (self.line, self.version) {
            (_, version) if version >= (4, 6) => 128_000,
            (_, version) if version >= (4, 5) => 64_000,
            ("opus", version) if version >= (4, 0) => 32_000,
            (_, version) if version >= (3, 7) => 64_000,
            (_, version) if version >= (3, 5) => 8_192,
            _ => 4_096,
        }
    }

    fn efforts(&self) -> &'static [&'static str] {
        match (self.line, self.version) {
            (_, version) if version >= (4, 7) => &EFFORTS,
            (_, version) if version >= (4, 6) => &["low", "medium", "high", "max"],
            ("opus", (4, 5)) => &["low", "medium", "high"],
            _ => &[],
        }
    }

    /// Whether thinking can be turned off at an effort.
    fn may_not_think(&self, effort: &str) -> bool {
        match (self.line, self.version) {
            ("fable" | "mythos", _) => false,
            ("opus" | "sonnet", version) if version >= (5, 5) => false,
            ("opus" | "haiku", version) if version >= (5, 0) => !matches!(effort, "xhigh" | "max"),
            _ => true,
        }
    }

    /// Whether a request may force a tool.
    fn can_be_forced(&self) -> bool {
        match self.line {
            "fable" | "mythos" => self.version < (5, 1),
            "opus" | "sonnet" => self.version < (5, 5),
            _ => true,
        }
    }

    /// Whether answers can be kept to a schema.
    fn keeps_to_schemas(&self) -> bool {
        self.version >= (4, 5) || (self.line, self.version) == ("opus", (4, 1))
    }

    /// Refuses a request that is right for other models only.
    pub(super) fn check(&self, name: &str, asked: &Value) -> Checked {
        let tokens = asked["max_tokens"].as_u64().unwrap_or_default();
        let most = self.most_tokens();
        if tokens > most {
            return refuse(format!(
                "max_tokens: {tokens} > {most}, which is the maximum allowed number of output tokens for {name}"
            ));
        }
        if self.version >= (4, 7)
            && let Some(field) = SAMPLING.iter().find(|field| asked.get(**field).is_some())
        {
            return refuse(format!("`{field}` is deprecated for this model."));
        }
        if self.version >= (4, 0) && asked.get("temperature").is_some() && asked.get("top_p").is_some() {
            return refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
        }
        if forced(asked) && !self.can_be_forced() {
            let kind = asked["tool_choice"]["type"].as_str().unwrap_or_default();
            return refuse(format!(
                "\"tool_choice.type.{kind}\" is not supported for this model. Use \"tool_choice.type.auto\"."
            ));
        }
        if self.version >= (4, 6) && last_role(asked) == "assistant" {
            return refuse(
                "This model does not support assistant message prefill. \
                 The conversation must end with a user message.",
            );
        }
        if asked["output_config"].get("format").is_some() && !self.keeps_to_schemas() {
            return refuse("\"output_config.format\" is not supported for this model.");
        }
        self.check_thinking(asked)
    }

    fn check_thinking(&self, asked: &Value) -> Checked {
        let effort = asked["output_config"]["effort"].as_str();
        if let Some(effort) = effort
            && !self.efforts().contains(&effort)
        {
            return refuse(format!("\"output_config.effort\" \"{effort}\" is not supported for this model."));
        }
        let kind = asked["thinking"]["type"].as_str().unwrap_or_default();
        let strong = matches!(effort, Some("xhigh" | "max"));
        let possible = match kind {
            "enabled" => self.version <= (4, 6),
            "adaptive" if self.version < (4, 6) => {
                return refuse("adaptive thinking is not supported on this model");
            }
            "disabled" => self.may_not_think(effort.unwrap_or("high")),
            "between_tools" => (self.line, self.version) == ("sonnet", (5, 5)) && !strong,
            _ => true,
        };
        if possible {
            return Ok(());
        }
        refuse(format!(
            "\"thinking.type.{kind}\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior."
        ))
    }
}
