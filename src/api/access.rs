//! Who is there: the holder of a key, shown as a bearer token, or for pages by a cookie that only its holder can have got.

use std::sync::Arc;

use poem::Request;
use poem::http::{Method, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config;
use crate::protocol::Caller;

/// The name of the pages' cookie.
pub const COOKIE: &str = "xrouter_session";

/// The keys that let in. Comparisons take the same time whatever is sent.
#[derive(Debug, Clone)]
pub struct Access {
    /// Without one, everybody is let in.
    keys: Arc<[Key]>,
}

/// A key, and who holds it.
struct Key {
    /// SHA-256 of the key.
    digest: [u8; 32],
    /// What its holder's cookie says.
    cookie: String,
    caller: Caller,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Access {
    /// The keys of a configuration.
    #[must_use]
    pub fn new(config: &config::Server) -> Self {
        let keys = config.api_key.iter().map(|key| {
            let mut cookie = Sha256::new();
            cookie.update(b"xrouter pages\0");
            cookie.update(key.expose());
            Key {
                digest: Sha256::digest(key.expose()).into(),
                cookie: hex::encode(cookie.finalize()),
                caller: Caller::with_key(&config.api_key_name),
            }
        });
        Access { keys: keys.collect() }
    }

    /// Whether no key is asked for.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Who holds this key.
    #[must_use]
    pub fn holder(&self, key: &str) -> Option<Caller> {
        self.by_key(key).map(|known| known.caller.clone())
    }

    /// The cookie for somebody who shows a key.
    #[must_use]
    pub fn cookie(&self, key: &str) -> Option<&str> {
        self.by_key(key).map(|known| known.cookie.as_str())
    }

    /// Who makes a request: by its bearer key, or, if it only reads, by the pages' cookie. `None` is nobody who may.
    #[must_use]
    pub fn who(&self, request: &Request) -> Option<Caller> {
        if self.is_open() {
            return Some(Caller::anybody());
        }
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key =
            bearer.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if let Some((_, key)) = key {
            return self.holder(key.trim());
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let cookies = request.headers().get_all(header::COOKIE).iter().filter(|_| reads);
        let mut values = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE);
        let known = values.find_map(|(_, value)| self.find(|known| value.as_bytes().ct_eq(known.cookie.as_bytes())));
        known.map(|known| known.caller.clone())
    }

    fn by_key(&self, key: &str) -> Option<&Key> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.find(|known| digest.ct_eq(&known.digest))
    }

    /// The key for which this is so. All are looked at.
    fn find(&self, is_it: impl Fn(&Key) -> Choice) -> Option<&Key> {
        self.keys.iter().fold(None, |found, known| if bool::from(is_it(known)) { Some(known) } else { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn access(toml: &str) -> Access {
        let toml = format!("{toml}\n[classifier]\nkind = \"off\"\n[tiers.frontier]\nbase_url = \"http://127.0.0.1:1\"");
        Access::new(&load(&Sources::from_toml(toml)).unwrap().config.server)
    }

    #[test]
    fn only_the_key_or_its_cookie_lets_in_and_the_cookie_only_reads() {
        let access = access("[server]\napi_key = \"k\"\napi_key_name = \"mine\"");
        let cookie = format!("a=b; {COOKIE}={}", access.cookie("k").unwrap());
        let get = |name: &str, value: &str| Request::builder().header(name, value).finish();
        let mine = Some(Caller::with_key("mine"));
        assert_eq!(access.who(&get("authorization", "Bearer k")), mine);
        assert_eq!(access.who(&get("authorization", "bearer k")), mine);
        assert_eq!(access.who(&get("cookie", &cookie)), mine);
        for (name, value) in
            [("authorization", "Bearer x"), ("authorization", "k"), ("cookie", "xrouter_session="), ("x", "y")]
        {
            assert_eq!(access.who(&get(name, value)), None, "{name}: {value}");
        }
        let post = Request::builder().method(Method::POST).header("cookie", &cookie).finish();
        assert_eq!(access.who(&post), None);
        assert_eq!(access.cookie("x"), None);
    }

    #[test]
    fn where_no_key_is_set_anybody_is_let_in() {
        let access = access("");
        assert!(access.is_open());
        assert_eq!(access.who(&Request::builder().finish()), Some(Caller::anybody()));
    }
}
