//! The pages: figures, languages, sign-in.

use crate::support::{Fleet, TestApp, question};

#[tokio::test]
async fn the_overview_shows_the_figures_of_usage() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    for text in ["hi", "thanks", "你好"] {
        app.http.chat(&question(text)).await;
    }
    app.store.flush().await;
    let page = app.http.get("/dashboard").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let html = page.text();
    assert!(html.contains("<div class=\"figure\" id=\"requests\">3</div>"), "{html}");
    assert!(html.contains("<rect class=\"cheap\""), "the chart has a bar");
    assert_eq!(app.http.get("/").await.status, 200);
}

#[tokio::test]
async fn the_overview_reads_well_when_there_is_nothing_yet_and_in_chinese() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    assert!(app.http.get("/dashboard").await.text().contains("Nothing yet."));
    let chinese = app.http.with("accept-language", "zh-CN,zh;q=0.9,en;q=0.5").get("/dashboard").await.text();
    assert!(chinese.contains("<html lang=\"zh\">") && chinese.contains("暂无数据"));
    assert!(app.http.get("/dashboard?lang=zh&range=7d").await.text().contains("每 6 小时"));
}

#[tokio::test]
async fn the_reason_of_a_decision_stands_in_the_pages_language() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("")).await;
    app.http.chat(&question("Prove that every finite integral domain is a field.")).await;
    app.store.flush().await;
    assert!(app.http.get("/dashboard?lang=en").await.text().contains("asks for a proof"));
    assert!(app.http.get("/dashboard?lang=zh").await.text().contains("要求证明"));
}

#[tokio::test]
async fn what_a_client_sends_is_text_on_the_page() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("").replace("model = \"small\"", "")).await;
    let mut body = question("hi");
    body["model"] = "<script>alert(1)</script>".into();
    app.http.chat(&body).await;
    app.store.flush().await;
    let html = app.http.get("/dashboard").await.text();
    assert!(!html.contains("<script>alert") && html.contains("alert(1)"));
}

#[tokio::test]
async fn the_pages_take_the_key_through_a_form_and_a_cookie() {
    let fleet = Fleet::start().await;
    let app = TestApp::start(&fleet.toml("[server]\napi_key = \"s3+cret\"")).await;
    let away = app.http.get("/dashboard").await;
    assert_eq!((away.status, away.header("location")), (303, "/sign-in"));
    assert!(app.http.get("/sign-in").await.text().contains("type=\"password\""));
    let form = "application/x-www-form-urlencoded";
    let wrong = app.http.post("/sign-in", form, "key=wrong").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("This is not the key.") && wrong.header("set-cookie").is_empty());
    let right = app.http.post("/sign-in", form, "key=s3%2Bcret").await;
    assert_eq!((right.status, right.header("location")), (303, "/dashboard"));
    let cookie = right.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("s3"), "{cookie}");
    let signed_in = app.http.with("cookie", cookie.split(';').next().unwrap());
    assert_eq!(signed_in.get("/dashboard").await.status, 200);
    assert_eq!(signed_in.get("/usage").await.status, 200);
    assert_eq!(signed_in.chat(&question("hi")).await.status, 401, "a cookie spends no money");
}
