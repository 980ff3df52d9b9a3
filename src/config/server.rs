//! `[server]`, `[log]` and `[headers]`: the outside of the router.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Secret;
use super::layers::Merged;
use super::problem::Problem;

/// `[server]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address to listen on. Unset: 0.0.0.0 if `api_key` is set, else 127.0.0.1, so that a router
    /// with paid keys is never open to the network by accident.
    #[schemars(extend("example" = "127.0.0.1"))]
    pub host: Option<String>,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Largest request body, in bytes.
    #[schemars(range(min = 1024))]
    pub body_limit: u64,
    /// Key that clients must send as `Authorization: Bearer KEY`. Unset: everybody who reaches the port.
    #[schemars(extend("example" = "${ROUTER_API_KEY}"))]
    pub api_key: Option<Secret>,
    /// File that holds the key, instead of `api_key`.
    #[schemars(extend("example" = "router.key"))]
    pub api_key_file: Option<String>,
    /// Name of the key, by which the history, rules and figures know its holder.
    pub api_key_name: String,
}

impl Server {
    /// The address to listen on.
    #[must_use]
    pub fn bind_host(&self) -> &str {
        match &self.host {
            Some(host) => host,
            None if self.api_key.is_some() => "0.0.0.0",
            None => "127.0.0.1",
        }
    }

    /// Whether only programs of this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.bind_host();
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    pub(super) fn validate(&self, merged: &Merged, problems: &mut Vec<Problem>) {
        if self.api_key_name.is_empty() {
            let hint = "give it a name, such as default";
            problems.push(merged.problem("server.api_key_name", "the name is empty".to_owned(), hint));
        }
        if let Some(host) = &self.host
            && host.parse::<IpAddr>().is_err()
            && (host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == ':'))
        {
            let hint = "write an address or a name without a port, like 127.0.0.1, 0.0.0.0 or ::";
            problems.push(merged.problem("server.host", format!("`{host}` is no address"), hint));
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let host = self.bind_host();
        if !self.is_loopback() && self.api_key.is_none() {
            vec![format!(
                "server.host is {host} and server.api_key is not set: everybody who reaches this machine can spend your keys"
            )]
        } else {
            Vec::new()
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,xrouter::gateway=debug`.
    pub level: String,
    /// Also write to a file a day in `dir`.
    pub to_file: bool,
    /// Folder of the log files.
    pub dir: String,
}

impl Log {
    pub(super) fn validate(&self, merged: &Merged, problems: &mut Vec<Problem>) {
        if let Err(error) = self.level.parse::<tracing_subscriber::filter::EnvFilter>() {
            let hint = "write off, error, warn, info, debug, trace, or a filter such as info,xrouter=debug";
            problems.push(merged.problem("log.level", format!("`{}` is no level ({error})", self.level), hint));
        }
    }
}

/// `[headers]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Answer header that carries what was decided (0, 1 or 2).
    pub decision: String,
    /// Answer header that carries the tier that answered (cheap, medium or frontier).
    pub upstream: String,
}

impl Headers {
    pub(super) fn validate(&self, merged: &Merged, problems: &mut Vec<Problem>) {
        for (key, name) in [("headers.decision", &self.decision), ("headers.upstream", &self.upstream)] {
            if poem::http::HeaderName::try_from(name.as_str()).is_err() {
                let hint = "a header name has letters, digits and `-` only";
                problems.push(merged.problem(key, format!("`{name}` is no header name"), hint));
            }
        }
    }
}
