//! A request as its client wrote it, for every dialect that it may be written in.

use super::drops::EncodeError;
use crate::protocol::{ChatRequest, Conversation};

/// A client's request. It is read in full when the first dialect needs that, and once only, whatever upstreams are
/// tried.
#[derive(Debug)]
pub struct Original<'r, 'a> {
    request: &'r ChatRequest<'a>,
    conversation: Option<Conversation<'a>>,
}

impl<'r, 'a> Original<'r, 'a> {
    /// A request of which only what routing looks at was read.
    #[must_use]
    pub fn new(request: &'r ChatRequest<'a>) -> Self {
        Original { request, conversation: None }
    }

    /// The request as far as routing looks at it, with its bytes.
    pub(super) fn request(&self) -> &'r ChatRequest<'a> {
        self.request
    }

    /// The request, read in full.
    ///
    /// # Errors
    /// It is at fault.
    pub(super) fn conversation(&mut self) -> Result<&Conversation<'a>, EncodeError> {
        match &mut self.conversation {
            Some(conversation) => Ok(conversation),
            none => Ok(none.insert(Conversation::parse(self.request.body())?)),
        }
    }
}
