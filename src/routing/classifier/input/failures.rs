//! An agent that tries again and again: tool results that tell of a failure.

use std::sync::LazyLock;

use regex::Regex;

use super::{Message, texts, words};

/// Characters at either end of a result that are looked at: an error begins a result, or ends its output.
const LOOKED_AT: usize = 400;

/// How tools, shells, compilers and test runners say that something failed. Words end as in ASCII: with the word boundaries
/// of Unicode, a text that has one other letter is read a hundred times slower.
static FAILED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        ^\s*(<[0-9A-Za-z_]+>\s*)?(?i:error|exception|fatal|failed|failure|traceback)(?-u:\b)
        | ^(?i:\s*错误|\s*失败)
        | (?i:exit(ed\ with)?\ (code|status):?\ ?|exit_?code"?[:=]\ ?)[1-9]
        | Traceback\ \(most\ recent\ call\ last\)
        | (?i:command\ not\ found|no\ such\ file\ or\ directory|permission\ denied|segmentation\ fault)
        | (?m:^(error(\[E[0-9]+\])?:|E\ \ \ |npm\ ERR!|FAIL(ED)?(?-u:\b)))
        | panicked\ at | (?-u:\b)[1-9][0-9]*\ (tests?\ )?failed(?-u:\b)
        | "(is_?error|isError)":\s*true
        | <(tool_use_)?error>"#,
    )
    .expect("a test reads the expression that is compiled in")
});

/// What the tool results tell of failures, in the loop that runs, or that ran before a person spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Failures {
    /// How many results tell of one.
    pub(super) count: usize,
    /// Whether the results since the last answer make the loop one that fails again and again, or even more so.
    pub(super) grow: bool,
}

