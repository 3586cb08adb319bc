use std::time::Duration;

use layerstore_data_store::BreakerState;

use crate::log::LogStats;
use crate::store::WriteBehindDataStore;

/// How a write-behind store stands.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct WriteBehindStatus {
    /// Acknowledged writes that are not in the final store, dead letters included.
    pub pending: usize,
    /// What they take in memory, in bytes.
    pub pending_bytes: u64,
    /// Of these, on their way now.
    pub in_flight: usize,
    /// Of these, waiting to be tried again or for their turn after another write of their key.
    pub retrying: usize,
    /// Of these, with their values in the log alone.
    pub spilled: usize,
    /// Of these, refused by the store behind for good.
    pub dead_letters: usize,
    /// How long the oldest of them has been pending that is neither a dead letter nor fenced.
    pub oldest_pending: Option<Duration>,
    /// Where the breaker before the store behind stands.
    pub breaker: BreakerState,
    /// How the log stands, where there is one.
    pub log: Option<LogStats>,
}

impl WriteBehindDataStore {
    /// Returns how it stands now.
    #[must_use]
    pub fn status(&self) -> WriteBehindStatus {
        let shared = &self.shared;
        let (counts, oldest_pending) = {
            let queue = shared.queue();
            (queue.counts(), queue.oldest_age(shared.now()))
        };
        WriteBehindStatus {
            pending: counts.records,
            pending_bytes: counts.bytes,
            in_flight: counts.in_flight,
            retrying: counts.retrying,
            spilled: counts.spilled,
            dead_letters: counts.dead,
            oldest_pending,
            breaker: shared.sending().state(),
            log: shared.log.as_ref().map(crate::log::DurableLog::stats),
        }
    }
}
