//! How often a call is tried, and what is known of its outcome in the end.

use layerstore_data_store::StoreError;

use crate::connections::Reached;
use crate::convert::Failure;

/// The tries of one call.
///
/// Writes are idempotent by their versions: one whose outcome is unknown is made again, and the answer to the repeated
/// write, which reads the stored version, tells what holds. So an outcome stays unknown only where no later try was answered.
pub(crate) struct Attempts {
    operation: &'static str,
    left: u32,
    is_unknown: bool,
}

impl Attempts {
    pub(crate) fn new(operation: &'static str, attempts: u32) -> Self {
        Self {
            operation,
            left: attempts,
            is_unknown: false,
        }
    }

    /// The tries of what goes on where these have ended: as many as at first, and what is unknown stays so.
    pub(crate) fn anew(self, attempts: u32) -> Self {
        Self {
            left: attempts,
            ..self
        }
    }

    /// Notes that some part was made, and nobody knows which.
    pub(crate) fn made_some(&mut self) {
        self.is_unknown = true;
    }

    /// Counts a failed try: `Ok` when there is to be another.
    pub(crate) fn failed(&mut self, failure: Failure, reached: &Reached) -> Result<(), StoreError> {
        let is_unknown = reached.is_unknown(&failure);
        self.is_unknown |= is_unknown;
        self.left = self.left.saturating_sub(1);
        // A read that was late is not worth another wait; a write that was late may have happened.
        let again = self.left > 0 && (failure.is_passing() || is_unknown);
        let error = self.known(failure.into_error(self.operation));
        if again {
            tracing::debug!(%error, left = self.left, "tried again");
            return Ok(());
        }
        Err(error)
    }

    /// Adds to an error what is known of the outcome.
    pub(crate) fn known(&self, error: StoreError) -> StoreError {
        if self.is_unknown {
            error.with_unknown_outcome()
        } else {
            error
        }
    }
}
