//! OpenAI's error envelope.

use serde::{Deserialize, Serialize};

/// `{"error": {…}}`, the body of every error that this router answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEnvelope {
    /// The error itself.
    pub error: ErrorBody,
}

/// What went wrong, in OpenAI's fields and two of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A sentence for people: what, where and what to do.
    pub message: String,
    /// The kind of error, as in OpenAI's API (`invalid_request_error`, `api_error`, …).
    #[serde(rename = "type")]
    pub kind: String,
    /// A stable word for programs.
    pub code: Option<String>,
    /// The request's field that is at fault.
    pub param: Option<String>,
    /// The provider whose answer this is, if one answered.
    pub provider: Option<String>,
    /// The name of that upstream in the configuration.
    pub upstream: Option<String>,
}
