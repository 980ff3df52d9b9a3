//! `POST /v1/responses` of the simulated OpenAI: what it refuses, and in which words.

use serde_json::{Value, json};
use xrouter::catalog::Provider;

use super::{post, refusal, refused, refused_at_the_door, upstream};

const PATH: &str = "/responses";

type Case = (Value, u16, &'static str, Value, Value);

fn good() -> Value {
    json!({ "model": "gpt-5.5", "input": "hello", "reasoning": { "effort": "none" } })
}

/// A refusal with a field and a code.
fn coded(change: Value, message: &'static str, param: &str, code: &str) -> Case {
    (change, 400, message, json!(param), json!(code))
}

/// A refusal with a field.
fn at(change: Value, message: &'static str, param: &str) -> Case {
    (change, 400, message, json!(param), Value::Null)
}

/// The refusal of an input with this item.
fn item(item: Value, message: &'static str, param: &str, code: &str) -> Case {
    let items = vec![json!({ "role": "user", "content": "hi" }), item];
    coded(json!({ "input": items }), message, param, code)
}

/// The refusal of a request with this tool.
fn tool(tool: Value, message: &'static str, param: &str, code: &str) -> Case {
    let tools = vec![tool];
    coded(json!({ "tools": tools }), message, param, code)
}

#[tokio::test]
async fn a_wrong_key_type_or_body_is_refused_before_anything_else() {
    refused_at_the_door(PATH, &good()).await;
}

#[tokio::test]
async fn a_field_of_the_wrong_form_is_refused_in_openais_words() {
    let missing = "missing_required_parameter";
    let cases = [
        coded(json!({ "model": "absent" }), "Missing required parameter: 'model'.", "model", missing),
        coded(json!({ "input": "absent" }), "Missing required parameter: 'input'.", "input", missing),
        coded(json!({ "seed": 7 }), "Unknown parameter: 'seed'.", "seed", "unknown_parameter"),
        coded(
            json!({ "reasoning": { "x": 1 } }),
            "Unknown parameter: 'reasoning.x'.",
            "reasoning.x",
            "unknown_parameter",
        ),
        coded(
            json!({ "messages": [] }),
            "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'. Try again \
             with the new parameter. See the API documentation for more information: \
             https://platform.openai.com/docs/api-reference/responses/create.",
            "messages",
            "unsupported_parameter",
        ),
        coded(
            json!({ "max_output_tokens": 15 }),
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead.",
            "max_output_tokens",
            "integer_below_min_value",
        ),
        coded(
            json!({ "store": "false" }),
            "Invalid type for 'store': expected a boolean, but got a string instead.",
            "store",
            "invalid_type",
        ),
        coded(
            json!({ "truncation": "on" }),
            "Invalid value: 'on'. Supported values are: 'auto' and 'disabled'.",
            "truncation",
            "invalid_value",
        ),
        coded(
            json!({ "text": { "verbosity": "some" } }),
            "Invalid value: 'some'. Supported values are: 'low', 'medium', and 'high'.",
            "text.verbosity",
            "invalid_value",
        ),
        coded(
            json!({ "input": 7 }),
            "Invalid type for 'input': expected one of a string or array of input items, but got an integer instead.",
            "input",
            "invalid_type",
        ),
        at(
            json!({ "stream_options": { "include_obfuscation": true } }),
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        ),
    ];
    refused(PATH, &good(), &cases).await;
}

#[tokio::test]
async fn an_item_of_the_wrong_form_is_refused_in_openais_words() {
    let (missing, value) = ("missing_required_parameter", "invalid_value");
    let call = |id: &str| json!({ "type": "function_call", "id": id, "call_id": "c", "name": "f", "arguments": "{}" });
    let cases = [
        item(
            json!({ "role": "tool", "content": "x" }),
            "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
            "input[1].role",
            value,
        ),
        item(json!({ "role": "user" }), "Missing required parameter: 'input[1].content'.", "input[1].content", missing),
        item(
            json!({ "role": "assistant", "content": [{ "type": "input_text", "text": "x" }] }),
            "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
            "input[1].content[0]",
            value,
        ),
        item(
            json!({ "role": "user", "content": [{ "type": "text", "text": "x" }] }),
            "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', and 'input_file'.",
            "input[1].content[0]",
            value,
        ),
        item(
            json!({ "role": "user", "content": "x", "tool_calls": [] }),
            "Unknown parameter: 'input[1].tool_calls'.",
            "input[1].tool_calls",
            "unknown_parameter",
        ),
        item(
            call("call_1"),
            "Invalid 'input[1].id': 'call_1'. Expected an ID that begins with 'fc'.",
            "input[1].id",
            value,
        ),
        item(
            json!({ "type": "reasoning", "summary": [] }),
            "Missing required parameter: 'input[1].id'.",
            "input[1].id",
            missing,
        ),
        at(json!({ "input": [call("fc_1")] }), "No tool output found for function call c.", "input"),
        at(
            json!({ "input": [{ "type": "function_call_output", "call_id": "c", "output": "x" }] }),
            "No tool call found for function call output with call_id c.",
            "input",
        ),
        at(
            json!({ "input": [{ "type": "custom_tool_call_output", "call_id": "c", "output": "x" }] }),
            "No tool call found for custom tool call output with call_id c.",
            "input",
        ),
    ];
    refused(PATH, &good(), &cases).await;
    let (_simulator, http) = upstream(Provider::Openai).await;
    let mut body = good();
    body["input"] = json!([{ "type": "tool_result" }]);
    let (status, message, param, code) = refusal(&post(&http, PATH, &body).await);
    assert_eq!((status, param, code), (400, json!("input[0]"), json!("invalid_value")));
    assert!(
        message.starts_with("Invalid value: 'tool_result'. Supported values are: 'additional_tools',"),
        "{message}"
    );
}

#[tokio::test]
async fn a_tool_of_the_wrong_form_is_refused_in_openais_words() {
    let chat = json!({ "type": "function", "function": { "name": "f" } });
    let open = json!({ "type": "object", "properties": {} });
    let some = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": [],
        "additionalProperties": false });
    let lark = json!({ "type": "grammar", "syntax": "bnf", "definition": "x" });
    let cases = [
        tool(chat, "Missing required parameter: 'tools[0].name'.", "tools[0].name", "missing_required_parameter"),
        tool(
            json!({ "type": "function", "name": "a b" }),
            "Invalid 'tools[0].name': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'.",
            "tools[0].name",
            "invalid_value",
        ),
        tool(
            json!({ "type": "function", "name": "f", "parameters": open, "strict": true }),
            "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to \
             be false.",
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
        tool(
            json!({ "type": "function", "name": "f", "parameters": some, "strict": true }),
            "Invalid schema for function 'f': In context=(), 'required' is required to be supplied and to be an array \
             including every key in properties. Missing 'a'.",
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
        tool(
            json!({ "type": "custom", "name": "f", "format": lark }),
            "Invalid value: 'bnf'. Supported values are: 'lark' and 'regex'.",
            "tools[0].format.syntax",
            "invalid_value",
        ),
        tool(
            json!({ "type": "namespace", "name": "n", "description": "", "tools": [{ "type": "web_search" }] }),
            "Invalid value: 'web_search'. Supported values are: 'custom' and 'function'.",
            "tools[0].tools[0].type",
            "invalid_value",
        ),
        tool(
            json!({ "type": "web_search", "max_uses": 3 }),
            "Unknown parameter: 'tools[0].max_uses'.",
            "tools[0].max_uses",
            "unknown_parameter",
        ),
        coded(
            json!({ "tool_choice": "any" }),
            "Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
            "tool_choice",
            "invalid_value",
        ),
        at(
            json!({ "tool_choice": { "type": "function", "name": "f" } }),
            "Tool choice 'function' not found in 'tools' parameter.",
            "tool_choice",
        ),
        coded(
            json!({ "tool_choice": { "type": "function", "function": { "name": "f" } } }),
            "Unknown parameter: 'tool_choice.function'.",
            "tool_choice.function",
            "unknown_parameter",
        ),
    ];
    refused(PATH, &good(), &cases).await;
}

#[tokio::test]
async fn a_wish_for_json_of_the_wrong_form_is_refused_in_openais_words() {
    let open = json!({ "type": "object", "properties": {} });
    let cases = [
        coded(
            json!({ "text": { "format": { "type": "json_schema", "json_schema": {} } } }),
            "Unknown parameter: 'text.format.json_schema'.",
            "text.format.json_schema",
            "unknown_parameter",
        ),
        coded(
            json!({ "text": { "format": { "type": "json_schema", "name": "n" } } }),
            "Missing required parameter: 'text.format.schema'.",
            "text.format.schema",
            "missing_required_parameter",
        ),
        coded(
            json!({ "text": { "format": { "type": "json_schema", "name": "n", "schema": open, "strict": true } } }),
            "Invalid schema for response_format 'n': In context=(), 'additionalProperties' is required to be supplied \
             and to be false.",
            "text.format.schema",
            "invalid_json_schema",
        ),
        at(
            json!({ "text": { "format": { "type": "json_object" } } }),
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type \
             'json_object'.",
            "input",
        ),
    ];
    refused(PATH, &good(), &cases).await;
}

#[tokio::test]
async fn a_model_is_refused_what_it_does_not_have() {
    let cases = [
        coded(json!({ "model": "auto" }), "The requested model 'auto' does not exist.", "model", "model_not_found"),
        coded(
            json!({ "model": "gpt-4o" }),
            "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
            "reasoning.effort",
            "unsupported_parameter",
        ),
        coded(
            json!({ "model": "o3", "reasoning": null, "temperature": 0.5 }),
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "temperature",
            "unsupported_parameter",
        ),
        at(
            json!({ "model": "gpt-4o", "reasoning": null, "include": ["reasoning.encrypted_content"] }),
            "Encrypted content is not supported with this model.",
            "include",
        ),
    ];
    refused(PATH, &good(), &cases).await;
    let (_simulator, http) = upstream(Provider::OpenaiCompatible).await;
    let body = json!({ "model": "qwen3", "input": "hi", "temperature": 0.5 });
    assert_eq!(post(&http, PATH, &body).await.status, 200);
}

#[tokio::test]
async fn what_was_not_stored_is_not_found_again() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let mut body = json!({ "model": "gpt-5.5", "input": "hi", "store": false });
    let first = post(&http, PATH, &body).await.json();
    body["previous_response_id"] = first["id"].clone();
    let id = first["id"].as_str().unwrap();
    let (status, message, param, code) = refusal(&post(&http, PATH, &body).await);
    assert_eq!((status, param), (400, json!("previous_response_id")));
    assert_eq!(
        (message, code),
        (format!("Previous response with id '{id}' not found."), json!("previous_response_not_found"))
    );
    body["previous_response_id"] = Value::Null;
    let thought = first["output"][0].clone();
    for item in [json!({ "type": "item_reference", "id": thought["id"] }), thought.clone()] {
        body["input"] = json!([item]);
        let (status, message, param, _) = refusal(&post(&http, PATH, &body).await);
        assert_eq!((status, param), (404, json!("input")));
        let id = thought["id"].as_str().unwrap();
        assert!(message.starts_with(&format!("Item with id '{id}' not found. Items are not persisted")), "{message}");
    }
    body["conversation"] = json!("conv_1");
    let (status, message, ..) = refusal(&post(&http, PATH, &body).await);
    assert_eq!((status, message.as_str()), (404, "Conversation with id 'conv_1' not found."));
}

#[tokio::test]
async fn a_thought_that_somebody_else_sealed_is_refused() {
    let (_simulator, http) = upstream(Provider::Openai).await;
    let body = json!({ "model": "gpt-5.5", "input": "hi", "store": false, "include": ["reasoning.encrypted_content"] });
    let mut thought = post(&http, PATH, &body).await.json()["output"][0].clone();
    let input = |thought: &Value| json!([thought, { "role": "user", "content": "go on" }]);
    let mut next = body.clone();
    next["input"] = input(&thought);
    assert_eq!(post(&http, PATH, &next).await.status, 200);
    thought["encrypted_content"] = json!("EqQBsealed elsewhere==");
    next["input"] = input(&thought);
    let (status, message, param, code) = refusal(&post(&http, PATH, &next).await);
    assert_eq!((status, param, code), (400, Value::Null, json!("invalid_encrypted_content")));
    assert!(message.starts_with("The encrypted content EqQB...re== could not be verified."), "{message}");
}
