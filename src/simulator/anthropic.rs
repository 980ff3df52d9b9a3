//! Anthropic's messages, strictly: what the real API refuses is refused.
//!
//! Sources: <https://platform.claude.com/docs/en/api/messages/create>, the types of Anthropic's Python SDK 2.14.0,
//! <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>,
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls>,
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>,
//! <https://platform.claude.com/docs/en/build-with-claude/streaming> and
//! <https://platform.claude.com/docs/en/api/errors> (read 2026-11-25).

use poem::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::turn::{Asked, Call, Finish, Refusal, Said, Tool, Usage};

type Checked = Result<(), Refusal>;

/// Fields that a request may have; any other is refused.
const KNOWN_FIELDS: [&str; 19] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "metadata",
    "service_tier",
    "cache_control",
    "container",
    "inference_geo",
    "speed",
];

/// Fields that a request may have beside them if it has an `anthropic-beta` header.
const BETA_FIELDS: [&str; 8] = [
    "mcp_servers",
    "context_management",
    "compaction",
    "fallbacks",
    "fallback_credit_token",
    "thread",
    "billing_policy",
    "diagnostics",
];

/// Whether a value is of a type.
type Test = fn(&Value) -> bool;

/// What a field's value must be, if it is there.
const TYPES: [(&str, Test, &str); 13] = [
    ("model", Value::is_string, "string"),
    ("max_tokens", Value::is_u64, "integer"),
    ("messages", Value::is_array, "list"),
    ("system", is_text_or_list, "list"),
    ("stream", Value::is_boolean, "boolean"),
    ("stop_sequences", Value::is_array, "list"),
    ("temperature", Value::is_number, "number"),
    ("top_p", Value::is_number, "number"),
    ("top_k", Value::is_u64, "integer"),
    ("thinking", Value::is_object, "dictionary"),
    ("output_config", Value::is_object, "dictionary"),
    ("tools", Value::is_array, "list"),
    ("tool_choice", Value::is_object, "dictionary"),
];

/// The sampling parameters, which newer models and the API version of 2026-10-21 no longer take.
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// Efforts, by rising strength.
const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

/// Keywords of JSON Schema that constrained decoding does not support.
const UNSUPPORTED_KEYWORDS: [&str; 25] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];

/// Formats of a string that constrained decoding supports.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6"];

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(400, message))
}

