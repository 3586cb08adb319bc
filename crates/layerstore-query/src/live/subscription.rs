use std::sync::Arc;

use layerstore_record::{Key, Record};
use thiserror::Error;

use super::LiveQuery;
use super::event_log::Read;
use crate::error::QueryError;
use crate::index::lock;

/// Follows a [`LiveQuery`]: the result at first, then how it changes. Keeps the live query alive.
pub struct LiveSubscription {
    live: Arc<LiveQuery>,
    first: Vec<(Key, Arc<Record>)>,
    /// The number of the first event that was not read.
    next: u64,
}

/// What a subscriber reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveItem {
    /// The result changed.
    Event(LiveEvent),
    /// The events of these numbers are gone: [refresh](LiveSubscription::refresh) the result.
    Lagged {
        /// The first number that was missed.
        from: u64,
        /// The last number that was missed.
        to: u64,
    },
}

/// A numbered change of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveEvent {
    /// Its number: one more than that of the event before it.
    pub number: u64,
    /// The key.
    pub key: Key,
    /// What became of it.
    pub change: LiveChange,
}

/// What became of a record in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveChange {
    /// It is in the result now.
    Entered(Arc<Record>),
    /// It was and is in the result, perhaps at another place, and holds this now.
    Changed(Arc<Record>),
    /// It is in the result no more.
    Left,
}

/// The live query has ended and everything was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the live query has ended")]
pub struct LiveEnded;

/// The number was never given out: it is of another live query, or of this one before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("event {asked} lies ahead of the live query, whose next is {next}: subscribe anew")]
pub struct ResumeError {
    /// The number asked for.
    pub asked: u64,
    /// The number that the next event will get.
    pub next: u64,
}

impl LiveSubscription {
    pub(super) fn new(live: Arc<LiveQuery>, first: Vec<(Key, Arc<Record>)>, next: u64) -> Self {
        Self { live, first, next }
    }

    /// Returns the result as it was when it was last taken, in order; what follows changes it.
    #[must_use]
    pub fn result(&self) -> &[(Key, Arc<Record>)] {
        &self.first
    }

    /// Takes the result anew; events go on from there.
    ///
    /// # Errors
    /// [`QueryError::Doubtful`] where it has to be built anew first.
    pub fn refresh(&mut self) -> Result<&[(Key, Arc<Record>)], QueryError> {
        (self.first, self.next) = self.live.result()?;
        Ok(&self.first)
    }

    /// Returns the number to [resume](LiveQuery::resume) at.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Reads the next item, `None` when there is none yet.
    ///
    /// # Errors
    /// [`LiveEnded`] when there is none and none will come.
    pub fn try_next(&mut self) -> Result<Option<LiveItem>, LiveEnded> {
        let mut state = lock(&self.live.state);
        self.live.end_due(&mut state);
        match state.events.read(self.next) {
            Read::Event(event) => {
                self.next += 1;
                Ok(Some(LiveItem::Event(event)))
            }
            Read::Gone { until } => {
                let from = std::mem::replace(&mut self.next, until);
                Ok(Some(LiveItem::Lagged { from, to: until - 1 }))
            }
            Read::Nothing if state.ended => Err(LiveEnded),
            Read::Nothing => Ok(None),
        }
    }

    /// Waits for the next item, what ends by itself included; `None` when the live query has ended and everything was read. Needs a
    /// Tokio runtime with its time driver. Giving up waiting loses nothing.
    pub async fn next(&mut self) -> Option<LiveItem> {
        let mut changed = self.live.changed.subscribe();
        loop {
            changed.mark_unchanged();
            match self.try_next() {
                Ok(Some(item)) => return Some(item),
                Err(LiveEnded) => return None,
                Ok(None) => {}
            }
            match self.live.next_end() {
                Some(left) => drop(tokio::time::timeout(left, changed.changed()).await),
                None => drop(changed.changed().await),
            }
        }
    }
}

impl std::fmt::Debug for LiveSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSubscription")
            .field("position", &self.next)
            .finish_non_exhaustive()
    }
}
