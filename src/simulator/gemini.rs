//! Google's Gemini API (v1beta `generateContent`), strictly: what the real API refuses is refused.
//!
//! Sources: <https://ai.google.dev/api/generate-content>, <https://ai.google.dev/api/caching>, the types and converters
//! of Google's Python SDK google-genai 3.6.1, <https://ai.google.dev/gemini-api/docs/function-calling>,
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>, <https://ai.google.dev/gemini-api/docs/thinking> and
//! <https://ai.google.dev/gemini-api/docs/troubleshooting> (read 2026-11-25).
//!
//! Google reads both `camelCase` and `snake_case`; here only the documented `camelCase` is read.

use poem::http::HeaderMap;
use serde_json::{Value, json};

use super::turn::{Asked, Call, Finish, Refusal, Said, Tool, Usage};

type Checked = Result<(), Refusal>;

const KNOWN_FIELDS: [&str; 11] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "labels",
    "store",
    "continuationToken",
];

/// The fields of a part of which exactly one is set.
const DATA_FIELDS: [&str; 9] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

/// The fields of a part that may stand beside its data.
const SIDE_FIELDS: [&str; 5] = ["thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"];

const TOOL_FIELDS: [&str; 9] = [
    "functionDeclarations",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "fileSearch",
    "computerUse",
    "mcpServers",
];

const CONFIG_FIELDS: [&str; 21] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseFormat",
    "thinkingConfig",
    "mediaResolution",
    "responseModalities",
    "speechConfig",
    "imageConfig",
    "enableEnhancedCivicAnswers",
];

/// Whether a value is of a type.
type Test = fn(&Value) -> bool;

/// What a field of the generation's configuration must be: its two names, the test, and the type's name.
const CONFIG_TYPES: [(&str, &str, Test, &str); 10] = [
    ("temperature", "temperature", Value::is_number, "TYPE_FLOAT"),
    ("topP", "top_p", Value::is_number, "TYPE_FLOAT"),
    ("topK", "top_k", is_integer, "TYPE_INT32"),
    ("candidateCount", "candidate_count", is_integer, "TYPE_INT32"),
    ("maxOutputTokens", "max_output_tokens", is_integer, "TYPE_INT32"),
    ("stopSequences", "stop_sequences", is_texts, "TYPE_STRING"),
    ("seed", "seed", is_integer, "TYPE_INT32"),
    ("responseLogprobs", "response_logprobs", Value::is_boolean, "TYPE_BOOL"),
    ("responseMimeType", "response_mime_type", Value::is_string, "TYPE_STRING"),
    ("responseModalities", "response_modalities", Value::is_array, "TYPE_ENUM"),
];

/// The fields of the older form of schema, a part of OpenAPI's.
const SCHEMA_FIELDS: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
];

/// Signatures that stand for one that is lost; they are taken as they are.
const DUMMY_SIGNATURES: [&str; 2] = ["context_engineering_is_the_way_to_go", "skip_thought_signature_validator"];

const CALL_AFTER_USER: &str =
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn.";
const RESPONSE_AFTER_CALL: &str =
    "Please ensure that function response turn comes immediately after a function call turn.";
const AS_MANY_RESPONSES: &str = "Please ensure that the number of function response parts is equal to the number of \
                                 function call parts of the function call turn.";

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(400, message))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a value is there; Google takes null for absence.
fn has(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|value| !value.is_null())
}

fn is_integer(value: &Value) -> bool {
    value.as_i64().is_some_and(|value| i32::try_from(value).is_ok())
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|values| values.iter().all(Value::is_string))
}

/// Whether a text can be decoded as base64, in either of its two alphabets.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |character: char| character.is_ascii_alphanumeric() || "+/-_".contains(character);
    !body.is_empty() && text.len() - body.len() <= 2 && body.chars().all(allowed)
}

fn invalid<T>(path: &str, kind: &str, value: &Value) -> Result<T, Refusal> {
    refuse(format!("Invalid value at '{path}' ({kind}), {value}"))
}

/// Refuses fields that are not known. The path is empty for the whole request.
fn only(value: &Value, known: &[&str], path: &str) -> Checked {
    let fields = match value {
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        Value::Array(_) => {
            return refuse(format!(
                "Invalid JSON payload received. Unknown name \"{path}\": Proto field is not repeating, cannot start \
                 list."
            ));
        }
        _ => return invalid(path, "TYPE_MESSAGE", value),
    };
    let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    refuse(format!("Invalid JSON payload received. Unknown name \"{unknown}\"{place}: Cannot find field."))
}

