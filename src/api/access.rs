//! Who may use the router: a bearer key, or for pages a cookie that only its holder can have got.

use poem::Request;
use poem::http::{Method, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// The name of the pages' cookie.
pub const COOKIE: &str = "xrouter_session";

/// The check of one key. Comparisons take the same time whatever is sent.
#[derive(Debug, Clone)]
pub struct Access {
    /// SHA-256 of the key, and the cookie's value; `None` lets everybody in.
    key: Option<([u8; 32], String)>,
}

impl Access {
    /// A check of this key, or of none.
    #[must_use]
    pub fn new(key: Option<&Secret>) -> Self {
        let key = key.map(|key| {
            let mut cookie = Sha256::new();
            cookie.update(b"xrouter pages\0");
            cookie.update(key.expose());
            (digest(key.expose()), hex(&cookie.finalize()))
        });
        Access { key }
    }

    /// Whether a key is asked for at all.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.key.is_none()
    }

    /// Whether this is the key.
    #[must_use]
    pub fn accepts(&self, key: &str) -> bool {
        self.key.as_ref().is_none_or(|(expected, _)| digest(key).ct_eq(expected).into())
    }

    /// The cookie's value for somebody who has shown the key.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.key.as_ref().map(|(_, cookie)| cookie.as_str())
    }

    /// Whether a request may pass: by its bearer key, or, if it only reads, by the pages' cookie.
    #[must_use]
    pub fn allows(&self, request: &Request) -> bool {
        let Some((_, cookie)) = &self.key else { return true };
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key =
            bearer.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if let Some((_, key)) = key {
            return self.accepts(key.trim());
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        reads
            && request
                .headers()
                .get_all(header::COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|line| line.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .any(|(name, value)| name == COOKIE && value.as_bytes().ct_eq(cookie.as_bytes()).into())
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_or_its_cookie_lets_in_and_the_cookie_only_reads() {
        let access = Access::new(Some(&Secret::new("k")));
        let cookie = format!("a=b; {COOKIE}={}", access.cookie().unwrap());
        let get = |name: &str, value: &str| Request::builder().header(name, value).finish();
        assert!(access.allows(&get("authorization", "Bearer k")));
        assert!(access.allows(&get("authorization", "bearer k")));
        assert!(access.allows(&get("cookie", &cookie)));
        for (name, value) in
            [("authorization", "Bearer x"), ("authorization", "k"), ("cookie", "xrouter_session="), ("x", "y")]
        {
            assert!(!access.allows(&get(name, value)), "{name}: {value}");
        }
        let post = Request::builder().method(Method::POST).header("cookie", &cookie).finish();
        assert!(!access.allows(&post));
        assert!(Access::new(None).allows(&get("x", "y")));
    }
}
