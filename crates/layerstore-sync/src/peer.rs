use std::sync::Arc;

use async_trait::async_trait;

use crate::error::SyncError;
use crate::message::{Request, Response};
use crate::replica::Replica;

/// The other replica, however it is reached.
///
/// A transport carries a request to [`Replica::answer`] of the other side, and the response back;
/// [`encode_request`](crate::encode_request) and its like make bytes of both. Calls may be lost, repeated, or carried out though
/// their answer is lost: every request can be repeated.
#[async_trait]
pub trait Peer: Send + Sync {
    /// Asks, and waits for the answer. Whoever calls gives it a deadline, and may drop the call at any time.
    ///
    /// # Errors
    /// [`Unreachable`](crate::SyncErrorKind::Unreachable) or [`Malformed`](crate::SyncErrorKind::Malformed), or what the other
    /// side's [`Replica::answer`] failed with where that is known.
    async fn call(&self, request: Request) -> Result<Response, SyncError>;
}

/// A replica in this process.
#[derive(Clone)]
pub struct LocalPeer {
    replica: Arc<Replica>,
}

impl LocalPeer {
    /// Reaches this replica.
    #[must_use]
    pub fn new(replica: Arc<Replica>) -> Self {
        Self { replica }
    }
}

#[async_trait]
impl Peer for LocalPeer {
    async fn call(&self, request: Request) -> Result<Response, SyncError> {
        self.replica.answer(request).await
    }
}
