//! The form that turns the router's key into a cookie for the pages.

use askama::Template;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::web::cookie::{Cookie, SameSite};
use poem::{Request, Response, handler};

use super::html;
use super::words::{Words, words};
use crate::api::{Access, COOKIE, read_body};

/// Longest form that is read, in bytes.
const LARGEST_FORM: usize = 16 * 1024;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    words: &'static Words,
    wrong: bool,
}

#[handler]
pub(super) fn form(request: &Request) -> Response {
    html(&SignIn { words: words(request), wrong: false })
}

#[handler]
pub(super) async fn submit(request: &Request, body: poem::Body, access: Data<&Access>) -> Response {
    let sent = read_body(body, LARGEST_FORM, None).await.unwrap_or_default();
    let key = key_of(&sent).unwrap_or_default();
    if let Some(value) = access.cookie(&key) {
        let mut cookie = Cookie::new_with_str(COOKIE, value);
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Strict);
        cookie.set_path("/");
        return Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header(header::LOCATION, "/dashboard")
            .header(header::SET_COOKIE, cookie.to_string())
            .finish();
    }
    let mut page = html(&SignIn { words: words(request), wrong: !access.is_open() });
    if access.is_open() {
        return Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, "/dashboard").finish();
    }
    page.set_status(StatusCode::UNAUTHORIZED);
    page
}

/// The `key` of an urlencoded form.
fn key_of(sent: &[u8]) -> Option<String> {
    let url = reqwest::Url::parse(&format!("form:?{}", std::str::from_utf8(sent).ok()?)).ok()?;
    url.query_pairs().find(|(name, _)| name == "key").map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_the_form() {
        assert_eq!(key_of(b"key=a%2Bb+c&x=1").as_deref(), Some("a+b c"));
        assert_eq!(key_of(b""), None);
        assert_eq!(key_of(b"\xff"), None);
    }
}
