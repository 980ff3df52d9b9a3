//! What kind of step of a conversation a request is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of step a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A person asks.
    Turn,
    /// A person agrees to what was proposed; what is classified is the proposal.
    Approval,
    /// An agent goes on with what a person asked before: after tool results, or a message of its own.
    #[serde(alias = "loop")]
    ToolLoop,
    /// The same, where the newest tool results show that it fails again and again.
    StuckLoop,
    /// An agent's own errand: a title, tags, the summary of a chat.
    #[serde(alias = "side_call")]
    BackgroundCall,
}

impl Step {
    /// All kinds.
    pub const ALL: [Step; 5] = [Step::Turn, Step::Approval, Step::ToolLoop, Step::StuckLoop, Step::BackgroundCall];

    /// Its name in rules, explanations and the history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Step::Turn => "turn",
            Step::Approval => "approval",
            Step::ToolLoop => "tool_loop",
            Step::StuckLoop => "stuck_loop",
            Step::BackgroundCall => "background_call",
        }
    }

    /// Whether a rule that names this kind means a step: a loop that is stuck is a tool loop too.
    #[must_use]
    pub fn is_a(self, kind: Step) -> bool {
        self == kind || (self, kind) == (Step::StuckLoop, Step::ToolLoop)
    }

    /// The kind of a name. The names of versions before (`loop`, `side_call`) stand in files and are read too.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "loop" => Some(Step::ToolLoop),
            "side_call" => Some(Step::BackgroundCall),
            name => Self::ALL.into_iter().find(|step| step.as_str() == name),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_by_its_name_and_by_the_name_that_it_had_before() {
        for step in Step::ALL {
            assert_eq!(Step::from_name(step.as_str()), Some(step));
        }
        let before = [("loop", Step::ToolLoop), ("side_call", Step::BackgroundCall)];
        for (name, step) in before {
            assert_eq!(Step::from_name(name), Some(step));
            assert_eq!(serde_json::from_value::<Step>(name.into()).unwrap(), step);
        }
        assert_eq!(Step::from_name("question"), None);
        assert!(Step::StuckLoop.is_a(Step::ToolLoop) && !Step::ToolLoop.is_a(Step::StuckLoop));
    }
}