/// Refuses a value that is no list of objects.
fn objects<'a>(value: &'a Value, path: &str) -> Result<&'a [Value], Refusal> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(values) if values.iter().all(Value::is_object) => Ok(values),
        _ => invalid(path, "TYPE_MESSAGE", value),
    }
}

/// A model's generation, if its name tells one: 3.8 is (3, 8).
fn generation(model: &str) -> Option<(u64, u64)> {
    let (_, rest) = model.split_once("gemini-")?;
    let number = rest.split('-').next().unwrap_or_default();
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether a model signs its function calls and wants the signatures back.
fn signs(model: &str) -> bool {
    model.contains("gemini-3") || model.contains("gemini-4")
}

/// The signature of a function call. It depends on the call alone, so that a changed call is noticed.
fn signature(name: &str, arguments: &Value) -> String {
    let arguments = if arguments.is_null() { "{}".to_owned() } else { arguments.to_string() };
    let hash = format!("{name}|{arguments}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("c2ln{hash:016x}")
}

/// Checks a request as the real API does; the refusal if it fails. Who asks is checked elsewhere.
pub(super) fn check(
    _headers: &HeaderMap,
    asked: &Value,
    model_in_path: &str,
    _stream_in_path: bool,
) -> Result<(), Refusal> {
    if !asked.is_object() {
        return refuse("Invalid JSON payload received. Unexpected token.");
    }
    only(asked, &KNOWN_FIELDS, "")?;
    let contents = objects(&asked["contents"], "contents")?;
    check_contents(contents)?;
    check_instruction(&asked["systemInstruction"])?;
    let declared = check_tools(&asked["tools"])?;
    check_tool_config(&asked["toolConfig"], &declared)?;
    check_config(&asked["generationConfig"], model_in_path)?;
    check_safety(&asked["safetySettings"])?;
    if has(asked, "serviceTier") && !["standard", "flex", "priority"].iter().any(|tier| asked["serviceTier"] == *tier) {
        return invalid("service_tier", "TYPE_ENUM", &asked["serviceTier"]);
    }
    check_turns(contents)?;
    if signs(model_in_path) {
        check_signatures(contents)?;
        if contents.last().is_some_and(|content| content["role"] == "model") {
            return refuse("Requests ending with a model turn are not supported");
        }
    }
    let json = asked["generationConfig"]["responseMimeType"] == "application/json";
    if json && !declared.is_empty() && generation(model_in_path).is_some_and(|generation| generation < (3, 0)) {
        return refuse("Function calling with a response mime type: 'application/json' is unsupported");
    }
    Ok(())
}

fn check_contents(contents: &[Value]) -> Checked {
    if contents.is_empty() {
        return refuse("* GenerateContentRequest.contents: contents is not specified");
    }
    for (index, content) in contents.iter().enumerate() {
        let path = format!("contents[{index}]");
        only(content, &["role", "parts"], &path)?;
        match &content["role"] {
            Value::Null => {}
            role if role == "user" || role == "model" => {}
            _ => return refuse("Please use a valid role: user, model."),
        }
        let parts = objects(&content["parts"], &format!("{path}.parts"))?;
        if parts.is_empty() {
            return refuse(format!("* GenerateContentRequest.{path}.parts: contents.parts must not be empty."));
        }
        for (at, part) in parts.iter().enumerate() {
            check_part(part, &format!("{path}.parts[{at}]"))?;
        }
        let wrong = if content["role"] == "model" { "functionResponse" } else { "functionCall" };
        if parts.iter().any(|part| has(part, wrong)) {
            let message = if wrong == "functionCall" { CALL_AFTER_USER } else { RESPONSE_AFTER_CALL };
            return refuse(message);
        }
    }
    if contents.iter().all(|content| content["role"] == "model") {
        return refuse("* GenerateContentRequest.contents: at least one user part is required");
    }
    Ok(())
}

fn check_instruction(instruction: &Value) -> Checked {
    if instruction.is_null() {
        return Ok(());
    }
    only(instruction, &["role", "parts"], "system_instruction")?;
    let parts = objects(&instruction["parts"], "system_instruction.parts")?;
    if parts.is_empty() {
        return refuse("* GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.");
    }
    for (at, part) in parts.iter().enumerate() {
        let path = format!("system_instruction.parts[{at}]");
        check_part(part, &path)?;
        if !has(part, "text") {
            return refuse(format!("* GenerateContentRequest.{path}: system_instruction takes text only"));
        }
    }
    Ok(())
}

fn check_part(part: &Value, path: &str) -> Checked {
    let known: Vec<&str> = DATA_FIELDS.iter().chain(&SIDE_FIELDS).copied().collect();
    only(part, &known, path)?;
    let data: Vec<&str> = DATA_FIELDS.iter().copied().filter(|field| has(part, field)).collect();
    let kind = match data[..] {
        [] => {
            return refuse(format!(
                "* GenerateContentRequest.{path}.data: required oneof field 'data' must have one initialized field"
            ));
        }
        [kind] => kind,
        [_, second, ..] => {
            return refuse(format!(
                "Invalid value at '{path}' (oneof), oneof field 'data' is already set. Cannot set '{second}'"
            ));
        }
    };
    if has(part, "thought") && !part["thought"].is_boolean() {
        return invalid(&format!("{path}.thought"), "TYPE_BOOL", &part["thought"]);
    }
    if has(part, "thoughtSignature") && !part["thoughtSignature"].as_str().is_some_and(is_base64) {
        return invalid(&format!("{path}.thought_signature"), "TYPE_BYTES", &part["thoughtSignature"]);
    }
    match kind {
        "text" if !part["text"].is_string() => invalid(&format!("{path}.text"), "TYPE_STRING", &part["text"]),
        "inlineData" => check_inline(&part["inlineData"], &["mimeType", "data"], &format!("{path}.inline_data")),
        "fileData" => check_file(&part["fileData"], &format!("{path}.file_data")),
        "functionCall" => check_call(&part["functionCall"], &format!("{path}.function_call")),
        "functionResponse" => check_response(&part["functionResponse"], &format!("{path}.function_response")),
        _ => Ok(()),
    }
}

fn check_inline(data: &Value, known: &[&str], path: &str) -> Checked {
    only(data, known, path)?;
    let mime = data["mimeType"].as_str().unwrap_or_default();
    let (kind, subtype) = mime.split_once('/').unwrap_or_default();
    let fits = match kind {
        "image" => matches!(subtype, "png" | "jpeg" | "webp" | "heic" | "heif"),
        "audio" => matches!(subtype, "wav" | "mp3" | "mpeg" | "aiff" | "aac" | "ogg" | "flac"),
        "application" => matches!(subtype, "pdf" | "json"),
        "text" | "video" => true,
        _ => false,
    };
    if !fits {
        return refuse(format!("Unsupported MIME type: {mime}"));
    }
    match data["data"].as_str() {
        Some(text) if is_base64(text) => Ok(()),
        _ => {
            let shown = &data["data"];
            refuse(format!("Invalid value at '{path}.data' (TYPE_BYTES), Base64 decoding failed for {shown}"))
        }
    }
}

fn check_file(file: &Value, path: &str) -> Checked {
    only(file, &["mimeType", "fileUri"], path)?;
    let uri = file["fileUri"].as_str().unwrap_or_default();
    let Some(rest) = uri.strip_prefix("https://") else {
        return refuse(format!("Invalid or unsupported file uri: {uri}"));
    };
    let hosts = ["generativelanguage.googleapis.com/", "www.youtube.com/", "youtube.com/", "youtu.be/"];
    let fetched = !hosts.iter().any(|host| rest.starts_with(host));
    let mime = file["mimeType"].as_str().unwrap_or_default();
    // What Google fetches by itself may be of fewer kinds than what is uploaded.
    if fetched && (mime.starts_with("audio/") || mime == "image/gif") {
        return refuse(format!("Unsupported MIME type: {mime}"));
    }
    Ok(())
}

fn check_id_and_name(value: &Value, path: &str) -> Checked {
    if has(value, "id") && !value["id"].is_string() {
        return invalid(&format!("{path}.id"), "TYPE_STRING", &value["id"]);
    }
    if value["name"].as_str().is_none_or(str::is_empty) {
        return refuse(format!("* GenerateContentRequest.{path}.name: Name cannot be empty."));
    }
    Ok(())
}

fn check_call(call: &Value, path: &str) -> Checked {
    only(call, &["id", "name", "args"], path)?;
    check_id_and_name(call, path)?;
    if has(call, "args") && !call["args"].is_object() {
        return invalid(&format!("{path}.args"), "type.googleapis.com/google.protobuf.Struct", &call["args"]);
    }
    Ok(())
}

fn check_response(response: &Value, path: &str) -> Checked {
    only(response, &["id", "name", "response", "parts", "willContinue", "scheduling"], path)?;
    check_id_and_name(response, path)?;
    if !response["response"].is_object() {
        let struct_name = "type.googleapis.com/google.protobuf.Struct";
        return invalid(&format!("{path}.response"), struct_name, &response["response"]);
    }
    for (at, part) in objects(&response["parts"], &format!("{path}.parts"))?.iter().enumerate() {
        let path = format!("{path}.parts[{at}]");
        only(part, &["inlineData"], &path)?;
        check_inline(&part["inlineData"], &["mimeType", "data", "displayName"], &format!("{path}.inline_data"))?;
    }
    Ok(())
}

/// Checks the tools; the names of the functions.
fn check_tools(tools: &Value) -> Result<Vec<&str>, Refusal> {
    let mut names = Vec::new();
    for (index, tool) in objects(tools, "tools")?.iter().enumerate() {
        let path = format!("tools[{index}]");
        only(tool, &TOOL_FIELDS, &path)?;
        let declared = objects(&tool["functionDeclarations"], &format!("{path}.function_declarations"))?;
        let other = TOOL_FIELDS.iter().skip(1).any(|field| has(tool, field));
        if declared.is_empty() && !other {
            return refuse(format!("{path}.tool_type: required one_of 'tool_type' must have one initialized field"));
        }
        for (at, function) in declared.iter().enumerate() {
            let name = check_declaration(function, &format!("{path}.function_declarations[{at}]"))?;
            if names.contains(&name) {
                return refuse(format!("Duplicate function declaration found: {name}"));
            }
            names.push(name);
        }
    }
    Ok(names)
}

fn check_declaration<'a>(function: &'a Value, path: &str) -> Result<&'a str, Refusal> {
    only(
        function,
        &["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"],
        path,
    )?;
    let name = function["name"].as_str().unwrap_or_default();
    let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.:-".contains(character);
    if !first || name.len() > 128 || !name.chars().all(allowed) {
        return refuse(format!(
            "* GenerateContentRequest.{path}.name: Invalid function name. Must start with a letter or an underscore. \
             Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a \
             maximum length of 128."
        ));
    }
    if has(function, "description") && !function["description"].is_string() {
        return invalid(&format!("{path}.description"), "TYPE_STRING", &function["description"]);
    }
    if has(function, "behavior") {
        return refuse(format!("* GenerateContentRequest.{path}.behavior: only supported by the Live API"));
    }
    let (older, newer) = (&function["parameters"], &function["parametersJsonSchema"]);
    if !older.is_null() && !newer.is_null() {
        return refuse(format!(
            "* GenerateContentRequest.{path}: parameters and parameters_json_schema are mutually exclusive"
        ));
    }
    if !newer.is_null() && (!newer.is_object() || (has(newer, "type") && newer["type"] != "object")) {
        return refuse(format!("* GenerateContentRequest.{path}.parameters_json_schema: must describe an object"));
    }
    if older.is_null() {
        return Ok(name);
    }
    check_schema(older, &format!("{path}.parameters"))?;
    if schema_type(older) != "OBJECT" {
        return refuse(format!("* GenerateContentRequest.{path}.parameters: schema should be of type OBJECT"));
    }
    if older["properties"].as_object().is_none_or(serde_json::Map::is_empty) {
        return refuse(format!(
            "* GenerateContentRequest.{path}.parameters.properties: should be non-empty for OBJECT type"
        ));
    }
    Ok(name)
}

