//! A client that names a tier gets it.

use super::Named;
use crate::catalog::{Preset, UnknownTier};

/// The request header that names a tier.
pub const TIER_HEADER: &str = "x-xrouter-tier";

/// Longest name that an error repeats, in characters.
const LONGEST_NAME: usize = 64;

/// A request names something that there is not.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnknownName {
    /// A tier, in its header.
    #[error("X-Xrouter-Tier: {0}")]
    Tier(#[from] UnknownTier),
    /// A preset, in its model's name.
    #[error("model: `{0}` is not a preset; send auto:save, auto:balanced, auto:quality, or auto alone")]
    Preset(String),
}

/// The tier that a client asks for: by header, or by the model `xrouter/cheap`, `cheap`, ….
///
/// The header wins. `auto` in it, and every other model name, let the router decide.
///
/// # Errors
/// The header holds another word, or the model is `auto:` and no preset.
pub fn named(model: &str, header: Option<&str>) -> Result<Option<Named>, UnknownName> {
    let own = model.strip_prefix("xrouter/").unwrap_or(model);
    if let Some(word) = own.strip_prefix("auto:").filter(|_| Preset::of_model(model).is_none()) {
        return Err(UnknownName::Preset(word.chars().take(LONGEST_NAME).collect()));
    }
    if let Some(word) = header.map(str::trim).filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("auto")) {
        return Ok(Some(Named::ByHeader(word.parse()?)));
    }
    Ok(own.parse().ok().map(Named::ByModel))
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
            ("auto", Some("strong"), Err(UnknownTier("strong".to_owned()).into())),
            ("auto:save", None, Ok(None)),
            ("xrouter/auto:best", None, Err(UnknownName::Preset("best".to_owned()))),
        ];
        for (model, header, expected) in cases {
            assert_eq!(named(model, header), expected, "{model} {header:?}");
        }
    }
}
