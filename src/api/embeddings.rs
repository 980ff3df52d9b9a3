//! `POST /v1/embeddings`.

use std::sync::Arc;

use poem::{IntoResponse, Request, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, OpenApi};

use super::body::JsonBody;
use super::schema::{EmbeddingList, EmbeddingRequest};
use super::{ApiError, Shared, Tag};

pub(super) struct EmbeddingsApi(pub(super) Arc<Shared>);

#[OpenApi]
impl EmbeddingsApi {
    /// Turn texts into vectors
    ///
    /// Vectors of two models do not mix: nothing is decided, and no other upstream is tried. The upstream of
    /// `[embeddings]` answers; without that table the first upstream that lists the model, weakest tier first. The body
    /// goes on byte for byte but for `model`, where the upstream has one of its own, and the answer comes back untouched.
    /// The history has a row of it, with `api` `embeddings`. Also served without `/v1`.
    #[oai(path = "/v1/embeddings", method = "post", operation_id = "createEmbedding", tag = "Tag::Embeddings")]
    async fn create(&self, request: &Request, body: JsonBody<EmbeddingRequest>) -> Result<Embeddings, ApiError> {
        let call = self.0.call(request, body.take()).await?;
        // Boxed, so that the layers around it do not each copy it.
        Ok(Embeddings(self.0.respond(Box::pin(self.0.gateway.embed(call)).await)))
    }
}

/// An answer, errors included, as they carry the same headers.
struct Embeddings(Response);

impl IntoResponse for Embeddings {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Embeddings {
    fn meta() -> MetaResponses {
        let schema = EmbeddingList::schema_ref();
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The upstream's answer",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: "application/json", schema }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        EmbeddingList::register(registry);
    }
}