fn is_text_or_list(value: &Value) -> bool {
    value.is_string() || value.is_array()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, Refusal> {
    match value.as_object() {
        Some(fields) => Ok(fields),
        None => refuse(format!("{path}: Input should be a valid dictionary")),
    }
}

/// Refuses fields that are not known. The path is that of the object, without a dot at its end.
fn only(fields: &Map<String, Value>, known: &[&str], path: &str) -> Checked {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => refuse(format!("{path}.{unknown}: Extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn is_name(text: &str, most: usize) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    !text.is_empty() && text.len() <= most && text.chars().all(allowed)
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '+' || character == '/';
    !body.is_empty() && text.len() - body.len() <= 2 && body.chars().all(allowed)
}

/// The signature of a thinking block. It depends on the text alone, so that a changed block is noticed.
fn signature(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("sig-{hash:016x}")
}

/// A model's generation: what a request may hold depends on it.
struct Model<'a> {
    line: &'a str,
    version: (u64, u64),
}

impl<'a> Model<'a> {
    /// Reads names such as `claude-opus-4-20250514`, `claude-3-5-sonnet-latest` and `claude-fable-5-1`.
    /// Nothing is known of models with another form of name, so that they take everything.
    fn named(name: &'a str) -> Option<Self> {
        let (_, rest) = name.split_once("claude-")?;
        let mut line = "";
        let mut numbers = Vec::new();
        for part in rest.split(['-', '@', '.', ':']) {
            match part.parse::<u64>() {
                // A longer number is a date.
                Ok(number) if part.len() <= 2 => numbers.push(number),
                Err(_) if line.is_empty() => line = part,
                _ => {}
            }
        }
        let major = *numbers.first()?;
        Some(Model { line, version: (major, numbers.get(1).copied().unwrap_or_default()) })
    }

    fn most_tokens(&self) -> u64 {
        match (self.line, self.version) {
            (_, version) if version >= (4, 6) => 128_000,
            (_, version) if version >= (4, 5) => 64_000,
            ("opus", version) if version >= (4, 0) => 32_000,
            (_, version) if version >= (3, 7) => 64_000,
            (_, version) if version >= (3, 5) => 8_192,
            _ => 4_096,
        }
    }

    fn efforts(&self) -> &'static [&'static str] {
        match (self.line, self.version) {
            (_, version) if version >= (4, 7) => &EFFORTS,
            (_, version) if version >= (4, 6) => &["low", "medium", "high", "max"],
            ("opus", (4, 5)) => &["low", "medium", "high"],
            _ => &[],
        }
    }

    /// Whether thinking can be turned off at an effort.
    fn may_not_think(&self, effort: &str) -> bool {
        match (self.line, self.version) {
            ("fable" | "mythos", _) => false,
            ("opus" | "sonnet", version) if version >= (5, 5) => false,
            ("opus" | "haiku", version) if version >= (5, 0) => !matches!(effort, "xhigh" | "max"),
            _ => true,
        }
    }

    /// Whether a request may force a tool.
    fn can_be_forced(&self) -> bool {
        match self.line {
            "fable" | "mythos" => self.version < (5, 1),
            "opus" | "sonnet" => self.version < (5, 5),
            _ => true,
        }
    }

    /// Whether answers can be kept to a schema.
    fn keeps_to_schemas(&self) -> bool {
        self.version >= (4, 5) || (self.line, self.version) == ("opus", (4, 1))
    }

    /// Refuses a request that is right for other models only.
    fn check(&self, name: &str, asked: &Value) -> Checked {
        let tokens = asked["max_tokens"].as_u64().unwrap_or_default();
        let most = self.most_tokens();
        if tokens > most {
            return refuse(format!(
                "max_tokens: {tokens} > {most}, which is the maximum allowed number of output tokens for {name}"
            ));
        }
        if self.version >= (4, 7)
            && let Some(field) = SAMPLING.iter().find(|field| asked.get(**field).is_some())
        {
            return refuse(format!("`{field}` is deprecated for this model."));
        }
        if self.version >= (4, 0) && asked.get("temperature").is_some() && asked.get("top_p").is_some() {
            return refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
        }
        if forced(asked) && !self.can_be_forced() {
            let kind = asked["tool_choice"]["type"].as_str().unwrap_or_default();
            return refuse(format!(
                "\"tool_choice.type.{kind}\" is not supported for this model. Use \"tool_choice.type.auto\"."
            ));
        }
        if self.version >= (4, 6) && last_role(asked) == "assistant" {
            return refuse(
                "This model does not support assistant message prefill. \
                 The conversation must end with a user message.",
            );
        }
        if asked["output_config"].get("format").is_some() && !self.keeps_to_schemas() {
            return refuse("\"output_config.format\" is not supported for this model.");
        }
        self.check_thinking(asked)
    }

    fn check_thinking(&self, asked: &Value) -> Checked {
        let effort = asked["output_config"]["effort"].as_str();
        if let Some(effort) = effort
            && !self.efforts().contains(&effort)
        {
            return refuse(format!("\"output_config.effort\" \"{effort}\" is not supported for this model."));
        }
        let kind = asked["thinking"]["type"].as_str().unwrap_or_default();
        let strong = matches!(effort, Some("xhigh" | "max"));
        let possible = match kind {
            "enabled" => self.version <= (4, 6),
            "adaptive" if self.version < (4, 6) => {
                return refuse("adaptive thinking is not supported on this model");
            }
            "disabled" => self.may_not_think(effort.unwrap_or("high")),
            "between_tools" => (self.line, self.version) == ("sonnet", (5, 5)) && !strong,
            _ => true,
        };
        if possible {
            return Ok(());
        }
        refuse(format!(
            "\"thinking.type.{kind}\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior."
        ))
    }
}

/// Whether a request forces a tool.
fn forced(asked: &Value) -> bool {
    matches!(asked["tool_choice"]["type"].as_str(), Some("any" | "tool"))
}

fn last_role(asked: &Value) -> &str {
    list(&asked["messages"]).last().and_then(|message| message["role"].as_str()).unwrap_or_default()
}

/// Checks a request as the real API does; the refusal if it fails. Who asks is checked elsewhere.
pub(super) fn check(
    headers: &HeaderMap,
    asked: &Value,
    _model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    let version = check_version(headers)?;
    let Some(fields) = asked.as_object() else { return refuse("Input should be a valid dictionary") };
    let beta = headers.contains_key("anthropic-beta");
    let known = |name: &str| {
        (KNOWN_FIELDS.contains(&name) && !(version == Version::Newest && SAMPLING.contains(&name)))
            || name == "diagnostics"
            || (beta && BETA_FIELDS.contains(&name))
    };
    if let Some(unknown) = fields.keys().find(|name| !known(name)) {
        return refuse(format!("{unknown}: Extra inputs are not permitted"));
    }
    if let Some(missing) = ["model", "max_tokens", "messages"].iter().find(|name| !fields.contains_key(**name)) {
        return refuse(format!("{missing}: Field required"));
    }
    for (field, fits, what) in TYPES {
        if fields.get(field).is_some_and(|value| !fits(value)) {
            return refuse(format!("{field}: Input should be a valid {what}"));
        }
    }
    check_scalars(asked)?;
    check_tools(list(&asked["tools"]))?;
    check_choice(asked)?;
    check_output(asked, beta)?;
    check_system(&asked["system"])?;
    check_messages(asked, version)?;
    check_markers(asked)?;
    check_thinking(asked)?;
    check_prefill(asked)?;
    let name = asked["model"].as_str().unwrap_or_default();
    Model::named(name).map_or(Ok(()), |model| model.check(name, asked))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Older,
    /// 2026-10-21.
    Newest,
}

fn check_version(headers: &HeaderMap) -> Result<Version, Refusal> {
    match headers.get("anthropic-version").map(|value| value.to_str().unwrap_or_default()) {
        None => refuse("anthropic-version: header is required"),
        Some("2026-10-21") => Ok(Version::Newest),
        Some("2023-06-01" | "2023-01-01") => Ok(Version::Older),
        Some(other) => refuse(format!("anthropic-version: \"{other}\" is not a valid version")),
    }
}

fn check_scalars(asked: &Value) -> Checked {
    if asked["model"] == "" {
        return refuse("model: String should have at least 1 character");
    }
    for field in ["temperature", "top_p"] {
        let value = asked[field].as_f64().unwrap_or_default();
        if value < 0.0 {
            return refuse(format!("{field}: Input should be greater than or equal to 0"));
        }
        if value > 1.0 {
            return refuse(format!("{field}: Input should be less than or equal to 1"));
        }
    }
    for (index, sequence) in list(&asked["stop_sequences"]).iter().enumerate() {
        let Some(sequence) = sequence.as_str() else {
            return refuse(format!("stop_sequences.{index}: Input should be a valid string"));
        };
        if sequence.trim().is_empty() {
            return refuse("stop_sequences: each stop sequence must contain non-whitespace");
        }
    }
    if let Some(metadata) = asked.get("metadata") {
        only(object(metadata, "metadata")?, &["user_id"], "metadata")?;
        match &metadata["user_id"] {
            Value::Null => {}
            Value::String(user) if user.chars().count() <= 256 => {}
            Value::String(_) => return refuse("metadata.user_id: String should have at most 256 characters"),
            _ => return refuse("metadata.user_id: Input should be a valid string"),
        }
    }
    if let Some(tier) = asked.get("service_tier")
        && tier != "auto"
        && tier != "standard_only"
    {
        return refuse("service_tier: Input should be 'auto' or 'standard_only'");
    }
    match &asked["speed"] {
        Value::Null => Ok(()),
        speed if speed == "standard" || speed == "fast" => Ok(()),
        _ => refuse("speed: Input should be 'standard' or 'fast'"),
    }
}

fn check_tools(tools: &[Value]) -> Checked {
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let path = format!("tools.{index}");
        let fields = object(tool, &path)?;
        let name = match &tool["type"] {
            Value::Null => check_tool(tool, fields, &format!("{path}.custom"))?,
            kind if kind == "custom" => check_tool(tool, fields, &format!("{path}.custom"))?,
            kind => {
                // Tools of the server have a date at the end of their type.
                let kind = kind.as_str().unwrap_or_default();
                let date = kind.rsplit('_').next().unwrap_or_default();
                if date.len() != 8 || date.parse::<u64>().is_err() {
                    return refuse(format!(
                        "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: \
                         'custom', 'bash_20250124', 'web_search_20260318'"
                    ));
                }
                tool["name"].as_str().unwrap_or_default()
            }
        };
        if names.contains(&name) {
            return refuse("tools: Tool names must be unique.");
        }
        names.push(name);
    }
    Ok(())
}

