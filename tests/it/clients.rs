//! A real client from Rust.

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessageArgs, ChatCompletionTool, ChatCompletionTools, CreateChatCompletionRequest,
    CreateChatCompletionRequestArgs, FunctionObjectArgs,
};
use futures_util::StreamExt;

use crate::support::{Fleet, TestApp};

fn client(app: &TestApp, key: &str) -> Client<OpenAIConfig> {
    Client::with_config(OpenAIConfig::new().with_api_base(format!("{}/v1", app.http.url)).with_api_key(key))
}

fn request(text: &str) -> CreateChatCompletionRequestArgs {
    let message = ChatCompletionRequestUserMessageArgs::default().content(text).build().unwrap();
    let mut request = CreateChatCompletionRequestArgs::default();
    request.model("auto").messages([message.into()]);
    request
}

#[tokio::test]
async fn async_openai_gets_plain_and_streamed_answers_and_tool_calls() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[server]\napi_key = \"k\"")).await;
    let client = client(&app, "k");

    let answer = client.chat().create(request("good morning").build().unwrap()).await.unwrap();
    assert!(answer.choices[0].message.content.as_deref().unwrap().contains("short answer"));
    assert_eq!((answer.model.as_str(), answer.usage.unwrap().total_tokens > 0), ("small", true));

    let streamed: CreateChatCompletionRequest = request("good evening").stream(true).build().unwrap();
    let mut stream = client.chat().create_stream(streamed).await.unwrap();
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        for choice in chunk.unwrap().choices {
            text.push_str(choice.delta.content.as_deref().unwrap_or_default());
        }
    }
    assert!(text.contains("short answer"));

    let function = FunctionObjectArgs::default()
        .name("look")
        .parameters(serde_json::json!({ "type": "object", "properties": { "at": { "type": "string" } } }))
        .build()
        .unwrap();
    let tools = vec![ChatCompletionTools::Function(ChatCompletionTool { function })];
    let answer = client.chat().create(request("look").tools(tools).build().unwrap()).await.unwrap();
    assert_eq!(answer.choices[0].message.tool_calls.as_ref().map(Vec::len), Some(1));
    assert_eq!(app.rows().await.len(), 3);
}

#[tokio::test]
async fn async_openai_understands_the_errors() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[server]\napi_key = \"k\"")).await;
    let error = client(&app, "wrong").chat().create(request("hi").build().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("server.api_key"), "{error}");
}
