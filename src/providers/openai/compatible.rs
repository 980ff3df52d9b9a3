//! Any engine that speaks OpenAI's dialect (vLLM, llama.cpp, LM Studio, …) and any provider without a file of its own
//! (xAI, DeepSeek, …): everything passes but what another provider signed.

use super::super::Source;
use super::super::listing::Listing;
use super::quirks::{Answers, Call, Errors, Fields, Passes, Quirks, Roles, Stop, Usage};

pub(super) const QUIRKS: Quirks = Quirks {
    source: &[
        Source { page: "https://platform.openai.com/docs/api-reference/chat/create", read: "2026-11-25" },
        Source { page: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", read: "2026-11-25" },
        Source { page: "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md", read: "2026-11-25" },
        Source { page: "https://api-docs.deepseek.com/api/create-chat-completion", read: "2026-11-25" },
        Source { page: "https://docs.x.ai/docs/guides/reasoning", read: "2026-11-25" },
    ],
    call: Call::PLAIN,
    fields: Fields { passes: Passes::Without(&[b"\"reasoning_details\"", b"\"provider_fields\""]), ..Fields::PLAIN },
    roles: Roles::PLAIN,
    stop: Stop::TextOrList,
    answers: Answers::Pass,
    finish: &[],
    usage: Usage::PLAIN,
    errors: Errors::PLAIN,
    probe: Listing::PLAIN,
};
