//! What a simulated upstream does with a request.

/// One scripted reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A proper answer to what was asked.
    Answer,
    /// A proper answer with this text.
    Text(String),
    /// The prompt is blocked, as the dialect says so.
    Blocked,
    /// A proper answer that reports no usage.
    WithoutUsage,
    /// An error status with this body, and a `retry-after` header.
    Status {
        /// The status.
        status: u16,
        /// The body.
        body: String,
        /// The header's value.
        retry_after: Option<String>,
    },
    /// An error in the dialect's own shape.
    Refuse {
        /// The status.
        status: u16,
        /// The message.
        message: String,
    },
    /// Nothing, ever.
    Silence,
    /// These bytes, as they are, with status 200 and this type.
    Raw {
        /// The `content-type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// These bytes, which are gzip, with status 200 and this type.
    Gzip {
        /// The `content-type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// A stream that is closed after so many events; embeddings are closed after half of their bytes.
    CutAfter(usize),
    /// A stream that goes silent after so many events; embeddings go silent after half of their bytes.
    StallAfter(usize),
    /// A stream with an error event after so many events.
    ErrorAfter(usize),
}

impl Reply {
    /// An error in OpenAI's form.
    #[must_use]
    pub fn error(status: u16, message: &str) -> Self {
        let body = serde_json::json!({
            "error": { "message": message, "type": "simulated_error", "param": null, "code": "simulated" }
        });
        Reply::Status { status, body: body.to_string(), retry_after: None }
    }
}
