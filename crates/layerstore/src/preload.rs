//! Memory that is warm before it is asked: a preload that says how far it is.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::error::Error;
use crate::map::Map;
use crate::records::Records;

impl Records {
    /// Does what [`preload`](Self::preload) does, and tells about every `every`, and at the end, how many records are in memory.
    ///
    /// Records are read a page at a time; reads and writes go on meanwhile, and find what is in memory already. Dropped, it leaves in memory
    /// what it has read.
    ///
    /// # Errors
    /// As [`preload`](Self::preload).
    pub async fn preload_watched(
        &self,
        limit: usize,
        every: Duration,
        mut progress: impl FnMut(usize) + Send,
    ) -> Result<usize, Error> {
        let every = every.max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut preload = std::pin::pin!(self.preload(limit));
        loop {
            tokio::select! {
                loaded = &mut preload => {
                    progress(self.resident_len());
                    return loaded;
                }
                _ = ticks.tick() => progress(self.resident_len()),
            }
        }
    }
}

impl<T: Serialize + DeserializeOwned> Map<T> {
    /// Reads values from the data store into memory, up to `limit` or until memory is full; returns how many. Evicts nothing. Before a
    /// service answers, or while it does: see [`Records::preload_watched`] for one that says how far it is.
    ///
    /// # Errors
    /// [`Error::Records`] when they cannot be read.
    pub async fn preload(&self, limit: usize) -> Result<usize, Error> {
        self.records().preload(limit).await
    }
}
