//! What the store and its worker share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore_data_store::{ErrorKind, Limits, MapClaim, MapDataStore, StoreError};
use layerstore_record::{Clock, MapName, Version};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::STORE;
use crate::failpoints::{Failed, Failpoint, Failpoints};
use crate::log::DurableLog;
use crate::options::WriteBehindOptions;
use crate::queue::Queue;
use crate::sending::Sending;

pub(crate) struct Shared {
    pub(crate) inner: Arc<dyn MapDataStore>,
    pub(crate) options: WriteBehindOptions,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Option<DurableLog>,
    /// What is pending. Held for moments, never across an await; nothing panics while it is held.
    pub(crate) queue: Mutex<Queue>,
    /// How the store behind does.
    pub(crate) sending: Mutex<Sending>,
    /// Told when there may be work for the worker.
    pub(crate) work: Notify,
    /// Told when something left the queue, or somebody left a key.
    pub(crate) moved: Notify,
    pub(crate) closed: AtomicBool,
    pub(crate) calls: AtomicU64,
    /// Claims of the store behind, one at a time: of two that cross, the store could take the earlier for ours.
    pub(crate) claims: tokio::sync::Mutex<()>,
    pub(crate) opened: Instant,
    /// Whether a dead letter was tried again, which the log gives as one again until it is told.
    pub(crate) retried: AtomicBool,
    pub(crate) failpoints: Failpoints,
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long ago the store was opened: the time of the queue, which no change of the wall clock moves.
    pub(crate) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(self.error(ErrorKind::Closed, operation, "open a new one"));
        }
        Ok(())
    }

    pub(crate) fn error(
        &self,
        kind: ErrorKind,
        operation: &'static str,
        what: impl Into<String>,
    ) -> StoreError {
        StoreError::new(kind, STORE, operation, what)
    }

    /// Passes a step; where it is told to fail, as if the store behind could not be reached.
    pub(crate) async fn reach(&self, at: Failpoint, operation: &'static str) -> Result<(), StoreError> {
        let passed = self.failpoints.reach(at).await;
        passed.map_err(|failed| self.failed(&failed, operation))
    }

    pub(crate) fn failed(&self, failed: &Failed, operation: &'static str) -> StoreError {
        self.error(ErrorKind::Unavailable, operation, failed.text())
    }

    /// Waits until something holds of the queue; tells whether it came to hold before the deadline.
    pub(crate) async fn wait_until(
        &self,
        deadline: Instant,
        mut holds: impl FnMut(&mut Queue) -> bool,
    ) -> bool {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // From here on no notification is missed.
            moved.as_mut().enable();
            if holds(&mut self.queue()) {
                return true;
            }
            if timeout_at(deadline, moved).await.is_err() {
                return holds(&mut self.queue());
            }
        }
    }

    /// Makes everything due that is pending now. Returns the order that a flush has to wait for.
    pub(crate) fn hurry(&self) -> u64 {
        let order = self.queue().hurry();
        self.work.notify_one();
        order
    }

    /// Lets go of entries of the log that are needed no more.
    pub(crate) fn done(&self, sequences: Vec<u64>) {
        if let Some(log) = self.log.as_ref().filter(|_| !sequences.is_empty()) {
            log.done(sequences.into_iter().map(crate::log::Sequence));
        }
    }

    /// Makes what is done stay done over a restart, too: of what nobody wants any more.
    pub(crate) fn forget_done_soon(&self) {
        if let Some(log) = &self.log {
            log.forget_done_soon();
        }
    }

    /// Claims a map of the store behind.
    pub(crate) async fn claim(&self, map: &MapName, by_caller: bool) -> Result<MapClaim, StoreError> {
        let _one = self.claims.lock().await;
        self.reach(Failpoint::Claim, "claim").await?;
        let claim = self.inner.claim(map).await?;
        self.reach(Failpoint::Claimed, "claim").await?;
        let claim = {
            let mut queue = self.queue();
            let place = queue.place(map);
            queue.claimed(place, claim, by_caller)
        };
        self.work.notify_one();
        Ok(claim)
    }

    pub(crate) async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.check_open("clear")?;
        self.check_claimed(map, "clear")?;
        // The store first: a crash in between leaves writes pending that it then finds stale.
        self.inner.clear(map, up_to).await?;
        self.reach(Failpoint::Cleared, "clear").await?;
        let done = {
            let mut queue = self.queue();
            let place = queue.place(map);
            queue.clear(place, up_to)
        };
        self.done(done);
        self.moved.notify_waiters();
        Ok(())
    }

    pub(crate) async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.check_open("purge")?;
        self.check_claimed(map, "purge")?;
        // Tombstones and ended records are dropped where they are, so that they are brought there first.
        let order = self.hurry();
        let end = Instant::now() + self.options.flush_timeout;
        self.wait_until(end, |queue| queue.is_past(order)).await;
        // A pending write at or below the purged floor could not be judged any more: what cannot be brought to the store keeps the floor below it.
        let horizon = {
            let mut queue = self.queue();
            let oldest = queue.oldest_version(map).map(just_below);
            let horizon = oldest.map_or(horizon, |oldest| oldest.min(horizon));
            let place = queue.place(map);
            queue.knows(place, horizon);
            horizon
        };
        // An entry that the store has already and the log gives again could not be judged by the store any more.
        if let Some(log) = &self.log {
            let forgotten = log.forget_done().await;
            forgotten.map_err(|error| error.into_store_error(STORE, "purge").in_map(map))?;
        }
        self.reach(Failpoint::Purge, "purge").await?;
        self.inner.purge(map, horizon).await
    }

    pub(crate) async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.check_open("list_maps")?;
        // Before the store is asked: what arrives there meanwhile is in one of the two.
        let mut maps = self.queue().maps_in_use();
        maps.extend(self.inner.list_maps().await?);
        maps.sort();
        maps.dedup();
        Ok(maps)
    }

    pub(crate) fn forget(&self) -> usize {
        let (count, sequences) = self.queue().forget();
        self.done(sequences);
        self.moved.notify_waiters();
        count
    }

    fn check_claimed(&self, map: &MapName, operation: &'static str) -> Result<(), StoreError> {
        let mut queue = self.queue();
        let place = queue.place(map);
        match queue.refusal(place) {
            None => Ok(()),
            Some(refusal) => Err(crate::accept::refused(refusal, operation).in_map(map)),
        }
    }
}

/// Returns the highest version below another.
fn just_below(version: Version) -> Version {
    let number = u128::from_be_bytes(version.to_bytes());
    Version::from_bytes(number.saturating_sub(1).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Millis, NodeId, Timestamp};

    use super::*;

    #[test]
    fn nothing_lies_between_a_version_and_the_one_just_below() {
        for (millis, counter, node) in [(5, 0, 0), (5, 1, 0), (5, 0, 7), (0, 0, 1)] {
            let version = Version::new(Timestamp::new(Millis(millis), counter, NodeId(node)));
            let below = just_below(version);
            assert!(below < version);
            let number = |version: Version| u128::from_be_bytes(version.to_bytes());
            assert_eq!(number(below) + 1, number(version));
        }
        assert_eq!(just_below(Version::ZERO), Version::ZERO);
    }
}
