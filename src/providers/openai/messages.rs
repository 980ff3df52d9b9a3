//! The messages of a request, edited as a provider's quirks ask for.

use serde_json::value::RawValue;

use super::super::drops::{Drops, EncodeError};
use super::super::json::list;
use super::quirks::{Developer, Read, Roles};
use crate::config::Upstream;
use crate::protocol::Members;

/// Fields that come from elsewhere, as they look in the bytes.
const TRACES: [&[u8]; 4] =
    [b"\"reasoning_details\"", b"\"reasoning_content\"", b"\"cache_control\"", b"\"provider_fields\""];

/// Writes the messages anew for a provider; `None` if they can stay as they are. `cache_marks` is whether a mark of a
/// prompt cache may stand in them.
pub(super) fn edit(
    roles: &Roles,
    cache_marks: bool,
    upstream: &Upstream,
    messages: &str,
    drops: &mut Drops,
) -> Result<Option<String>, EncodeError> {
    let renames_developer = match roles.developer {
        Developer::Known => false,
        Developer::System => true,
        Developer::SystemBefore(since) => upstream.azure_version().is_some_and(|version| version < since),
    };
    let has = |needle: &[u8]| memchr::memmem::find(messages.as_bytes(), needle).is_some();
    let needed = match roles.read {
        Read::All => true,
        Read::Traces => {
            TRACES.iter().any(|trace| has(trace))
                || (renames_developer && has(b"\"developer\""))
                || (!roles.empty_arguments && has(b"\"arguments\""))
        }
    };
    if !needed {
        return Ok(None);
    }
    let raw: Vec<&RawValue> = serde_json::from_str(messages)
        .map_err(|error| EncodeError::Invalid { param: "messages".to_owned(), reason: error.to_string() })?;
    let mut written: Vec<Members<'_>> = Vec::with_capacity(raw.len() + 1);
    for (index, message) in raw.into_iter().enumerate() {
        let Some(mut message) = Members::parse(message.get()) else {
            let param = format!("messages[{index}]");
            return Err(EncodeError::Invalid { param, reason: "it must be an object".to_owned() });
        };
        for name in roles.removes {
            message.remove(name);
        }
        if !roles.name && message.remove("name") {
            drops.hint("messages[].name");
        }
        if !cache_marks {
            unmark(&mut message, drops);
        }
        if !roles.empty_arguments {
            fill_arguments(&mut message);
        }
        if renames_developer && message.get("role") == Some("\"developer\"") {
            message.set("role", "\"system\"");
        }
        (roles.place)(message, index, &mut written, drops)?;
    }
    Ok(Some(list(written.iter().map(Members::to_json))))
}

/// Takes marks of a prompt cache out of a message and its parts.
fn unmark(message: &mut Members<'_>, drops: &mut Drops) {
    let marked = message.remove("cache_control");
    let parts = message.get("content").filter(|content| content.starts_with('[')).and_then(unmarked_parts);
    if let Some(parts) = parts {
        message.set("content", parts);
        drops.hint("cache_control");
    } else if marked {
        drops.hint("cache_control");
    }
}

/// Content parts without prompt-cache markers; `None` if there are none.
fn unmarked_parts(content: &str) -> Option<String> {
    let parts: Vec<&RawValue> = serde_json::from_str(content).ok()?;
    let mut marked = false;
    let written: Vec<String> = parts
        .into_iter()
        .map(|part| {
            let Some(mut members) = Members::parse(part.get()) else { return part.get().to_owned() };
            if !members.remove("cache_control") {
                return part.get().to_owned();
            }
            marked = true;
            members.to_json()
        })
        .collect();
    marked.then(|| list(written))
}

/// Arguments that are an empty text are none: `{}`.
fn fill_arguments(message: &mut Members<'_>) {
    let calls = message.get("tool_calls").filter(|calls| calls.starts_with('['));
    let Some(calls) = calls.and_then(|calls| serde_json::from_str::<Vec<&RawValue>>(calls).ok()) else { return };
    let mut changed = false;
    let written: Vec<String> = calls
        .into_iter()
        .map(|call| {
            let members = Members::parse(call.get());
            let function = members.as_ref().and_then(|members| members.get("function")).and_then(Members::parse);
            let (Some(mut call_members), Some(mut function)) = (members.clone(), function) else {
                return call.get().to_owned();
            };
            if !function.get("arguments").is_none_or(|arguments| arguments == "\"\"" || arguments == "null") {
                return call.get().to_owned();
            }
            changed = true;
            function.set("arguments", "\"{}\"");
            call_members.set("function", function.to_json());
            call_members.to_json()
        })
        .collect();
    if changed {
        message.set("tool_calls", list(written));
    }
}

/// What becomes of messages for a provider's upstream at a plain address.
#[cfg(test)]
pub(super) fn edited(provider: crate::catalog::Provider, messages: &str) -> Option<String> {
    let base_url = "[classifier]\nkind = \"off\"\n[tiers.frontier]\nbase_url = \"https://api.example\"";
    let toml = format!("{base_url}\nmodel = \"m\"\nprovider = \"{provider}\"");
    let loaded = crate::config::load(&crate::config::Sources::from_toml(toml)).unwrap();
    let upstream = loaded.upstreams.all().next().unwrap();
    let quirks = super::quirks(provider);
    let mut drops = Drops::new(provider, false);
    edit(&quirks.roles, quirks.fields.cache_marks, upstream, messages, &mut drops).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Provider;

    #[test]
    fn messages_without_traces_of_others_stay_as_they_are() {
        let messages = r#"[{"role":"user", "content":"x","name":"n"}]"#;
        assert_eq!(edited(Provider::Openai, messages), None);
        let traced =
            r#"[{"role":"assistant","content":"x","reasoning_content":"r","reasoning_details":[{"type":"t"}]}]"#;
        assert_eq!(edited(Provider::Openai, traced).as_deref(), Some(r#"[{"role":"assistant","content":"x"}]"#));
        let kept = r#"[{"role":"assistant","content":"x","reasoning_content":"r"}]"#;
        assert_eq!(edited(Provider::OpenaiCompatible, traced).as_deref(), Some(kept));
        assert_eq!(edited(Provider::Openrouter, traced).as_deref(), Some(traced));
    }
}
