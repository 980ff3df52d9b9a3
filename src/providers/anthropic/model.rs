//! What each generation of models takes. The API refuses what does not fit with a 400.
//!
//! Source: "Thinking", "Effort" and the migration guides of the models at
//! <https://platform.claude.com/docs/en/about-claude/models/overview> (read 2026-11-25).

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that a model takes or does not")]
pub(super) struct Facts {
    /// How thinking is asked for.
    pub(super) thinking: Thinking,
    /// Whether it thinks when nothing is said.
    pub(super) thinks_unasked: bool,
    /// Whether it can be told not to think.
    pub(super) can_stop_thinking: bool,
    /// Whether it takes temperature, `top_p` and `top_k`.
    pub(super) sampling: bool,
    /// Whether it takes temperature and `top_p` at once.
    pub(super) both: bool,
    /// Whether a tool can be forced.
    pub(super) forced_tool: bool,
    /// Whether it goes on with an answer that was begun.
    pub(super) prefill: bool,
    /// Whether the answer can be held to a schema.
    pub(super) schema: bool,
    /// The highest effort that it knows besides low, medium and high.
    pub(super) xhigh: bool,
    /// Longest answer, in tokens.
    pub(super) most_tokens: u64,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Not at all.
    No,
    /// With a budget.
    Budget,
    /// With an effort.
    Adaptive,
}

impl Facts {
    /// The facts of a model, by its name. A name that tells no generation is taken for a current one.
    pub(super) fn of(model: &str) -> Self {
        let (line, major, minor) = generation(model);
        let newest = Facts {
            thinking: Thinking::Adaptive,
            thinks_unasked: true,
            can_stop_thinking: true,
            sampling: false,
            both: false,
            forced_tool: true,
            prefill: false,
            schema: true,
            xhigh: true,
            most_tokens: 128_000,
        };
        let old = Facts {
            thinking: Thinking::Budget,
            thinks_unasked: false,
            sampling: true,
            prefill: true,
            xhigh: false,
            most_tokens: 64_000,
            ..newest
        };
        match (line, major, minor) {
            (_, 1..=3, minor) => Facts {
                thinking: if (major, minor) == (3, 7) { Thinking::Budget } else { Thinking::No },
                both: true,
                schema: false,
                most_tokens: if minor == 7 { 64_000 } else { 4_096 },
                ..old
            },
            ("opus", 4, 0 | 1) => Facts { schema: minor == 1, most_tokens: 32_000, ..old },
            (_, 4, 0..=4) => Facts { schema: false, ..old },
            (_, 4, 5) => old,
            (_, 4, 6) => Facts { thinking: Thinking::Adaptive, prefill: false, most_tokens: 128_000, ..old },
            (_, 4, _) => Facts { thinks_unasked: false, ..newest },
            ("fable" | "mythos", 5, 0) => Facts { can_stop_thinking: false, ..newest },
            ("fable" | "mythos", ..) | ("opus" | "sonnet", 5, 5..) => {
                Facts { can_stop_thinking: false, forced_tool: false, ..newest }
            }
            _ => newest,
        }
    }
}

/// The line, the major and the minor number: `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest` and
/// `anthropic.claude-sonnet-5` alike.
fn generation(model: &str) -> (&'static str, u64, u64) {
    let rest = model.find("claude").map_or("", |at| &model[at..]);
    let line =
        ["haiku", "sonnet", "opus", "fable", "mythos"].into_iter().find(|line| rest.contains(line)).unwrap_or("");
    let mut numbers = rest
        .split(|character: char| !character.is_ascii_digit())
        // A date has more digits.
        .filter(|digits| (1..=2).contains(&digits.len()))
        .filter_map(|digits| digits.parse::<u64>().ok());
    let major = numbers.next().unwrap_or(99);
    (line, major, numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_tells_its_generation() {
        let cases = [
            ("claude-opus-4-5-20251101", ("opus", 4, 5)),
            ("claude-3-7-sonnet-latest", ("sonnet", 3, 7)),
            ("claude-sonnet-4-20250514", ("sonnet", 4, 0)),
            ("anthropic.claude-sonnet-5-v1:0", ("sonnet", 5, 1)),
            ("claude-fable-5-1", ("fable", 5, 1)),
            ("my-own", ("", 99, 0)),
        ];
        for (model, expected) in cases {
            assert_eq!(generation(model), expected, "{model}");
        }
        assert!(Facts::of("claude-sonnet-4-5").sampling && Facts::of("claude-sonnet-4-5").prefill);
        assert!(!Facts::of("claude-sonnet-4-6").prefill && Facts::of("claude-sonnet-4-6").sampling);
        assert!(!Facts::of("claude-opus-4-7").sampling && !Facts::of("claude-opus-4-7").thinks_unasked);
        assert!(Facts::of("claude-opus-5").forced_tool && !Facts::of("claude-opus-5-5").forced_tool);
        assert!(!Facts::of("claude-fable-5").can_stop_thinking);
        assert_eq!(Facts::of("claude-3-5-haiku-latest").thinking, Thinking::No);
    }
}
