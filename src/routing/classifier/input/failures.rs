//! An agent that tries again and again: tool results that tell of a failure.

use std::sync::LazyLock;

use regex::Regex;

use super::{Message, texts};
use crate::protocol::ChatRequest;

/// Characters at either end of a result that are looked at: an error begins a result, or ends its output.
const LOOKED_AT: usize = 400;

/// How tools, shells, compilers and test runners say that something failed.
static FAILED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        ^\s*(<\w+>\s*)?(?i:error|exception|fatal|failed|failure|traceback)\b
        | ^(?i:\s*错误|\s*失败)
        | (?i:exit(ed\ with)?\ (code|status):?\ ?|exit_?code"?[:=]\ ?)[1-9]
        | Traceback\ \(most\ recent\ call\ last\)
        | (?i:command\ not\ found|no\ such\ file\ or\ directory|permission\ denied|segmentation\ fault)
        | (?m:^(error(\[E\d+\])?:|E\ \ \ |npm\ ERR!|FAIL(ED)?\b))
        | panicked\ at | \b[1-9]\d*\ (tests?\ )?failed\b
        | "(is_?error|isError)":\s*true
        | <(tool_use_)?error>"#,
    )
    .expect("a test reads the expression that is compiled in")
});

/// How many tool results of the loop that runs, or that ran before a person spoke, tell of a failure.
#[must_use]
pub fn failures(request: &ChatRequest<'_>) -> usize {
    let is_result = |message: &&Message<'_>| message.role == "tool" || message.role == "function";
    let from_end = request.messages.iter().rev();
    let results = from_end.skip_while(|message| message.role == "user").take_while(|message| message.role != "user");
    results.filter(is_result).filter(|message| texts(message).any(failed)).count()
}

fn failed(text: &str) -> bool {
    let head = text.char_indices().nth(LOOKED_AT).map_or(text, |(end, _)| &text[..end]);
    if FAILED.is_match(head) {
        return true;
    }
    let tail = text.char_indices().rev().nth(LOOKED_AT - 1).map_or("", |(begin, _)| &text[begin..]);
    head.len() < text.len() && FAILED.is_match(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(failed(text), "{text}");
        }
        for text in [
            "",
            "3 passed; 0 failed",
            "exit code 0",
            "The error handling chapter is on page 3.",
            "no errors found",
            &format!("{long} error {long}"),
        ] {
            assert!(!failed(text), "{text}");
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
            failures(&ChatRequest::parse(body.as_bytes()).unwrap())
        };
        assert_eq!(count(""), 2);
        assert_eq!(count(r#",{"role":"user","content":"try again"}"#), 2);
        assert_eq!(count(r#",{"role":"user","content":"x"},{"role":"assistant","content":"y"}"#), 0);
    }
}