/// Checks a tool of the client's; its name.
fn check_tool<'a>(tool: &'a Value, fields: &Map<String, Value>, path: &str) -> Result<&'a str, Refusal> {
    only(
        fields,
        &[
            "name",
            "description",
            "input_schema",
            "type",
            "strict",
            "cache_control",
            "input_examples",
            "eager_input_streaming",
            "defer_loading",
            "allowed_callers",
        ],
        path,
    )?;
    let Some(name) = tool.get("name") else { return refuse(format!("{path}.name: Field required")) };
    let Some(name) = name.as_str() else { return refuse(format!("{path}.name: Input should be a valid string")) };
    if !is_name(name, 128) {
        return refuse(format!("{path}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
    }
    if tool.get("description").is_some_and(|text| !text.is_string()) {
        return refuse(format!("{path}.description: Input should be a valid string"));
    }
    if tool.get("strict").is_some_and(|strict| !strict.is_boolean()) {
        return refuse(format!("{path}.strict: Input should be a valid boolean"));
    }
    let Some(schema) = tool.get("input_schema") else {
        return refuse(format!("{path}.input_schema: Field required"));
    };
    let members = object(schema, &format!("{path}.input_schema"))?;
    match members.get("type") {
        None => return refuse(format!("{path}.input_schema.type: Field required")),
        Some(kind) if kind != "object" => {
            return refuse(format!("{path}.input_schema.type: Input should be 'object'"));
        }
        Some(_) => {}
    }
    if ["oneOf", "anyOf", "allOf"].iter().any(|keyword| members.contains_key(*keyword)) {
        return refuse(format!(
            "{path}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        ));
    }
    if members.get("properties").is_some_and(|properties| !properties.is_object())
        || members.get("required").is_some_and(|required| !required.is_array())
    {
        return refuse(format!("{path}.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"));
    }
    if tool["strict"] == true {
        check_schema(schema, schema, path, &mut Vec::new())?;
    }
    Ok(name)
}

/// Refuses a schema that constrained decoding does not support. The open references show recursion.
fn check_schema<'a>(schema: &'a Value, root: &'a Value, path: &str, open: &mut Vec<&'a str>) -> Checked {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let Some(target) = target else {
            return refuse(format!("{path}: external or unknown $ref '{reference}' is not supported"));
        };
        if open.contains(&reference) || std::ptr::eq(target, root) {
            return refuse(format!("{path}: Too many recursive definitions in schema"));
        }
        open.push(reference);
        check_schema(target, root, path, open)?;
        open.pop();
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) if kinds.iter().any(|kind| kind == "object") => "object",
        Value::Array(kinds) => kinds.iter().find_map(Value::as_str).unwrap_or_default(),
        _ if fields.contains_key("properties") => "object",
        _ => "any",
    };
    if kind == "object" && schema["additionalProperties"] != false {
        return refuse(format!("{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"));
    }
    for (keyword, value) in fields {
        check_keyword(keyword, value, kind, path)?;
        match (keyword.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(members)) => {
                for member in members.values() {
                    check_schema(member, root, path, open)?;
                }
            }
            ("anyOf" | "allOf", Value::Array(members)) => {
                for member in members {
                    check_schema(member, root, path, open)?;
                }
            }
            ("items", member) => check_schema(member, root, path, open)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_keyword(keyword: &str, value: &Value, kind: &str, path: &str) -> Checked {
    match keyword {
        "oneOf" => refuse(format!("{path}: Schema type 'oneOf' is not supported")),
        "minItems" if !matches!(value.as_u64(), Some(0 | 1)) => {
            refuse(format!("{path}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"))
        }
        "format" if value.as_str().is_none_or(|format| !FORMATS.contains(&format) && format != "uuid") => {
            refuse(format!("{path}: For '{kind}' type, format {value} is not supported"))
        }
        "pattern" => {
            let pattern = value.as_str().unwrap_or_default();
            let refused = ["(?=", "(?!", "(?<", "\\b", "\\B", "\\1", "\\2", "\\3"];
            if refused.iter().any(|part| pattern.contains(part)) {
                return refuse(format!("{path}: the pattern {value} is not supported"));
            }
            Ok(())
        }
        "enum" if list(value).iter().any(|value| value.is_object() || value.is_array()) => {
            refuse(format!("{path}: 'enum' may only hold strings, numbers, booleans and null"))
        }
        "allOf" if list(value).iter().any(|member| member.get("$ref").is_some()) => {
            refuse(format!("{path}: 'allOf' with '$ref' is not supported"))
        }
        unsupported if UNSUPPORTED_KEYWORDS.contains(&unsupported) => {
            refuse(format!("{path}: For '{kind}' type, property '{unsupported}' is not supported"))
        }
        _ => Ok(()),
    }
}

fn check_choice(asked: &Value) -> Checked {
    let Some(choice) = asked.get("tool_choice") else { return Ok(()) };
    let fields = object(choice, "tool_choice")?;
    let kind = choice["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "auto" | "any" => &["type", "disable_parallel_tool_use"],
        "tool" => &["type", "name", "disable_parallel_tool_use"],
        "none" => &["type"],
        _ => {
            return refuse(format!(
                "tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: \
                 'auto', 'any', 'tool', 'none'"
            ));
        }
    };
    only(fields, known, &format!("tool_choice.{kind}"))?;
    if choice.get("disable_parallel_tool_use").is_some_and(|disable| !disable.is_boolean()) {
        return refuse(format!("tool_choice.{kind}.disable_parallel_tool_use: Input should be a valid boolean"));
    }
    let tools = list(&asked["tools"]);
    if tools.is_empty() {
        return refuse("tool_choice: tool_choice may only be specified while providing tools");
    }
    if kind == "tool" {
        let Some(name) = choice["name"].as_str() else { return refuse("tool_choice.tool.name: Field required") };
        if !tools.iter().any(|tool| tool["name"] == name) {
            return refuse(format!("tool_choice: Tool '{name}' not found in provided tools"));
        }
    }
    Ok(())
}

fn check_output(asked: &Value, beta: bool) -> Checked {
    let Some(output) = asked.get("output_config") else { return Ok(()) };
    let known: &[&str] = if beta { &["effort", "format", "task_budget"] } else { &["effort", "format"] };
    only(object(output, "output_config")?, known, "output_config")?;
    if let Some(effort) = output.get("effort").filter(|effort| !effort.is_null())
        && !EFFORTS.iter().any(|known| effort == known)
    {
        return refuse("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'");
    }
    let Some(format) = output.get("format").filter(|format| !format.is_null()) else { return Ok(()) };
    let fields = object(format, "output_config.format")?;
    only(fields, &["type", "schema"], "output_config.format")?;
    if format["type"] != "json_schema" {
        return refuse("output_config.format.type: Input should be 'json_schema'");
    }
    let Some(schema) = format.get("schema") else { return refuse("output_config.format.schema: Field required") };
    object(schema, "output_config.format.schema")?;
    check_schema(schema, schema, "output_config.format.schema", &mut Vec::new())?;
    let cites = |block: &Value| block["citations"]["enabled"] == true;
    if list(&asked["messages"]).iter().flat_map(|message| list(&message["content"])).any(cites) {
        return refuse("output_config.format: citations are not supported with structured outputs");
    }
    Ok(())
}

fn check_system(system: &Value) -> Checked {
    for (index, block) in list(system).iter().enumerate() {
        let path = format!("system.{index}");
        let fields = object(block, &path)?;
        if block["type"] != "text" {
            return refuse(format!("{path}.type: Input should be 'text'"));
        }
        only(fields, &["type", "text", "citations", "cache_control"], &path)?;
        check_text(&block["text"], "system", &path)?;
    }
    Ok(())
}

fn check_text(text: &Value, place: &str, path: &str) -> Checked {
    match text.as_str() {
        None => refuse(format!("{path}.text: Input should be a valid string")),
        Some("") => refuse(format!("{place}: text content blocks must be non-empty")),
        Some(text) if text.trim().is_empty() => {
            refuse(format!("{place}: text content blocks must contain non-whitespace text"))
        }
        Some(_) => Ok(()),
    }
}

fn check_messages(asked: &Value, version: Version) -> Checked {
    let messages = list(&asked["messages"]);
    if messages.is_empty() {
        return refuse("messages: at least one message is required");
    }
    for (index, message) in messages.iter().enumerate() {
        check_message(message, index, index + 1 == messages.len(), version)?;
    }
    if messages[0]["role"] != "user" {
        return refuse("messages: first message must use the \"user\" role");
    }
    check_pairs(messages)?;
    let of_tools = |block: &Value| block["type"] == "tool_use" || block["type"] == "tool_result";
    let with_tools = messages.iter().flat_map(|message| list(&message["content"])).any(of_tools);
    if with_tools && list(&asked["tools"]).is_empty() {
        return refuse("Requests which have `tool_use` or `tool_result` blocks in their messages must define tools");
    }
    Ok(())
}

fn check_message(message: &Value, index: usize, last: bool, version: Version) -> Checked {
    let path = format!("messages.{index}");
    let fields = object(message, &path)?;
    let Some(role) = message.get("role") else { return refuse(format!("{path}.role: Field required")) };
    let role = role.as_str().unwrap_or_default();
    match role {
        "user" | "assistant" => {}
        "system" => return refuse("role 'system' is not supported on this model"),
        _ => return refuse(format!("{path}.role: Input should be 'user' or 'assistant'")),
    }
    only(fields, &["role", "content"], &path)?;
    let empty = match &message["content"] {
        Value::String(text) => text.is_empty(),
        Value::Array(blocks) => blocks.is_empty(),
        Value::Null if !fields.contains_key("content") => return refuse(format!("{path}.content: Field required")),
        _ => return refuse(format!("{path}.content: Input should be a valid list")),
    };
    if empty && !(last && role == "assistant") {
        return refuse(format!(
            "{path}: all messages must have non-empty content except for the optional final assistant message"
        ));
    }
    if message["content"].is_string() && !empty {
        check_text(&message["content"], "messages", &format!("{path}.content"))?;
    }
    for (at, block) in list(&message["content"]).iter().enumerate() {
        let path = format!("{path}.content.{at}");
        check_block(block, role, &path)?;
        if version == Version::Newest {
            check_newest(block, role, &path)?;
        }
    }
    Ok(())
}

/// What the API version of 2026-10-21 refuses beside the rest.
fn check_newest(block: &Value, role: &str, path: &str) -> Checked {
    if role == "assistant" && block["type"] == "document" {
        return refuse(format!("{path}: `document` blocks are not permitted in `assistant` messages"));
    }
    if role == "user" && block["type"] == "text" && !list(&block["citations"]).is_empty() {
        return refuse(format!("{path}.text.citations: citations are not permitted in `user` messages"));
    }
    Ok(())
}

/// The fields that a kind of block may have.
fn block_fields(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "text" => &["type", "text", "citations", "cache_control"],
        "image" => &["type", "source", "cache_control", "transformations"],
        "document" => &["type", "source", "title", "context", "citations", "cache_control"],
        "tool_use" => &["type", "id", "name", "input", "cache_control", "caller", "toolset_name"],
        "tool_result" => &["type", "tool_use_id", "content", "is_error", "cache_control"],
        "thinking" => &["type", "thinking", "signature"],
        "redacted_thinking" => &["type", "data"],
        "search_result" => &["type", "source", "title", "content", "citations", "cache_control"],
        "server_tool_use" => &["type", "id", "name", "input", "cache_control", "caller"],
        "container_upload" => &["type", "file_id", "cache_control"],
        "tool_reference" => &["type", "tool_name", "cache_control"],
        "web_search_tool_result"
        | "web_fetch_tool_result"
        | "code_execution_tool_result"
        | "bash_code_execution_tool_result"
        | "text_editor_code_execution_tool_result"
        | "tool_search_tool_result" => &["type", "tool_use_id", "content", "cache_control", "caller"],
        _ => return None,
    })
}