fn schema_type(schema: &Value) -> String {
    schema["type"].as_str().unwrap_or_default().to_uppercase()
}

/// Refuses what the older form of schema does not have.
fn check_schema(schema: &Value, path: &str) -> Checked {
    only(schema, &SCHEMA_FIELDS, path)?;
    if schema["type"].is_array() {
        return refuse(format!(
            "Invalid JSON payload received. Unknown name \"type\" at '{path}': Proto field is not repeating, cannot \
             start list."
        ));
    }
    let kind = schema_type(schema);
    let kinds = ["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];
    if has(schema, "type") && !kinds.contains(&kind.as_str()) {
        return invalid(&format!("{path}.type"), "TYPE_ENUM", &schema["type"]);
    }
    for (at, value) in list(&schema["enum"]).iter().enumerate() {
        if !value.is_string() {
            return invalid(&format!("{path}.enum[{at}]"), "TYPE_STRING", value);
        }
    }
    if has(schema, "enum") && kind != "STRING" {
        return refuse(format!("* GenerateContentRequest.{path}.enum: only allowed for STRING type"));
    }
    if kind == "ARRAY" && !has(schema, "items") {
        return refuse(format!("* GenerateContentRequest.{path}.items: missing field."));
    }
    if has(schema, "items") {
        check_schema(&schema["items"], &format!("{path}.items"))?;
    }
    for (at, member) in list(&schema["anyOf"]).iter().enumerate() {
        check_schema(member, &format!("{path}.any_of[{at}]"))?;
    }
    let properties = &schema["properties"];
    for (at, member) in properties.as_object().into_iter().flatten().map(|(_, member)| member).enumerate() {
        check_schema(member, &format!("{path}.properties[{at}].value"))?;
    }
    for (at, name) in list(&schema["required"]).iter().enumerate() {
        if name.as_str().is_none_or(|name| properties.get(name).is_none()) {
            return refuse(format!("* GenerateContentRequest.{path}.required[{at}]: property is not defined"));
        }
    }
    Ok(())
}

fn check_tool_config(config: &Value, declared: &[&str]) -> Checked {
    only(config, &["functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"], "tool_config")?;
    let calling = &config["functionCallingConfig"];
    if calling.is_null() {
        return Ok(());
    }
    let path = "tool_config.function_calling_config";
    only(calling, &["mode", "allowedFunctionNames"], path)?;
    let mode = &calling["mode"];
    let modes = ["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"];
    if has(calling, "mode") && !modes.iter().any(|known| mode == known) {
        return invalid(
            &format!("{path}.mode"),
            "type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode",
            mode,
        );
    }
    if declared.is_empty() {
        return refuse("Function calling config is set without function_declarations.");
    }
    let allowed = &calling["allowedFunctionNames"];
    if !allowed.is_null() && !is_texts(allowed) {
        return invalid(&format!("{path}.allowed_function_names"), "TYPE_STRING", allowed);
    }
    if !list(allowed).is_empty() && mode != "ANY" && mode != "VALIDATED" {
        return refuse("Allowed function names can only be set when the function calling mode is ANY or VALIDATED.");
    }
    let names = list(allowed).iter().filter_map(Value::as_str);
    if let Some(unknown) = names.into_iter().find(|name| !declared.contains(name)) {
        return refuse(format!(
            "* GenerateContentRequest.{path}.allowed_function_names: '{unknown}' is not one of the \
             function_declarations"
        ));
    }
    Ok(())
}

fn check_config(config: &Value, model: &str) -> Checked {
    only(config, &CONFIG_FIELDS, "generation_config")?;
    for (field, name, fits, kind) in CONFIG_TYPES {
        if has(config, field) && !fits(&config[field]) {
            return invalid(&format!("generation_config.{name}"), kind, &config[field]);
        }
    }
    let path = "* GenerateContentRequest.generation_config";
    let generation = generation(model);
    let beyond = |field: &str, most: f64| config[field].as_f64().is_some_and(|value| !(0.0..=most).contains(&value));
    if beyond("temperature", 2.0) {
        return refuse(format!("{path}.temperature: temperature must be in the range [0.0, 2.0]."));
    }
    if beyond("topP", 1.0) {
        return refuse(format!("{path}.top_p: top_p must be in the range [0.0, 1.0]."));
    }
    if config["topK"].as_i64().is_some_and(|value| value < 1) {
        return refuse(format!("{path}.top_k: top_k must be positive."));
    }
    if config["maxOutputTokens"].as_i64().is_some_and(|value| value < 1) {
        return refuse(format!("{path}.max_output_tokens: max_output_tokens must be positive."));
    }
    if list(&config["stopSequences"]).len() > 5 {
        return refuse(format!("{path}.stop_sequences: the number of stop sequences must be at most 5."));
    }
    match config["candidateCount"].as_i64() {
        Some(count) if count > 1 && generation.is_some_and(|generation| generation >= (3, 0)) => {
            return refuse("Multiple candidates is not enabled for this model");
        }
        Some(count) if !(1..=8).contains(&count) => {
            return refuse(format!("{path}.candidate_count: candidate_count must be in the range [1, 8]."));
        }
        _ => {}
    }
    if has(config, "presencePenalty") || has(config, "frequencyPenalty") {
        return refuse("Penalty is not enabled for this model");
    }
    if config["responseLogprobs"] == true || has(config, "logprobs") {
        return refuse("Logprobs is not enabled for this model");
    }
    check_format(config, path)?;
    check_thinking(&config["thinkingConfig"], model, generation)
}

fn check_format(config: &Value, path: &str) -> Checked {
    let mime = config["responseMimeType"].as_str().unwrap_or("text/plain");
    if !["text/plain", "application/json", "text/x.enum"].contains(&mime) {
        return refuse(format!(
            "{path}.response_mime_type: allowed mimetypes are `text/plain`, `application/json` and `text/x.enum`."
        ));
    }
    let (older, newer) = (has(config, "responseSchema"), has(config, "responseJsonSchema"));
    if older && newer {
        return refuse(format!("{path}: response_schema and response_json_schema are mutually exclusive"));
    }
    if (older || newer) && mime == "text/plain" {
        return refuse(format!("{path}.response_schema: only allowed with response_mime_type `application/json`."));
    }
    if older {
        check_schema(&config["responseSchema"], "generation_config.response_schema")?;
    }
    if newer && !config["responseJsonSchema"].is_object() {
        return refuse(format!("{path}.response_json_schema: must be a JSON schema"));
    }
    Ok(())
}

fn check_thinking(thinking: &Value, model: &str, generation: Option<(u64, u64)>) -> Checked {
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

fn check_safety(settings: &Value) -> Checked {
    let mut categories = Vec::new();
    for (index, setting) in objects(settings, "safety_settings")?.iter().enumerate() {
        let path = format!("safety_settings[{index}]");
        only(setting, &["category", "threshold"], &path)?;
        let category = setting["category"].as_str().unwrap_or_default();
        let known = ["HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY"];
        if !category.strip_prefix("HARM_CATEGORY_").is_some_and(|category| known.contains(&category)) {
            return invalid(&format!("{path}.category"), "TYPE_ENUM", &setting["category"]);
        }
        let threshold = setting["threshold"].as_str().unwrap_or_default();
        let known = ["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"];
        if !known.contains(&threshold) {
            return invalid(&format!("{path}.threshold"), "TYPE_ENUM", &setting["threshold"]);
        }
        if categories.contains(&category) {
            return refuse(format!("* GenerateContentRequest.safety_settings: more than one setting for {category}"));
        }
        categories.push(category);
    }
    Ok(())
}

/// The function calls or the function responses of a content.
fn functions<'a>(content: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(&content["parts"]).iter().filter(|part| has(part, kind)).map(|part| &part[kind]).collect()
}

/// Calls follow a user's turn, and the turn after them holds the response to each of them and nothing else.
fn check_turns(contents: &[Value]) -> Checked {
    for (index, content) in contents.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| contents.get(before));
        let responses = functions(content, "functionResponse");
        if !responses.is_empty() {
            let calls = before.map(|before| functions(before, "functionCall")).unwrap_or_default();
            if calls.is_empty() {
                return refuse(RESPONSE_AFTER_CALL);
            }
            if list(&content["parts"]).len() != responses.len() {
                return refuse("Please ensure that function response turn has function response parts only.");
            }
            if calls.len() != responses.len() {
                return refuse(AS_MANY_RESPONSES);
            }
            check_answers(calls, &responses)?;
        }
        if functions(content, "functionCall").is_empty() {
            continue;
        }
        if before.is_none_or(|before| before["role"] == "model") {
            return refuse(CALL_AFTER_USER);
        }
        let next = contents.get(index + 1).map(|next| functions(next, "functionResponse")).unwrap_or_default();
        if next.is_empty() {
            return refuse(AS_MANY_RESPONSES);
        }
    }
    Ok(())
}

