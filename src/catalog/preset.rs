//! How much is sent to stronger models, in a word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is sent to stronger models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Stronger models only where the need is clear.
    Save,
    /// The tier that is most likely the right one.
    Balanced,
    /// Weaker models only where they surely suffice.
    Quality,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 3] = [Preset::Save, Preset::Balanced, Preset::Quality];

    /// Its name in the configuration and after `auto:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Preset::Save => "save",
            Preset::Balanced => "balanced",
            Preset::Quality => "quality",
        }
    }

    /// The one that a model's name carries: `auto:save`, `xrouter/auto:quality`.
    #[must_use]
    pub fn of_model(model: &str) -> Option<Self> {
        let word = model.strip_prefix("xrouter/").unwrap_or(model).strip_prefix("auto:")?;
        Preset::ALL.into_iter().find(|preset| preset.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_can_carry_a_preset() {
        assert_eq!(Preset::of_model("auto:save"), Some(Preset::Save));
        assert_eq!(Preset::of_model("xrouter/auto:quality"), Some(Preset::Quality));
        for model in ["auto", "auto:", "auto:Save", "gpt-5:save", "save"] {
            assert_eq!(Preset::of_model(model), None, "{model}");
        }
    }
}
