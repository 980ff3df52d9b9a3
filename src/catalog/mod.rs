//! The nouns that every room shares: tiers, providers, endpoints, prices and model facts.
//!
//! Enters: names, URLs and the embedded price list. Leaves: small values to copy around.
//! Never performs I/O and knows nothing of requests. Read `tier.rs` first.

mod endpoint;
mod models;
mod price;
mod provider;
mod tier;

pub use endpoint::{Endpoint, EndpointError};
pub use models::{Abilities, Catalog, ModelFacts};
pub use price::{NanoUsd, Price, PriceError};
pub use provider::Provider;
pub use tier::{Tier, UnknownTier};