/// Every response has the name of a call of its own, and the call's id if the call has one.
fn check_answers(mut calls: Vec<&Value>, responses: &[&Value]) -> Checked {
    for response in responses {
        let fits =
            |call: &&Value| call["name"] == response["name"] && (!has(call, "id") || call["id"] == response["id"]);
        let Some(at) = calls.iter().position(fits) else {
            return refuse(format!(
                "Please ensure that the id and the name of every function response are equal to those of a function \
                 call of the function call turn: {} {}.",
                response["id"], response["name"]
            ));
        };
        calls.remove(at);
    }
    Ok(())
}

/// Every signature must be a call's own, and those of the current turn must not be missing.
fn check_signatures(contents: &[Value]) -> Checked {
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

/// The texts of a content, without thoughts.
fn texts(content: &Value) -> Vec<String> {
    let parts = list(&content["parts"]).iter().filter(|part| part["thought"] != true);
    parts.filter_map(|part| part["text"].as_str()).map(str::to_owned).collect()
}

/// A schema of the older form as a JSON Schema: its types are written small.
fn json_schema(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(kind) = schema["type"].as_str().map(str::to_lowercase) {
        schema["type"] = Value::String(kind);
    }
    if has(&schema, "items") {
        schema["items"] = json_schema(&schema["items"]);
    }
    for member in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        *member.1 = json_schema(member.1);
    }
    for member in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        *member = json_schema(member);
    }
    schema
}

