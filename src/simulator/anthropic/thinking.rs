//! Thinking: how it is asked for, what it excludes, and how its blocks are signed.

use serde_json::Value;

use super::Checked;
use super::messages::ids;
use super::shape::{list, object, only, refuse};
use super::tools::forced;

/// Checks how thinking is asked for, and what is asked for beside it.
pub(super) fn check_thinking(asked: &Value) -> Checked {
    let Some(thinking) = asked.get("thinking") else { return Ok(()) };
    let fields = object(thinking, "thinking")?;
    let kind = thinking["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "enabled" => &["type", "budget_tokens", "display"],
        "adaptive" => &["type", "display"],
        "disabled" | "between_tools" => &["type"],
        _ => {
            return refuse(format!(
                "thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'adaptive', \
                 'between_tools', 'disabled', 'enabled'"
            ));
        }
    };
    only(fields, known, &format!("thinking.{kind}"))?;
    if thinking.get("display").is_some_and(|display| display != "summarized" && display != "omitted") {
        return refuse(format!("thinking.{kind}.display: Input should be 'summarized' or 'omitted'"));
    }
    if kind == "enabled" {
        check_budget(asked)?;
        check_loop(list(&asked["messages"]))?;
    }
    if kind == "enabled" || kind == "adaptive" {
        check_beside_thinking(asked)?;
    }
    Ok(())
}

fn check_budget(asked: &Value) -> Checked {
    let Some(budget) = asked["thinking"].get("budget_tokens") else {
        return refuse("thinking.enabled.budget_tokens: Field required");
    };
    let Some(budget) = budget.as_u64() else {
        return refuse("thinking.enabled.budget_tokens: Input should be a valid integer");
    };
    if budget < 1024 {
        return refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
    }
    if asked["max_tokens"].as_u64().is_some_and(|most| budget >= most) {
        return refuse("`max_tokens` must be greater than `thinking.budget_tokens`.");
    }
    Ok(())
}

/// With manual thinking, the calls whose results come last must have their thinking before them.
fn check_loop(messages: &[Value]) -> Checked {
    // Neighbours of one role are one turn.
    let user = messages.iter().rev().take_while(|message| message["role"] == "user").count();
    let (earlier, answer) = messages.split_at(messages.len() - user);
    let answers_calls = answer.iter().any(|message| !ids(message, "tool_result", "tool_use_id").is_empty());
    let assistant = earlier.iter().rev().take_while(|message| message["role"] == "assistant").count();
    let index = earlier.len() - assistant;
    let Some(turn) = earlier.get(index).filter(|_| answers_calls) else { return Ok(()) };
    let found = list(&turn["content"]).first().and_then(|block| block["type"].as_str()).unwrap_or("text");
    if found == "thinking" || found == "redacted_thinking" {
        return Ok(());
    }
    refuse(format!(
        "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When \
         `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost \
         set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. \
         To avoid this requirement, disable `thinking`."
    ))
}

fn check_beside_thinking(asked: &Value) -> Checked {
    if asked["temperature"].as_f64().is_some_and(|temperature| temperature < 1.0) {
        return refuse("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.");
    }
    if asked["top_p"].as_f64().is_some_and(|share| share < 0.95) {
        return refuse("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.");
    }
    if asked.get("top_k").is_some() {
        return refuse("`top_k` must be unset when thinking is enabled.");
    }
    if forced(asked) {
        return refuse("Thinking may not be enabled when tool_choice forces tool use.");
    }
    Ok(())
}

/// The signature of a thinking block. It depends on the text alone, so that a changed block is noticed.
pub(super) fn signature(text: &str) -> String {
    let hash = crate::protocol::fnv1a(text.as_bytes());
    format!("sig-{hash:016x}")
}
