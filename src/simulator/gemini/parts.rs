//! The parts of a content, each kind with its own fields.

use serde_json::Value;

use super::Checked;
use super::shape::{has, invalid, is_base64, objects, only, refuse};

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

/// Checks a part, which has its data in exactly one field.
pub(super) fn check_part(part: &Value, path: &str) -> Checked {
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

fn check_id_and_name(value: &Value, path: &str) -> Checked {
    if has(value, "id") && !value["id"].is_string() {
        return invalid(&format!("{path}.id"), "TYPE_STRING", &value["id"]);
    }
    if value["name"].as_str().is_none_or(str::is_empty) {
        return refuse(format!("* GenerateContentRequest.{path}.name: Name cannot be empty."));
    }
    Ok(())
}