/// A schema that is given in either of the two forms.
fn either_schema(value: &Value, older: &str, newer: &str) -> Option<Value> {
    if has(value, newer) {
        return Some(value[newer].clone());
    }
    has(value, older).then(|| json_schema(&value[older]))
}

/// Reads a request that has been checked.
pub(super) fn understand(asked: &Value, model_in_path: &str, stream_in_path: bool) -> Asked {
    let contents = list(&asked["contents"]);
    let mut all = texts(&asked["systemInstruction"]);
    for content in contents {
        all.extend(texts(content));
        all.extend(functions(content, "functionCall").iter().map(|call| call["args"].to_string()));
        all.extend(functions(content, "functionResponse").iter().map(|result| result["response"].to_string()));
    }
    let users = contents.iter().rev().filter(|content| content["role"] != "model");
    let question = users.map(|content| texts(content).join(" ")).find(|text| !text.is_empty());
    let last = contents.last().and_then(|content| list(&content["parts"]).last());
    let functions = list(&asked["tools"]).iter().flat_map(|tool| list(&tool["functionDeclarations"]));
    let tool = |function: &Value| Tool {
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        schema: either_schema(function, "parameters", "parametersJsonSchema").unwrap_or_default(),
    };
    let calling = &asked["toolConfig"]["functionCallingConfig"];
    let named = match list(&calling["allowedFunctionNames"]) {
        [name] if calling["mode"] == "ANY" => name.as_str().map(str::to_owned),
        _ => None,
    };
    let config = &asked["generationConfig"];
    let schema = either_schema(config, "responseSchema", "responseJsonSchema");
    let thinking = &config["thinkingConfig"];
    Asked {
        model: model_in_path.to_owned(),
        question: question.unwrap_or_default(),
        texts: all,
        turns: contents.len(),
        after_tool: last.is_some_and(|part| has(part, "functionResponse")),
        tools: functions.map(tool).collect(),
        may_call: calling["mode"] != "NONE",
        parallel: true,
        named,
        json: config["responseMimeType"] == "application/json" && schema.is_none(),
        schema,
        limit: config["maxOutputTokens"].as_u64(),
        // Thoughts are shown only to those who ask for them.
        thinks: thinking["includeThoughts"] == true && thinking["thinkingBudget"] != 0,
        cached: contents.len() > 2,
        stream: stream_in_path,
        include_usage: true,
    }
}

