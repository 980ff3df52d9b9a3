//! The messages of a request, edited for providers that are stricter than OpenAI.

use serde_json::value::RawValue;

use super::super::drops::{Drops, EncodeError};
use super::super::json::{list, quote};
use crate::catalog::Provider;
use crate::config::Upstream;
use crate::protocol::Members;

/// Writes the messages anew for a provider; `None` if they can stay as they are.
pub(super) fn edit(upstream: &Upstream, messages: &str, drops: &mut Drops) -> Result<Option<String>, EncodeError> {
    let provider = upstream.provider;
    // Azure's older versions do not know the role.
    let old = upstream.azure_version().is_some_and(|version| version < "2024-12-01");
    let renamed = old && memchr::memmem::find(messages.as_bytes(), b"\"developer\"").is_some();
    // Ollama refuses arguments that are empty.
    let calls = provider == Provider::Ollama && memchr::memmem::find(messages.as_bytes(), b"\"arguments\"").is_some();
    if is_lenient(provider)
        && !renamed
        && !calls
        && !TRACES.iter().any(|trace| memchr::memmem::find(messages.as_bytes(), trace).is_some())
    {
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
        clean(provider, &mut message, drops);
        if matches!(provider, Provider::Ollama | Provider::Mistral) {
            whole_arguments(&mut message);
        }
        match provider {
            Provider::Mistral => {
                if says_nothing(&message) {
                    continue;
                }
                mistral(&mut message, &mut written);
            }
            Provider::AzureOpenai if old => developer_is_system(&mut message),
            Provider::Perplexity => {
                developer_is_system(&mut message);
                if let Some(before) = perplexity(&message, &mut written) {
                    merge(before, &message);
                    continue;
                }
            }
            Provider::Together => {
                developer_is_system(&mut message);
                if message.get("role") == Some("\"tool\"") {
                    plain_text(&mut message, index, drops)?;
                }
            }
            _ => {}
        }
        written.push(message);
    }
    Ok(Some(list(written.iter().map(Members::to_json))))
}

/// Whether a provider takes messages as OpenAI's clients write them.
fn is_lenient(provider: Provider) -> bool {
    !matches!(provider, Provider::Mistral | Provider::Groq | Provider::Together | Provider::Perplexity)
}

/// Fields that come from elsewhere, as they look in the bytes.
const TRACES: [&[u8]; 4] =
    [b"\"reasoning_details\"", b"\"reasoning_content\"", b"\"cache_control\"", b"\"provider_fields\""];

/// Takes out what another provider said and this one would refuse or misunderstand.
fn clean(provider: Provider, message: &mut Members<'_>, drops: &mut Drops) {
    use Provider::{
        AzureOpenai, Groq, Mistral, Ollama, Openai, OpenaiCompatible, Openrouter, Perplexity, Together, Xrouter,
    };
    if matches!(provider, Openrouter | Xrouter) {
        return;
    }
    // Signed thoughts are for the provider that signed them.
    for field in ["reasoning_details", "provider_fields"] {
        message.remove(field);
    }
    if !matches!(provider, OpenaiCompatible | Ollama | Together) {
        message.remove("reasoning_content");
        message.remove("reasoning");
    }
    if matches!(provider, Groq | Mistral) && message.remove("name") {
        drops.hint("messages[].name");
    }
    if matches!(provider, Mistral | Groq | Perplexity) {
        for field in ["refusal", "annotations", "audio", "function_call"] {
            message.remove(field);
        }
    }
    if matches!(provider, Openai | AzureOpenai | Mistral | Groq | Together | Perplexity | Ollama) {
        let marked = message.remove("cache_control");
        let parts = message.get("content").filter(|content| content.starts_with('[')).and_then(without_markers);
        if let Some(parts) = parts {
            message.set("content", parts);
            drops.hint("cache_control");
        } else if marked {
            drops.hint("cache_control");
        }
    }
}

