//! A client that names a tier gets it.

use super::Named;
use crate::catalog::UnknownTier;

/// The request header that names a tier.
pub const TIER_HEADER: &str = "x-xrouter-tier";

/// The tier that a client asks for: by header, or by the model `xrouter/cheap`, `cheap`, ….
///
/// The header wins. `auto` in it, and every other model name, let the router decide.
///
/// # Errors
/// The header holds another word.
pub fn named(model: &str, header: Option<&str>) -> Result<Option<Named>, UnknownTier> {
    if let Some(word) = header.map(str::trim).filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("auto")) {
        return word.parse().map(|tier| Some(Named::ByHeader(tier)));
    }
    Ok(model.strip_prefix("xrouter/").unwrap_or(model).parse().ok().map(Named::ByModel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Tier;

    #[test]
    fn a_tier_is_named_by_header_or_model() {
        let cases = [
            ("auto", None, Ok(None)),
            ("xrouter/auto", None, Ok(None)),
            ("gpt-5", None, Ok(None)),
            ("", None, Ok(None)),
            ("cheap", None, Ok(Some(Named::ByModel(Tier::Cheap)))),
            ("xrouter/Medium", None, Ok(Some(Named::ByModel(Tier::Medium)))),
            ("cheap", Some("frontier"), Ok(Some(Named::ByHeader(Tier::Frontier)))),
            ("cheap", Some("auto"), Ok(Some(Named::ByModel(Tier::Cheap)))),
            ("auto", Some(" "), Ok(None)),
            ("auto", Some("strong"), Err(UnknownTier("strong".to_owned()))),
        ];
        for (model, header, expected) in cases {
            assert_eq!(named(model, header), expected, "{model} {header:?}");
        }
    }
}