/// A part with a function call; only the first call of an answer is signed.
fn call_part(call: &Call, first: bool, model: &str) -> Value {
    let arguments = serde_json::from_str::<Value>(&call.pieces.concat()).unwrap_or_default();
    let arguments = if arguments.is_object() { arguments } else { json!({}) };
    let mut part = json!({ "functionCall": { "name": call.name } });
    // A call without arguments has no `args`.
    if arguments != json!({}) {
        part["functionCall"]["args"] = arguments.clone();
    }
    if signs(model) {
        part["functionCall"]["id"] = Value::String(call.id.clone());
        if first {
            part["thoughtSignature"] = Value::String(signature(&call.name, &arguments));
        }
    }
    part
}

/// The parts of an answer as they are streamed; the texts are in pieces.
fn parts(said: &Said) -> Vec<Value> {
    let mut parts = Vec::new();
    if let Some(thinking) = &said.thinking {
        parts.push(json!({ "text": thinking, "thought": true }));
    }
    parts.extend(said.pieces.iter().map(|piece| json!({ "text": piece })));
    parts.extend(said.calls.iter().enumerate().map(|(at, call)| call_part(call, at == 0, &said.model)));
    parts
}

/// The usage as the API counts it: thoughts are apart from the rest of the output. Counts of 0 are left out.
fn usage_metadata(usage: Usage, candidates: u64) -> Value {
    let mut counts = json!({ "promptTokenCount": usage.input });
    let total = usage.input + candidates + usage.reasoning;
    for (name, count) in [
        ("cachedContentTokenCount", usage.cached),
        ("candidatesTokenCount", candidates),
        ("thoughtsTokenCount", usage.reasoning),
        ("totalTokenCount", total),
    ] {
        if count > 0 {
            counts[name] = json!(count);
        }
    }
    counts["promptTokensDetails"] = json!([{ "modality": "TEXT", "tokenCount": usage.input }]);
    counts
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Blocked => "SAFETY",
    }
}

