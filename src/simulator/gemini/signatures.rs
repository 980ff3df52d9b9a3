//! Thought signatures: which models want them, and that they come back as they were.

use serde_json::Value;

use super::Checked;
use super::shape::{has, list, refuse};

/// Signatures that stand for one that is lost; they are taken as they are.
const DUMMY_SIGNATURES: [&str; 2] = ["context_engineering_is_the_way_to_go", "skip_thought_signature_validator"];

/// Every signature must be a call's own, and those of the current turn must not be missing.
pub(super) fn check_signatures(contents: &[Value]) -> Checked {
    for part in contents.iter().flat_map(|content| list(&content["parts"])).filter(|part| has(part, "thoughtSignature"))
    {
        let found = part["thoughtSignature"].as_str().unwrap_or_default();
        let call = &part["functionCall"];
        let own = signature(call["name"].as_str().unwrap_or_default(), &call["args"]);
        if !DUMMY_SIGNATURES.contains(&found) && (call.is_null() || found != own) {
            return refuse("Corrupted thought signature.");
        }
    }
    let asks = |content: &Value| {
        content["role"] != "model" && list(&content["parts"]).iter().any(|part| !has(part, "functionResponse"))
    };
    let current = contents.iter().rposition(asks).unwrap_or_default();
    for (index, content) in contents.iter().enumerate().skip(current) {
        let first = list(&content["parts"]).iter().find(|part| has(part, "functionCall"));
        if let Some(part) = first.filter(|part| !has(part, "thoughtSignature")) {
            let name = part["functionCall"]["name"].as_str().unwrap_or_default();
            return refuse(format!(
                "Function call `{name}` in the `{}. content block` is missing a `thought_signature`.",
                index + 1
            ));
        }
    }
    Ok(())
}

/// Whether a model signs its function calls and wants the signatures back.
pub(super) fn signs(model: &str) -> bool {
    model.contains("gemini-3") || model.contains("gemini-4")
}

/// The signature of a function call. It depends on the call alone, so that a changed call is noticed.
pub(super) fn signature(name: &str, arguments: &Value) -> String {
    let arguments = if arguments.is_null() { "{}".to_owned() } else { arguments.to_string() };
    let hash = crate::protocol::fnv1a(format!("{name}|{arguments}").as_bytes());
    format!("c2ln{hash:016x}")
}
