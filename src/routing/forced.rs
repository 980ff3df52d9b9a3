//! A client that names a tier gets it.

use crate::catalog::{Tier, UnknownTier};

/// The request header that names a tier.
pub const TIER_HEADER: &str = "x-xrouter-tier";

/// The tier that a client asks for: by header, or by the model `xrouter/cheap`, `cheap`, ….
///
/// The header wins. `auto` in it, and every other model name, let the router decide.
///
/// # Errors
/// The header holds another word.
pub fn forced(model: &str, header: Option<&str>) -> Result<Option<Tier>, UnknownTier> {
    if let Some(word) = header.map(str::trim).filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("auto")) {
        return word.parse().map(Some);
    }
    Ok(model.strip_prefix("xrouter/").unwrap_or(model).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_named_by_header_or_model() {
        let cases = [
            ("auto", None, Ok(None)),
            ("xrouter/auto", None, Ok(None)),
            ("gpt-5", None, Ok(None)),
            ("", None, Ok(None)),
            ("cheap", None, Ok(Some(Tier::Cheap))),
            ("xrouter/Medium", None, Ok(Some(Tier::Medium))),
            ("cheap", Some("frontier"), Ok(Some(Tier::Frontier))),
            ("cheap", Some("auto"), Ok(Some(Tier::Cheap))),
            ("auto", Some(" "), Ok(None)),
            ("auto", Some("strong"), Err(UnknownTier("strong".to_owned()))),
        ];
        for (model, header, expected) in cases {
            assert_eq!(forced(model, header), expected, "{model} {header:?}");
        }
    }
}