/// An answer with these parts; without a reason to finish it is a piece of a stream.
fn response(said: &Said, parts: &[Value], finish: Option<Finish>, candidates: u64) -> Value {
    let mut response = json!({});
    if finish == Some(Finish::Blocked) {
        response["promptFeedback"] = json!({ "blockReason": "SAFETY" });
    } else {
        let mut candidate = json!({ "content": { "role": "model" }, "index": 0 });
        if !parts.is_empty() {
            candidate["content"] = json!({ "parts": parts, "role": "model" });
        }
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish_reason(finish));
        }
        response["candidates"] = json!([candidate]);
    }
    if let Some(usage) = said.usage {
        response["usageMetadata"] = usage_metadata(usage, candidates);
    }
    response["modelVersion"] = json!(said.model);
    response["responseId"] = json!(said.id);
    response
}

/// The tokens of the answer itself.
fn visible(said: &Said) -> u64 {
    said.usage.map_or(0, |usage| usage.output.saturating_sub(usage.reasoning))
}

/// The plain answer.
pub(super) fn whole(said: &Said) -> Value {
    let mut all = parts(said);
    let text = said.pieces.concat();
    let thoughts = usize::from(said.thinking.is_some());
    let pieces = thoughts..thoughts + said.pieces.len();
    let joined = (!said.pieces.is_empty()).then(|| json!({ "text": text }));
    all.splice(pieces, joined);
    response(said, &all, Some(said.finish), visible(said))
}

/// The answer as a stream.
pub(super) fn events(said: &Said) -> Vec<String> {
    let event = |response: &Value| format!("data: {response}\r\n\r\n");
    if said.finish == Finish::Blocked {
        return vec![event(&response(said, &[], Some(Finish::Blocked), 0))];
    }
    let parts = parts(said);
    let visible = visible(said);
    let count = parts.len() as u64;
    let mut events = Vec::with_capacity(parts.len() + 1);
    for (part, done) in parts.iter().zip(1..) {
        events.push(event(&response(said, std::slice::from_ref(part), None, visible * done / count)));
    }
    let end = if parts.is_empty() { Vec::new() } else { vec![json!({ "text": "" })] };
    events.push(event(&response(said, &end, Some(said.finish), visible)));
    events
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let name = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let mut body = json!({ "error": { "code": status, "message": message, "status": name } });
    if message.starts_with("API key not valid") {
        body["error"]["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com", "metadata": { "service": "generativelanguage.googleapis.com" },
        }]);
    }
    body
}

/// An error in the middle of a stream.
pub(super) fn error_event(message: &str) -> String {
    format!("data: {}\r\n\r\n", error(503, message))
}
