//! `GET /v1/models`.

use std::sync::Arc;

use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{ApiError, Shared, Tag};
use crate::catalog::Tier;

pub(super) struct ModelsApi(pub(super) Arc<Shared>);

/// A list of models, as in OpenAI's API.
#[derive(Object)]
struct ModelList {
    /// `list`
    object: String,
    /// The models.
    data: Vec<Model>,
}

/// Something that can stand in a request's `model`.
#[derive(Object)]
struct Model {
    /// Its name.
    id: String,
    /// `model`
    object: String,
    /// When it was made, or this router was started, in seconds since the epoch.
    created: i64,
    /// `xrouter`, or the provider.
    owned_by: String,
    /// The provider that serves it; `null` for the router's own names.
    provider: Option<String>,
    /// The tier whose upstream it is; `null` for `xrouter/auto`.
    tier: Option<String>,
    /// Tokens that fit into its context, if known.
    context_length: Option<u64>,
}

#[OpenApi]
impl ModelsApi {
    /// List models
    ///
    /// `xrouter/auto`, the three tiers, every model that is configured, and what the upstreams themselves list (asked
    /// when this is called, and remembered for ten minutes). Naming one of the latter two does not force it: the
    /// router decides. Also served without `/v1`.
    #[oai(path = "/v1/models", method = "get", operation_id = "listModels", tag = "Tag::Models")]
    async fn list(&self) -> Result<Json<ModelList>, ApiError> {
        let shared = &self.0;
        let own = |id: String, tier: Option<Tier>| Model {
            id,
            object: "model".to_owned(),
            created: shared.started_at,
            owned_by: "xrouter".to_owned(),
            provider: None,
            tier: tier.map(|tier| tier.as_str().to_owned()),
            context_length: None,
        };
        let mut data = vec![own("xrouter/auto".to_owned(), None)];
        data.extend(Tier::ALL.map(|tier| own(format!("xrouter/{tier}"), Some(tier))));
        let offers = shared.gateway.models().await.into_iter().filter(|offer| !offer.id.starts_with("xrouter/"));
        data.extend(offers.map(|offer| Model {
            id: offer.id,
            object: "model".to_owned(),
            created: offer.created.unwrap_or(shared.started_at),
            owned_by: offer.provider.as_str().to_owned(),
            provider: Some(offer.provider.as_str().to_owned()),
            tier: Some(offer.tier.as_str().to_owned()),
            context_length: offer.context_length,
        }));
        Ok(Json(ModelList { object: "list".to_owned(), data }))
    }
}
