//! Example prompts of the demo, written for it: trivial, medium and hard, in English and Chinese.

use serde_json::{Value, json};

/// One example request.
#[derive(Debug, Clone, Copy)]
pub struct Prompt {
    /// What is asked.
    pub text: &'static str,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether tools are offered.
    pub tools: bool,
}

impl Prompt {
    /// The request's body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({
            "model": "auto",
            "messages": [
                { "role": "system", "content": "You are a helpful assistant in a small company." },
                { "role": "user", "content": self.text },
            ],
        });
        if self.stream {
            body["stream"] = true.into();
        }
        if self.tools {
            body["tools"] = json!([{ "type": "function", "function": {
                "name": "search_files",
                "description": "Find files by a pattern",
                "parameters": { "type": "object", "properties": { "pattern": { "type": "string" } }, "required": ["pattern"] },
            }}]);
        }
        body
    }
}

const fn plain(text: &'static str) -> Prompt {
    Prompt { text, stream: false, tools: false }
}

const fn streamed(text: &'static str) -> Prompt {
    Prompt { text, stream: true, tools: false }
}

const fn with_tools(text: &'static str) -> Prompt {
    Prompt { text, stream: true, tools: true }
}

/// The example requests, mixed.
#[must_use]
pub fn prompts() -> &'static [Prompt] {
    const {
        &[
            plain("Good morning! Anything on my calendar today?"),
            streamed("Why does my React component re-render twice?"),
            plain("今天天气怎么样？"),
            streamed(
                "Prove that every bounded sequence of real numbers has a convergent subsequence, and derive which step fails in an infinite-dimensional space.",
            ),
            with_tools("Find the files that mention the billing address."),
            plain("Translate 'where is the train station' into French."),
            streamed("请解释一下数据库索引的原理"),
            streamed(
                "Design the architecture of a distributed job queue with exactly-once semantics. Consider network partitions, consensus, the race condition between lease expiry and completion, and justify every trade-off in depth.",
            ),
            plain("Thanks, that helped a lot!"),
            plain("Write a SQL query that returns the top 10 customers by revenue"),
            streamed("请严格证明该分布式锁的安全性：给出不变式，推导在时钟漂移下的边界条件，并分析其复杂度。"),
            plain("Debug: my Postgres query is slow, EXPLAIN shows seq scan on 40M rows"),
            with_tools(
                "Refactor the payment module: find the root cause of the deadlock between the two writers, design a lock-free alternative, and prove that no update is lost.",
            ),
            streamed(
                "Summarise this meeting in five bullet points: we moved the launch to May, the budget stays, hiring is paused, the vendor contract ends in June, and the next review is on Friday.",
            ),
            plain("把这句话翻译成英文：会议改到明天下午三点。"),
            streamed("Implement a function that reverses a linked list in Python"),
        ]
    }
}