/// Content parts without prompt-cache markers; `None` if there are none.
fn without_markers(content: &str) -> Option<String> {
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

fn developer_is_system(message: &mut Members<'_>) {
    if message.get("role") == Some("\"developer\"") {
        message.set("role", "\"system\"");
    }
}

/// The message that this one goes on with. Perplexity wants the system first and only there, then the user's turn.
fn perplexity<'w, 'a>(message: &Members<'a>, written: &'w mut Vec<Members<'a>>) -> Option<&'w mut Members<'a>> {
    let is_system = |message: &Members<'_>| message.get("role") == Some("\"system\"");
    if is_system(message) {
        let has_system = written.first().is_some_and(is_system);
        if !has_system && !written.is_empty() {
            let mut system = Members::default();
            system.set("role", "\"system\"");
            system.set("content", "\"\"");
            written.insert(0, system);
        }
        return written.first_mut().filter(|first| is_system(first));
    }
    let begins = written.last().is_none_or(is_system);
    if begins && message.get("role") == Some("\"assistant\"") {
        let mut user = Members::default();
        user.set("role", "\"user\"");
        user.set("content", "\"(empty message)\"");
        written.push(user);
    }
    written.last_mut().filter(|before| same_speaker(before, message))
}

/// An assistant message with neither text nor calls.
fn says_nothing(message: &Members<'_>) -> bool {
    let content = message.get("content").unwrap_or("null");
    message.get("role") == Some("\"assistant\"")
        && matches!(content, "null" | "\"\"" | "[]")
        && message.get("tool_calls").is_none_or(|calls| matches!(calls, "null" | "[]"))
}

/// Arguments that are an empty text are none: `{}`.
fn whole_arguments(message: &mut Members<'_>) {
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

fn same_speaker(before: &Members<'_>, message: &Members<'_>) -> bool {
    let role = message.get("role").unwrap_or_default();
    matches!(role, "\"user\"" | "\"assistant\"")
        && before.get("role") == Some(role)
        && !message.has("tool_calls")
        && !before.has("tool_calls")
}

/// Perplexity wants user and assistant in turn: what is said one after another is said at once.
fn merge(before: &mut Members<'_>, message: &Members<'_>) {
    let [one, other] =
        [before.get("content"), message.get("content")].map(|content| content.unwrap_or("null").to_owned());
    let merged = match (serde_json::from_str::<String>(&one), serde_json::from_str::<String>(&other)) {
        (Ok(one), Ok(other)) if one.is_empty() => quote(&other),
        (Ok(one), Ok(other)) => quote(&format!("{one}\n\n{other}")),
        _ => list(parts(&one).into_iter().chain(parts(&other))),
    };
    before.set("content", merged);
}

/// A content as parts.
fn parts(content: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<&RawValue>>(content) {
        Ok(parts) => parts.into_iter().map(|part| part.get().to_owned()).collect(),
        Err(_) if content == "null" => Vec::new(),
        Err(_) => vec![format!(r#"{{"type":"text","text":{content}}}"#)],
    }
}

/// A content of text parts as one text.
fn plain_text(message: &mut Members<'_>, index: usize, drops: &mut Drops) -> Result<(), EncodeError> {
    #[derive(serde::Deserialize)]
    struct Part {
        #[serde(default)]
        text: Option<String>,
    }
    let parts = message.get("content").and_then(|content| serde_json::from_str::<Vec<Part>>(content).ok());
    if let Some(parts) = parts {
        if let Some(at) = parts.iter().position(|part| part.text.is_none()) {
            drops.cannot(&format!("messages[{index}].content[{at}]"), "a tool's result is text there")?;
        }
        let texts: Vec<String> = parts.into_iter().filter_map(|part| part.text).collect();
        message.set("content", quote(&texts.join("\n")));
    }
    Ok(())
}

/// Mistral knows no `developer`, wants ids of nine letters or digits, no user directly after a tool, and no tool
/// calls that are empty.
fn mistral<'a>(message: &mut Members<'a>, written: &mut Vec<Members<'a>>) {
    developer_is_system(message);
    let role = message.get("role").unwrap_or_default().to_owned();
    let after_tool = written.last().is_some_and(|before| before.get("role") == Some("\"tool\""));
    if after_tool && role == "\"user\"" {
        let mut bridge = Members::default();
        bridge.set("role", "\"assistant\"");
        bridge.set("content", "\"OK.\"");
        written.push(bridge);
    }
    if let Some(id) = message.get("tool_call_id").and_then(|id| serde_json::from_str::<String>(id).ok()) {
        message.set("tool_call_id", quote(&nine(&id)));
    }
    if let Some(parts) = message.get("content").filter(|content| content.starts_with('[')).and_then(with_documents) {
        message.set("content", parts);
    }
    match message.get("tool_calls") {
        None => {}
        Some("null" | "[]") => {
            message.remove("tool_calls");
        }
        Some(calls) => {
            let calls: Vec<&RawValue> = serde_json::from_str(calls).unwrap_or_default();
            let calls: Vec<String> = calls
                .into_iter()
                .map(|call| {
                    let Some(mut members) = Members::parse(call.get()) else { return call.get().to_owned() };
                    if let Some(id) = members.get("id").and_then(|id| serde_json::from_str::<String>(id).ok()) {
                        members.set("id", quote(&nine(&id)));
                    }
                    members.remove("index");
                    members.to_json()
                })
                .collect();
            message.set("tool_calls", list(calls));
        }
    }
    if role == "\"assistant\"" && !message.has("tool_calls") && !message.has("content") {
        message.set("content", "\"\"");
    }
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Content parts with files as Mistral's documents; `None` if there are none.
fn with_documents(content: &str) -> Option<String> {
    memchr::memmem::find(content.as_bytes(), b"\"file\"")?;
    let parts: Vec<&RawValue> = serde_json::from_str(content).ok()?;
    let written = parts.into_iter().map(|part| {
        let file = Members::parse(part.get()).and_then(|part| Some(Members::parse(part.get("file")?)?.to_json()));
        let Some(file) = file.as_deref().and_then(Members::parse) else { return part.get().to_owned() };
        match (file.get("file_data").or(file.get("file_url")), file.get("file_id")) {
            (Some(url), _) => format!(r#"{{"type":"document_url","document_url":{url}}}"#),
            (None, Some(id)) => format!(r#"{{"type":"file","file_id":{id}}}"#),
            (None, None) => part.get().to_owned(),
        }
    });
    Some(list(written))
}

/// An id as Mistral wants it: nine letters or digits. The same for the same id; its own ids stay.
fn nine(id: &str) -> String {
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hash = id
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    (0..9)
        .map(|_| {
            let digit = DIGITS[usize::try_from(hash % 62).unwrap_or(0)];
            hash /= 62;
            char::from(digit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(provider: Provider, messages: &str) -> Option<String> {
        let base_url = "[classifier]\nkind = \"off\"\n[tiers.frontier]\nbase_url = \"https://api.example\"";
        let toml = format!("{base_url}\nmodel = \"m\"\nprovider = \"{provider}\"");
        let loaded = crate::config::load(&crate::config::Sources::from_toml(toml)).unwrap();
        let upstream = loaded.upstreams.all().next().unwrap();
        edit(upstream, messages, &mut Drops::new(provider, false)).unwrap()
    }

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

    #[test]
    fn mistral_gets_ids_of_nine_and_an_assistant_between_tool_and_user() {
        let messages = r#"[{"role":"developer","content":"d"},
            {"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"call_1","content":"r"},{"role":"user","content":"u"}]"#;
        let written: serde_json::Value = serde_json::from_str(&edited(Provider::Mistral, messages).unwrap()).unwrap();
        let roles: Vec<_> =
            written.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "assistant", "tool", "assistant", "user"]);
        let id = written[1]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!(id.len(), 9);
        assert_eq!(written[2]["tool_call_id"], id);
        assert_eq!(nine("Ab3456789"), "Ab3456789");
        assert_ne!(nine("call_1"), nine("call_2"));
    }

    #[test]
    fn perplexity_gets_users_and_assistants_in_turn() {
        let messages = r#"[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}]"#;
        let written = edited(Provider::Perplexity, messages).unwrap();
        assert_eq!(written, r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#);
    }
}
