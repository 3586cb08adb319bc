use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// How long the writes of one call may still wait, for all of them together: a batch gives up as soon as one write would.
///
/// Waiting takes from it; what the data store needs for its work does not.
pub(crate) struct Patience {
    /// Held for a few instructions, to read it or to take from it.
    left: Mutex<Duration>,
}

impl Patience {
    /// Begins with this much.
    pub(crate) fn new(left: Duration) -> Self {
        Self {
            left: Mutex::new(left),
        }
    }

    /// Waits as long as there is patience left; `None` when there is none any more. What is ready is taken all the same.
    pub(crate) async fn wait<T>(&self, awaited: impl Future<Output = T>) -> Option<T> {
        let started = Instant::now();
        let waited = tokio::time::timeout_at(self.deadline(), awaited).await;
        self.take(started.elapsed());
        waited.ok()
    }

    /// Returns until when a wait that begins now may take.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + *lock(&self.left)
    }

    /// Takes what was spent on waiting.
    pub(crate) fn take(&self, spent: Duration) {
        let mut left = lock(&self.left);
        *left = left.saturating_sub(spent);
    }
}