/// The one role that a kind of block belongs to, if there is but one. A tool's result holds blocks of "tool".
fn block_role(kind: &str) -> Option<&'static str> {
    match kind {
        "image" | "tool_result" | "search_result" | "container_upload" => Some("user"),
        "tool_use" | "thinking" | "redacted_thinking" | "server_tool_use" => Some("assistant"),
        "tool_reference" => Some("tool"),
        kind if kind.ends_with("_tool_result") => Some("assistant"),
        _ => None,
    }
}

fn check_block(block: &Value, role: &str, path: &str) -> Checked {
    let fields = object(block, path)?;
    let Some(kind) = block.get("type") else { return refuse(format!("{path}.type: Field required")) };
    let kind = kind.as_str().unwrap_or_default();
    let Some(known) = block_fields(kind) else {
        return refuse(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'document', \
             'image', 'redacted_thinking', 'search_result', 'text', 'thinking', 'tool_result', 'tool_use'"
        ));
    };
    let fits = match block_role(kind) {
        Some(_) if role == "tool" => matches!(kind, "image" | "search_result" | "tool_reference"),
        Some(only) => only == role,
        None => true,
    };
    if !fits {
        return refuse(format!("{path}: `{kind}` blocks are not permitted in `{role}` messages"));
    }
    let inner = format!("{path}.{kind}");
    only(fields, known, &inner)?;
    match kind {
        "text" => check_text(&block["text"], "messages", &inner),
        "image" => check_image(&block["source"], &inner),
        "document" => check_document(&block["source"], &inner),
        "tool_use" => check_call(block, &inner),
        "tool_result" => check_result(block, path),
        "thinking" => check_thought(block, path),
        "redacted_thinking" if !block["data"].is_string() => refuse(format!("{inner}.data: Field required")),
        "server_tool_use" if !block["id"].as_str().is_some_and(|id| id.starts_with("srvtoolu_")) => {
            refuse(format!("{inner}.id: String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'"))
        }
        _ => Ok(()),
    }
}

