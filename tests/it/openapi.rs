//! The generated document, whole, and the page to browse it.

use crate::support::{Fleet, TestApp};

#[tokio::test]
async fn the_document_is_as_agreed() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let document = app.http.get("/openapi.json").await.json();
    insta::assert_snapshot!("openapi", format!("{document:#}"));
}

#[tokio::test]
async fn the_page_to_browse_it_needs_nothing_from_elsewhere() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    let page = app.http.get("/docs").await;
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(html.contains("SwaggerUIBundle") && html.contains("createChatCompletion"));
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"));
}
