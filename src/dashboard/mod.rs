//! The pages: askama templates over the figures of the store.
//!
//! Enters: a browser's request. Leaves: HTML that reads well without scripts, in both colour schemes,
//! in English and Chinese. Computes nothing that the store does not know. Read `overview.rs` first.

mod chart;
mod overview;
mod sign_in;
mod words;

use poem::{EndpointExt, IntoResponse, Response, Route, get};

use crate::api::Access;
use crate::store::Store;

/// Adds the pages to some routes.
#[must_use]
pub fn mount(routes: Route, store: Store, access: Access) -> Route {
    routes
        .at("/dashboard", get(overview::page).data(store))
        .at("/sign-in", get(sign_in::form).post(sign_in::submit).data(access))
}

/// A rendered page, or a plain 500 if it cannot be rendered. Nothing is loaded from elsewhere.
fn html(page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(text) => Response::builder()
            .content_type("text/html; charset=utf-8")
            .header("cache-control", "no-store")
            .header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
            .header("referrer-policy", "no-referrer")
            .body(text),
        Err(error) => {
            tracing::error!(error = %error, "a page could not be rendered");
            crate::api::ApiError::internal().into_response()
        }
    }
}