fn check_image(source: &Value, path: &str) -> Checked {
    let fields = object(source, &format!("{path}.source"))?;
    let kind = source["type"].as_str().unwrap_or_default();
    let path = format!("{path}.source.{kind}");
    match kind {
        "base64" => {
            only(fields, &["type", "media_type", "data"], &path)?;
            let media = source["media_type"].as_str().unwrap_or_default();
            if !["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media) {
                return refuse(format!(
                    "{path}.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
                ));
            }
            check_data(&source["data"], &path)
        }
        "url" => check_url(fields, &path),
        "file" => only(fields, &["type", "file_id"], &path),
        _ => refuse(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'base64', 'url', \
             'file'"
        )),
    }
}

fn check_document(source: &Value, path: &str) -> Checked {
    let fields = object(source, &format!("{path}.source"))?;
    let kind = source["type"].as_str().unwrap_or_default();
    let path = format!("{path}.source.{kind}");
    match kind {
        "base64" => {
            only(fields, &["type", "media_type", "data"], &path)?;
            if source["media_type"] != "application/pdf" {
                return refuse(format!("{path}.media_type: Input should be 'application/pdf'"));
            }
            check_data(&source["data"], &path)
        }
        "text" => {
            only(fields, &["type", "media_type", "data"], &path)?;
            if source["media_type"] != "text/plain" {
                return refuse(format!("{path}.media_type: Input should be 'text/plain'"));
            }
            if source["data"].is_string() {
                return Ok(());
            }
            refuse(format!("{path}.data: Input should be a valid string"))
        }
        "url" => check_url(fields, &path),
        "content" => only(fields, &["type", "content"], &path),
        "file" => only(fields, &["type", "file_id"], &path),
        _ => refuse(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'base64', \
             'content', 'file', 'text', 'url'"
        )),
    }
}

