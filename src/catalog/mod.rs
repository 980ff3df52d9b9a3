//! The nouns that every room shares: tiers, steps, sources, providers, endpoints, prices and model facts.
//!
//! Enters: names, URLs and the embedded price list. Leaves: small values to copy around.
//! Never performs I/O and knows nothing of requests. Read `tier.rs` first.

mod api;
mod by_tier;
mod endpoint;
mod models;
mod preset;
mod price;
mod provider;
mod source;
mod step;
mod tier;

pub use api::Api;
pub use by_tier::ByTier;
pub use endpoint::{Endpoint, EndpointError};
pub use models::{Capabilities, Catalog, ModelFacts};
pub use preset::Preset;
pub use price::{NanoUsd, Price, PriceError};
pub use provider::Provider;
pub use source::{Judge, Source};
pub use step::Step;
pub use tier::{Tier, UnknownTier};
