//! Thinking, which each generation of models has in its own way.

use serde_json::Value;

use super::Checked;
use super::shape::{has, invalid, is_integer, only, refuse};

/// Checks how thinking is asked for.
pub(super) fn check_thinking(thinking: &Value, model: &str, generation: Option<(u64, u64)>) -> Checked {
    let path = "generation_config.thinking_config";
    only(thinking, &["includeThoughts", "thinkingBudget", "thinkingLevel"], path)?;
    let (budget, level) = (&thinking["thinkingBudget"], &thinking["thinkingLevel"]);
    if has(thinking, "includeThoughts") && !thinking["includeThoughts"].is_boolean() {
        return invalid(&format!("{path}.include_thoughts"), "TYPE_BOOL", &thinking["includeThoughts"]);
    }
    if !budget.is_null() && !is_integer(budget) {
        return invalid(&format!("{path}.thinking_budget"), "TYPE_INT32", budget);
    }
    let name = level.as_str().unwrap_or_default().to_uppercase();
    if !level.is_null() && !["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"].contains(&name.as_str()) {
        return invalid(
            &format!("{path}.thinking_level"),
            "type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingConfig.ThinkingLevel",
            level,
        );
    }
    if !budget.is_null() && !level.is_null() {
        return refuse("You can only set only one of thinking budget and thinking level.");
    }
    let Some(generation) = generation else { return Ok(()) };
    if thinking.is_object() && generation < (2, 5) {
        return refuse("Thinking is not enabled for this model");
    }
    if !level.is_null() && generation < (3, 0) {
        return refuse("Thinking level is not supported for this model");
    }
    let never_minimal = generation >= (3, 7) || model.contains("pro");
    if name == "XHIGH" || (name == "MINIMAL" && never_minimal) {
        return refuse(format!("Thinking level {name} is not supported for this model."));
    }
    match budget.as_i64() {
        Some(_) if generation >= (4, 0) => refuse("Thinking budget is not supported for this model"),
        Some(budget) if generation < (3, 0) => check_budget(budget, model),
        _ => Ok(()),
    }
}

/// Checks a thinking budget of the models 2.5.
fn check_budget(budget: i64, model: &str) -> Checked {
    let (least, most) = if model.contains("pro") {
        (128, 32_768)
    } else if model.contains("lite") {
        (512, 24_576)
    } else {
        (0, 24_576)
    };
    if budget == 0 && model.contains("pro") {
        return refuse("Budget 0 is invalid. This model only works in thinking mode.");
    }
    if budget == 0 || budget == -1 || (least..=most).contains(&budget) {
        return Ok(());
    }
    refuse(format!("The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."))
}

/// A model's generation, if its name tells one: 3.8 is (3, 8).
pub(super) fn generation(model: &str) -> Option<(u64, u64)> {
    let (_, rest) = model.split_once("gemini-")?;
    let number = rest.split('-').next().unwrap_or_default();
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}
