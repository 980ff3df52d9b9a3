//! Fetches pictures for the dialects that cannot be given an address. Never from this network.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Url, redirect};

use super::dialect::Fetched;
use super::{ClientError, ProviderError};
use crate::protocol::Conversation;
use crate::protocol::conversation::{Image, PartKind, Turn};

/// Largest picture, in bytes.
const LARGEST: usize = 20 * 1024 * 1024;
/// Most pictures of one request.
const MOST: usize = 20;
/// Time for one picture, from the connection to its last byte.
const LIMIT: Duration = Duration::from_secs(10);

/// A picture that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Its address is not one that is fetched.
    #[error("{0} is not fetched: use an https address of a public host, or a data URL")]
    Refused(String),
    /// It is too large, or there are too many.
    #[error("{0}")]
    TooMuch(String),
    /// It is no picture that providers take.
    #[error("its type is `{0}`, and none of image/png, image/jpeg, image/gif, image/webp")]
    Kind(String),
    /// It did not come.
    #[error("it could not be fetched: {0}")]
    Failed(String),
}

/// A picture that must be fetched before a request can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The field that names it.
    pub param: String,
    /// Its address.
    pub url: &'a str,
}

/// Fetches pictures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pictures(reqwest::Client);

impl Pictures {
    /// Prepares a client that connects to public addresses only.
    ///
    /// # Errors
    /// TLS cannot be set up.
    #[expect(clippy::disallowed_methods, reason = "this one keeps out of private networks, the other must not")]
    pub fn new() -> Result<Self, ClientError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .https_only(true)
            .no_proxy()
            .redirect(redirect::Policy::custom(|attempt| {
                if attempt.previous().len() > 3 || refuse(attempt.url()).is_some() {
                    attempt.stop()
                } else {
                    attempt.follow()
                }
            }))
            .dns_resolver(Arc::new(PublicOnly))
            .timeout(LIMIT)
            .connect_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Pictures(client))
    }

    /// Fetches the pictures that a dialect cannot take by their address.
    ///
    /// # Errors
    /// One cannot be had.
    pub async fn fetch(&self, wanted: Vec<Wanted<'_>>) -> Result<Fetched, ProviderError> {
        let mut fetched = Fetched::new();
        for Wanted { param, url } in wanted {
            if fetched.contains_key(url) {
                continue;
            }
            if fetched.len() == MOST {
                let reason = format!("more than {MOST} pictures are not fetched for one request");
                return Err(ProviderError::Picture { param, source: PictureError::TooMuch(reason) });
            }
            let picture = self.one(url).await.map_err(|source| ProviderError::Picture { param, source })?;
            fetched.insert(url.to_owned(), picture);
        }
        Ok(fetched)
    }

    async fn one(&self, url: &str) -> Result<(String, String), PictureError> {
        let url =
            Url::parse(url).map_err(|error| PictureError::Refused(format!("an address that is none ({error})")))?;
        if let Some(reason) = refuse(&url) {
            return Err(PictureError::Refused(reason.to_owned()));
        }
        let failed = |error: reqwest::Error| PictureError::Failed(error.without_url().to_string());
        let mut response = self.0.get(url).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(PictureError::Failed(format!("the host answered {}", response.status().as_u16())));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(PictureError::TooMuch(format!("it is larger than {LARGEST} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let told = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind(&bytes).ok_or_else(|| PictureError::Kind(told.to_owned()))?;
        Ok((kind.to_owned(), base64::engine::general_purpose::STANDARD.encode(bytes)))
    }
}

/// The pictures of a conversation of which `takes_address` says that they cannot be given by their address.
pub(super) fn wanted<'c>(conversation: &'c Conversation<'_>, takes_address: fn(&str) -> bool) -> Vec<Wanted<'c>> {
    let parts = conversation.turns.iter().flat_map(|turn| match turn {
        Turn::User { parts }
        | Turn::Result { parts, .. }
        | Turn::Assistant { parts, .. }
        | Turn::Instruction { parts } => parts,
    });
    let wanted = parts.filter_map(|part| match &part.kind {
        PartKind::Image(Image::Url(url)) if !takes_address(url) => {
            Some(Wanted { param: format!("{}.image_url.url", part.path), url: url.as_ref() })
        }
        _ => None,
    });
    wanted.collect()
}

/// Why an address is not fetched, if it is not.
fn refuse(url: &Url) -> Option<&'static str> {
    if url.scheme() != "https" {
        return Some("an address without TLS");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("an address with a user or a password");
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Some("a private address"),
        Err(_) if !host.trim_end_matches('.').contains('.') => Some("a host of this network"),
        Ok(_) | Err(_) => None,
    }
}

/// What a picture's first bytes say that it is.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return None,
    })
}

/// Resolves names to public addresses; a name that has only others is not found.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 443)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the host has no public address".into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the open internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, third, _] = ip.octets();
            !(ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_multicast()
                || first == 0
                || first >= 240
                // Shared address space of carriers, benchmarks, protocol assignments.
                || (first == 100 && (64..128).contains(&second))
                || (first == 198 && (18..20).contains(&second))
                || (first == 192 && second == 0 && third == 0))
        }
        IpAddr::V6(ip) => {
            if let Some(ip) = ip.to_ipv4_mapped() {
                return is_public(IpAddr::V4(ip));
            }
            let [first, second, ..] = ip.segments();
            // Addresses that lead to IPv4 ones are judged by those.
            if first == 0x2002 || (first == 0x64 && second == 0xff9b) {
                return false;
            }
            // Global unicast, without what is set aside for documentation.
            (first & 0xE000) == 0x2000 && !(first == 0x2001 && second == 0xdb8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_fetched_from() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.1.1",
            "192.168.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "1.1.1.1", "2606:4700::1111"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for url in [
            "http://example.com/x.png",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://gpu-box/x",
            "https://u:p@example.com/x",
        ] {
            assert!(refuse(&Url::parse(url).unwrap()).is_some(), "{url}");
        }
        assert!(refuse(&Url::parse("https://example.com/x.png").unwrap()).is_none());
    }

    #[tokio::test]
    async fn a_name_that_leads_here_is_not_connected_to() {
        let pictures = Pictures::new().unwrap();
        for url in ["https://localhost/x.png", "https://127.0.0.1:1/x.png", "https://localhost.localdomain/x.png"] {
            assert!(pictures.one(url).await.is_err(), "{url}");
        }
    }

    #[test]
    fn a_picture_is_what_its_bytes_say() {
        assert_eq!(kind(&[0x89, b'P', b'N', b'G', 13]), Some("image/png"));
        assert_eq!(kind(b"GIF89a"), Some("image/gif"));
        assert_eq!(kind(b"<html>"), None);
    }
}
