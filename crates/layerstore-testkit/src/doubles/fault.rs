use layerstore_data_store::{ErrorKind, StoreError};

use super::call::Call;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) effect: Effect,
    /// Whether the error owns up to not knowing what happened.
    pub(super) is_unknown: bool,
}

/// What becomes of the call behind the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It never reaches the store below.
    None,
    /// It is made in full; only the answer is lost.
    Made,
    /// It is made when the test says so, long after its caller gave up.
    MadeLater,
}

impl Fault {
    /// Fails before anything happened; the outcome is known.
    #[must_use]
    pub fn before(kind: ErrorKind) -> Self {
        Self {
            kind,
            effect: Effect::None,
            is_unknown: false,
        }
    }

    /// Does all that was asked for, then loses the answer: the outcome is unknown.
    #[must_use]
    pub fn after(kind: ErrorKind) -> Self {
        Self {
            kind,
            effect: Effect::Made,
            is_unknown: true,
        }
    }

    /// Does nothing, but cannot know that: the outcome is unknown.
    #[must_use]
    pub fn lost(kind: ErrorKind) -> Self {
        Self {
            kind,
            effect: Effect::None,
            is_unknown: true,
        }
    }

    /// Does nothing yet: writes land when [`land`](super::FailingDataStore::land) is called, as those of a request that
    /// timed out and was still on its way. The outcome is unknown. Of calls other than `apply` and `restate`, nothing lands.
    #[must_use]
    pub fn late(kind: ErrorKind) -> Self {
        Self {
            kind,
            effect: Effect::MadeLater,
            is_unknown: true,
        }
    }

    pub(super) fn error(self, store: &'static str, call: Call) -> StoreError {
        let error = StoreError::new(self.kind, store, call.name(), "a fault that the test asked for");
        if self.is_unknown {
            error.with_unknown_outcome()
        } else {
            error
        }
    }
}