/// Reads the tool results of a conversation, the newest loop's alone: up to where a person spoke.
pub(super) fn failures(messages: &[Message<'_>]) -> Failures {
    let from_end = messages.iter().rev().skip_while(|message| message.role == "user");
    let in_loop = from_end.take_while(|message| message.role != "user" || words(message).is_empty());
    // Newest first: the failures that the results of each step tell of. Tools that are called at once are one step.
    let mut steps: Vec<Vec<String>> = Vec::new();
    let (mut count, mut is_new) = (0, true);
    for message in in_loop {
        match message.role.as_ref() {
            "tool" | "function" => {
                if std::mem::take(&mut is_new) {
                    steps.push(Vec::new());
                }
                if let (Some(failure), Some(step)) = (texts(message).find_map(failure), steps.last_mut()) {
                    count += 1;
                    step.push(failure);
                }
            }
            "assistant" => is_new = true,
            _ => {}
        }
    }
    // Of tools that are called at once, equal failures are one.
    for step in &mut steps {
        step.sort_unstable();
        step.dedup();
    }
    let grow = steps.first().is_some_and(|newest| !newest.is_empty()) && level(&steps) > level(&steps[1..]);
    Failures { count, grow }
}

/// How much it fails again and again, 0 to 2: by in how many steps the same failure came, or how many steps failed one after
/// another. The newest step stands first.
fn level(steps: &[Vec<String>]) -> u8 {
    let in_a_row = steps.iter().take_while(|step| !step.is_empty()).count();
    let mut all: Vec<&String> = steps.iter().flatten().collect();
    all.sort_unstable();
    let same = all.chunk_by(|one, other| one == other).map(<[_]>::len).max().unwrap_or(0);
    match same.max(in_a_row.saturating_sub(1)) {
        0 | 1 => 0,
        2 | 3 => 1,
        _ => 2,
    }
}

/// The end of a result that tells of a failure, without digits: line numbers and times differ where the failure is the same.
fn failure(text: &str) -> Option<String> {
    let head = text.char_indices().nth(LOOKED_AT).map_or(text, |(end, _)| &text[..end]);
    let tail = || text.char_indices().rev().nth(LOOKED_AT - 1).map_or("", |(begin, _)| &text[begin..]);
    let end = if FAILED.is_match(head) {
        head
    } else {
        Some(tail()).filter(|tail| head.len() < text.len() && FAILED.is_match(tail))?
    };
    Some(end.chars().filter(|character| !character.is_ascii_digit()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ChatRequest;

    #[test]
    fn a_failure_is_known_at_either_end_of_a_result() {
        let long = "x".repeat(2_000);
        for text in [
            "Error: ENOENT",
            "Traceback (most recent call last):",
            "<error>no such tool</error>",
            "warning: unused\nerror[E0382]: borrow of moved value",
            "running 3 tests\n2 passed; 1 failed",
            "Process exited with code 2",
            "{\"exit_code\": 127}",
            "错误：找不到文件",
            &format!("{long}\nbash: foo: command not found"),
        ] {
            assert!(failure(text).is_some(), "{text}");
        }
        for text in [
            "",
            "3 passed; 0 failed",
            "exit code 0",
            "The error handling chapter is on page 3.",
            "no errors found",
            &format!("{long} error {long}"),
        ] {
            assert!(failure(text).is_none(), "{text}");
        }
    }

    #[test]
    fn those_of_the_newest_loop_count() {
        let count = |end: &str| {
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":"old"}},{{"role":"tool","content":"Error: 1"}},
                {{"role":"user","content":"build it"}},{{"role":"assistant"}},{{"role":"tool","content":"Error: 2"}},
                {{"role":"assistant"}},{{"role":"tool","content":"ok"}},{{"role":"tool","content":"Error: 3"}}{end}]}}"#
            );
            failures(&ChatRequest::parse(body.as_bytes()).unwrap().messages).count
        };
        assert_eq!(count(""), 2);
        assert_eq!(count(r#",{"role":"user","content":"try again"}"#), 2);
        assert_eq!(count(r#",{"role":"user","content":"x"},{"role":"assistant","content":"y"}"#), 0);
    }

    #[test]
    fn a_loop_is_stuck_where_the_same_failure_comes_again_or_many_come_in_a_row() {
        let grow = |results: &[&str]| {
            let steps: Vec<String> = results
                .iter()
                .map(|result| format!(r#"{{"role":"assistant"}},{{"role":"tool","content":"{result}"}}"#))
                .collect();
            let body = format!(r#"{{"messages":[{{"role":"user","content":"build it"}},{}]}}"#, steps.join(","));
            failures(&ChatRequest::parse(body.as_bytes()).unwrap().messages).grow
        };
        assert!(!grow(&["Error: line 12"]));
        assert!(grow(&["Error: line 12", "ok", "Error: line 97"]), "the same but for its line");
        assert!(!grow(&["Error: a", "Error: b"]));
        assert!(grow(&["Error: a", "Error: b", "Error: c"]), "three in a row");
        // Once only, until it is worse still.
        assert!(!grow(&["Error: a", "Error: a", "ok"]));
        assert!(!grow(&["Error: a", "Error: a", "Error: a"]));
        assert!(grow(&["Error: a", "Error: a", "Error: a", "Error: a"]));
        assert!(!grow(&["Error: a", "Error: a", "Error: a", "Error: a", "Error: a"]));
    }

    #[test]
    fn tools_that_are_called_at_once_are_one_step_and_an_agents_own_message_ends_no_loop() {
        let grow = |messages: &str| {
            let body = format!(r#"{{"messages":[{{"role":"user","content":"build it"}},{messages}]}}"#);
            failures(&ChatRequest::parse(body.as_bytes()).unwrap().messages).grow
        };
        let tool = |text: &str| format!(r#"{{"role":"tool","content":"{text}"}}"#);
        let (denied, assistant) = (tool("Error: permission denied"), r#"{"role":"assistant"}"#);
        assert!(!grow(&[assistant, &denied, &denied, &tool("Error: 3"), &tool("Error: x")].join(",")));
        assert!(grow(&[assistant, &denied, assistant, &denied].join(",")));
        let reminder = r#"{"role":"user","content":"<system-reminder>be brief</system-reminder>"}"#;
        assert!(grow(&[assistant, &denied, reminder, assistant, &denied].join(",")));
    }

    #[test]
    fn tens_of_thousands_of_failures_of_one_step_are_read_in_a_moment() {
        let result = |number: u32| {
            let name = format!("{number:b}").replace('0', "a").replace('1', "b");
            format!(r#"{{"role":"tool","content":"Error: {name}"}}"#)
        };
        let results: Vec<String> = (0..40_000).map(result).collect();
        let head = r#"{"messages":[{"role":"user","content":"build it"},{"role":"assistant"},"#;
        let body = format!("{head}{}]}}", results.join(","));
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(failures(&request.messages), Failures { count: 40_000, grow: false });
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_thousand_results_in_chinese_are_read_in_a_moment() {
        let result = format!(r#"{{"role":"tool","content":"{}"}}"#, "✓ 测试通过了，没有失败 ".repeat(200));
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":"build it"}}{}]}}"#, format!(",{result}").repeat(1_000));
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(failures(&request.messages), Failures::default());
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