fn check_data(data: &Value, path: &str) -> Checked {
    match data.as_str() {
        Some(data) if is_base64(data) => Ok(()),
        Some(_) => refuse(format!("{path}.data: invalid base64 data")),
        None => refuse(format!("{path}.data: Field required")),
    }
}

fn check_url(fields: &Map<String, Value>, path: &str) -> Checked {
    only(fields, &["type", "url"], path)?;
    let url = fields.get("url").and_then(Value::as_str).unwrap_or_default();
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    refuse(format!("{path}.url: Only HTTPS URLs are supported."))
}

fn check_call(call: &Value, path: &str) -> Checked {
    for field in ["id", "name", "input"] {
        if call.get(field).is_none() {
            return refuse(format!("{path}.{field}: Field required"));
        }
    }
    if !call["id"].as_str().is_some_and(|id| is_name(id, usize::MAX)) {
        return refuse(format!("{path}.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
    }
    match call["name"].as_str() {
        Some("") | None => return refuse(format!("{path}.name: String should have at least 1 character")),
        Some(name) if name.chars().count() > 200 => {
            return refuse(format!("{path}.name: String should have at most 200 characters"));
        }
        Some(_) => {}
    }
    object(&call["input"], &format!("{path}.input")).map(|_| ())
}

fn check_result(result: &Value, path: &str) -> Checked {
    let inner = format!("{path}.tool_result");
    let Some(id) = result.get("tool_use_id") else { return refuse(format!("{inner}.tool_use_id: Field required")) };
    if !id.as_str().is_some_and(|id| is_name(id, usize::MAX)) {
        return refuse(format!("{inner}.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
    }
    if result.get("is_error").is_some_and(|failed| !failed.is_boolean()) {
        return refuse(format!("{inner}.is_error: Input should be a valid boolean"));
    }
    let content = result.get("content");
    let empty = match content {
        None => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(blocks)) => blocks.is_empty(),
        Some(_) => return refuse(format!("{inner}.content: Input should be a valid list")),
    };
    if empty && result["is_error"] == true {
        return refuse(format!("{inner}: content cannot be empty if `is_error` is true"));
    }
    for (at, block) in content.map(list).unwrap_or_default().iter().enumerate() {
        check_block(block, "tool", &format!("{inner}.content.{at}"))?;
    }
    Ok(())
}

fn check_thought(block: &Value, path: &str) -> Checked {
    for field in ["thinking", "signature"] {
        if !block[field].is_string() {
            return refuse(format!("{path}.thinking.{field}: Field required"));
        }
    }
    if block["signature"] == signature(block["thinking"].as_str().unwrap_or_default()).as_str() {
        return Ok(());
    }
    refuse(format!("{path}: Invalid `signature` in `thinking` block"))
}

/// The ids in a message's blocks of a kind.
fn ids<'a>(message: &'a Value, kind: &str, field: &str) -> Vec<&'a str> {
    let blocks = list(&message["content"]).iter().filter(|block| block["type"] == kind);
    blocks.filter_map(|block| block[field].as_str()).collect()
}

/// Every call must be answered in the very next message, and every result must answer a call.
fn check_pairs(messages: &[Value]) -> Checked {
    let mut seen = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| messages.get(before)).unwrap_or(&Value::Null);
        let earlier = ids(before, "tool_use", "id");
        let results = ids(message, "tool_result", "tool_use_id");
        for (at, id) in results.iter().enumerate() {
            if !earlier.contains(id) {
                return refuse(format!(
                    "messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. \
                     Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                ));
            }
            if results[..at].contains(id) {
                return refuse(format!(
                    "messages.{index}.content.{at}: each tool_use must have a single result. Found multiple \
                     `tool_result` blocks with id: {id}"
                ));
            }
        }
        let calls = ids(message, "tool_use", "id");
        for id in &calls {
            if seen.contains(id) {
                return refuse(format!("messages.{index}: `tool_use` ids must be unique"));
            }
            seen.push(*id);
        }
        // Only the results at the beginning of the next message count.
        let next = messages.get(index + 1).map(|next| list(&next["content"])).unwrap_or_default();
        let first = next.iter().take_while(|block| block["type"] == "tool_result");
        let answered: Vec<&str> = first.filter_map(|block| block["tool_use_id"].as_str()).collect();
        let open: Vec<&str> = calls.into_iter().filter(|id| !answered.contains(id)).collect();
        if !open.is_empty() {
            return refuse(format!(
                "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
                 `tool_use` block must have a corresponding `tool_result` block in the next message.",
                open.join(", ")
            ));
        }
    }
    Ok(())
}

/// The blocks of a request that can carry a cache marker, in the order in which the API reads them.
fn markable(asked: &Value) -> Vec<&Value> {
    let mut blocks: Vec<&Value> = list(&asked["tools"]).iter().chain(list(&asked["system"])).collect();
    for block in list(&asked["messages"]).iter().flat_map(|message| list(&message["content"])) {
        if block["type"] == "tool_result" {
            blocks.extend(list(&block["content"]));
        }
        blocks.push(block);
    }
    blocks
}

/// How long a cache marker keeps the cache.
fn time_to_live(marker: &Value) -> &str {
    marker["ttl"].as_str().unwrap_or("5m")
}

fn check_marker(marker: &Value) -> Checked {
    only(object(marker, "cache_control")?, &["type", "ttl"], "cache_control.ephemeral")?;
    if marker["type"] != "ephemeral" {
        return refuse("cache_control.type: Input should be 'ephemeral'");
    }
    match marker.get("ttl").map(|ttl| ttl.as_str().unwrap_or_default()) {
        None | Some("5m" | "1h") => Ok(()),
        Some(_) => refuse("cache_control.ephemeral.ttl: Input should be '5m' or '1h'"),
    }
}

fn check_markers(asked: &Value) -> Checked {
    let blocks = markable(asked);
    let marked = |block: &&'_ Value| !block["cache_control"].is_null();
    let mut markers: Vec<&Value> = blocks.iter().copied().filter(marked).map(|block| &block["cache_control"]).collect();
    let automatic = &asked["cache_control"];
    if !automatic.is_null() {
        check_marker(automatic)?;
        match blocks.last().map(|block| &block["cache_control"]).filter(|marker| !marker.is_null()) {
            Some(last) if time_to_live(last) != time_to_live(automatic) => {
                return refuse("cache_control: the last block already has a cache_control with another ttl");
            }
            Some(_) => {}
            None => markers.push(automatic),
        }
    }
    let mut short = false;
    for marker in &markers {
        check_marker(marker)?;
        let long = time_to_live(marker) == "1h";
        if long && short {
            return refuse(
                "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control \
                 block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
            );
        }
        short |= !long;
    }
    if markers.len() > 4 {
        let found = markers.len();
        return refuse(format!("A maximum of 4 blocks with cache_control may be provided. Found {found}."));
    }
    Ok(())
}

fn check_thinking(asked: &Value) -> Checked {
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

/// An assistant's message at the end begins the answer.
fn check_prefill(asked: &Value) -> Checked {
    if last_role(asked) != "assistant" {
        return Ok(());
    }
    if matches!(asked["thinking"]["type"].as_str(), Some("enabled" | "adaptive")) {
        return refuse("Prefilling assistant messages is not supported when thinking is enabled.");
    }
    if asked["output_config"].get("format").is_some_and(|format| !format.is_null()) {
        return refuse("Prefilling assistant messages is not supported with output_config.format.");
    }
    let content = list(&asked["messages"]).last().map_or(&Value::Null, |message| &message["content"]);
    let text = content.as_str().or_else(|| list(content).last().and_then(|block| block["text"].as_str()));
    if text.is_some_and(|text| text.ends_with(char::is_whitespace)) {
        return refuse("messages: final assistant content cannot end with trailing whitespace");
    }
    Ok(())
}

/// The texts of a content: a text, or blocks.
fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Reads a request that has been checked.
pub(super) fn understand(asked: &Value, _model_in_path: &str, _stream_in_path: bool) -> Asked {
    let messages = list(&asked["messages"]);
    let mut all = texts(&asked["system"]);
    for message in messages {
        all.extend(texts(&message["content"]));
        for block in list(&message["content"]) {
            match block["type"].as_str() {
                Some("tool_result") => all.extend(texts(&block["content"])),
                Some("tool_use") => all.push(block["input"].to_string()),
                _ => {}
            }
        }
    }
    let users = messages.iter().rev().filter(|message| message["role"] == "user");
    let question = users.map(|message| texts(&message["content"]).join(" ")).find(|text| !text.is_empty());
    let last = messages.last().and_then(|message| list(&message["content"]).last());
    let model = asked["model"].as_str().unwrap_or_default();
    let choice = &asked["tool_choice"];
    let tools = list(&asked["tools"]).iter().filter(|tool| tool.get("input_schema").is_some());
    let tool = |tool: &Value| Tool {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        schema: tool["input_schema"].clone(),
    };
    let thinks = match asked["thinking"]["type"].as_str() {
        Some(kind) => kind != "disabled",
        None => Model::named(model).is_some_and(|model| model.version >= (5, 0)),
    };
    let marked = |block: &&Value| !block["cache_control"].is_null();
    Asked {
        model: model.to_owned(),
        question: question.unwrap_or_default(),
        texts: all,
        turns: messages.len(),
        after_tool: last.is_some_and(|block| block["type"] == "tool_result"),
        tools: tools.map(tool).collect(),
        may_call: choice["type"] != "none",
        parallel: choice["disable_parallel_tool_use"] != true,
        named: choice["name"].as_str().map(str::to_owned),
        schema: asked["output_config"]["format"].get("schema").cloned(),
        json: false,
        limit: asked["max_tokens"].as_u64(),
        thinks,
        cached: !asked["cache_control"].is_null() || markable(asked).iter().any(marked),
        stream: asked["stream"] == true,
        include_usage: true,
    }
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Blocked => "refusal",
    }
}

fn stop_details(finish: Finish) -> Value {
    if finish == Finish::Blocked {
        return json!({ "type": "refusal", "category": null, "explanation": null });
    }
    Value::Null
}

/// The arguments of a call, as an object.
fn arguments(call: &Call) -> Value {
    let arguments = serde_json::from_str::<Value>(&call.pieces.concat()).unwrap_or_default();
    if arguments.is_object() { arguments } else { json!({}) }
}

/// The usage as the API counts it: input tokens are those that the cache had no part in.
fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached + usage.written),
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": { "ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0 },
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "global",
    })
}

