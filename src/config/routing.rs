//! `[routing]`

use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalog::Preset;

/// `[routing]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// `save`, `balanced` or `quality`, instead of `classifier.medium_at` and `classifier.frontier_at`. A request can carry
    /// one in its model's name: `auto:save`.
    #[schemars(extend("example" = "balanced"))]
    pub preset: Option<Preset>,
}
