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
    /// When this router started, in seconds since the epoch.
    created: i64,
    /// `xrouter`, or the provider.
    owned_by: String,
    /// The tier that it is configured for; `null` for `xrouter/auto`.
    tier: Option<String>,
    /// Tokens that fit into its context, if known.
    context_length: Option<u64>,
}

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro takes async functions only")]
impl ModelsApi {
    /// List models
    ///
    /// `xrouter/auto`, the three tiers, and every model of the configured upstreams. Naming one of the
    /// latter does not force it: the router decides. Also served without `/v1`.
    #[oai(path = "/v1/models", method = "get", operation_id = "listModels", tag = "Tag::Models")]
    async fn list(&self) -> Result<Json<ModelList>, ApiError> {
        let shared = &self.0;
        let model = |id: String, owned_by: &str, tier: Option<Tier>, context_length| Model {
            id,
            object: "model".to_owned(),
            created: shared.started_at,
            owned_by: owned_by.to_owned(),
            tier: tier.map(|tier| tier.as_str().to_owned()),
            context_length,
        };
        let mut data = vec![model("xrouter/auto".to_owned(), "xrouter", None, None)];
        data.extend(Tier::ALL.map(|tier| model(format!("xrouter/{tier}"), "xrouter", Some(tier), None)));
        for target in shared.gateway.tiers.iter().flatten() {
            let upstream = &target.upstream;
            let Some(name) = &upstream.model else { continue };
            if !data.iter().any(|known| known.id == *name) {
                let facts = shared.gateway.catalog.find(upstream.provider, name);
                let context = facts.and_then(|facts| facts.context_window);
                data.push(model(name.clone(), upstream.provider.as_str(), Some(upstream.tier), context));
            }
        }
        Ok(Json(ModelList { object: "list".to_owned(), data }))
    }
}