/// The plain answer.
pub(super) fn whole(said: &Said) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &said.thinking {
        content.push(json!({ "type": "thinking", "thinking": thinking, "signature": signature(thinking) }));
    }
    if !said.pieces.is_empty() {
        content.push(json!({ "type": "text", "text": said.pieces.concat(), "citations": null }));
    }
    for call in &said.calls {
        content.push(json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call),
            "caller": { "type": "direct" },
        }));
    }
    let mut answer = json!({
        "id": said.id, "type": "message", "role": "assistant", "model": said.model, "content": content,
        "stop_reason": stop_reason(said.finish), "stop_sequence": null, "stop_details": stop_details(said.finish),
        "container": null,
    });
    if let Some(counted) = said.usage {
        answer["usage"] = usage(counted, counted.output);
        answer["usage"]["output_tokens_details"] = json!({ "thinking_tokens": counted.reasoning });
    }
    answer
}

/// An event of a stream, named by its type.
fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// The events of one block of an answer.
fn block_events(index: usize, start: &Value, deltas: &[Value]) -> Vec<String> {
    let mut events = vec![event(&json!({ "type": "content_block_start", "index": index, "content_block": start }))];
    for delta in deltas {
        events.push(event(&json!({ "type": "content_block_delta", "index": index, "delta": delta })));
    }
    events.push(event(&json!({ "type": "content_block_stop", "index": index })));
    events
}

/// The blocks of an answer: how each begins, and what is added to it.
fn blocks(said: &Said) -> Vec<(Value, Vec<Value>)> {
    let mut blocks = Vec::new();
    if let Some(thinking) = &said.thinking {
        let start = json!({ "type": "thinking", "thinking": "", "signature": "" });
        let pieces = thinking.split_inclusive(' ');
        let mut deltas: Vec<Value> =
            pieces.map(|piece| json!({ "type": "thinking_delta", "thinking": piece })).collect();
        deltas.push(json!({ "type": "signature_delta", "signature": signature(thinking) }));
        blocks.push((start, deltas));
    }
    if !said.pieces.is_empty() {
        let start = json!({ "type": "text", "text": "" });
        let pieces = said.pieces.iter();
        blocks.push((start, pieces.map(|piece| json!({ "type": "text_delta", "text": piece })).collect()));
    }
    for call in &said.calls {
        let start = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        let mut deltas = vec![json!({ "type": "input_json_delta", "partial_json": "" })];
        // A call without arguments has no more than an empty piece.
        if call.pieces.concat() != "{}" {
            let pieces = call.pieces.iter();
            deltas.extend(pieces.map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })));
        }
        blocks.push((start, deltas));
    }
    blocks
}

/// The answer as a stream.
pub(super) fn events(said: &Said) -> Vec<String> {
    let mut message = json!({
        "id": said.id, "type": "message", "role": "assistant", "model": said.model, "content": [],
        "stop_reason": null, "stop_sequence": null,
    });
    if let Some(counted) = said.usage {
        message["usage"] = usage(counted, 1);
    }
    let mut events = vec![event(&json!({ "type": "message_start", "message": message }))];
    for (index, (start, deltas)) in blocks(said).iter().enumerate() {
        events.extend(block_events(index, start, deltas));
    }
    // After the beginning of the first block.
    events.insert(events.len().min(2), event(&json!({ "type": "ping" })));
    let mut end = json!({
        "type": "message_delta", "delta": { "stop_reason": stop_reason(said.finish), "stop_sequence": null },
    });
    if said.finish == Finish::Blocked {
        end["delta"]["stop_details"] = stop_details(said.finish);
    }
    if let Some(counted) = said.usage {
        end["usage"] = json!({
            "output_tokens": counted.output, "output_tokens_details": { "thinking_tokens": counted.reasoning },
        });
    }
    events.push(event(&end));
    events.push(event(&json!({ "type": "message_stop" })));
    events
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_simulated" })
}

/// An error in the middle of a stream.
pub(super) fn error_event(message: &str) -> String {
    event(&json!({ "type": "error", "error": { "type": "api_error", "message": message } }))
}
