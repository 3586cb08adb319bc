//! Clearing and purging in both stores.

use std::ops::Bound;

use layerstore_data_store::{ErrorKind, ScanRequest, StoreError};
use layerstore_record::{Key, MapName, Version};

use crate::convert::{STORE, Tier, of_tier};
use crate::copy::{self, Copied};
use crate::maps::{ColdClaim, MapState};
use crate::store::TieredDataStore;
use crate::sweep::Waste;

/// How many records one step of a clear or purge reads.
const PAGE: usize = 1_000;

impl TieredDataStore {
    /// Clears hot, which is what readers go by, then cold.
    ///
    /// A crash or an error between the two leaves waste in cold; the caller is told, and a repeated clear or a sweep removes it.
    pub(crate) async fn clear_both(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let operation = "clear";
        let cleared = self.hot.clear(map, up_to).await;
        cleared.map_err(|error| of_tier(Tier::Hot, operation, error))?;
        let Some(state) = self.maps.get(map) else {
            return Ok(());
        };
        self.ensure_cold(operation, map, &state).await?;
        if state.cold() == (ColdClaim::Held { was_written: false }) {
            return Ok(());
        }
        // In this order: what is written after the look at `applied`, and archived, is copied under a version above the mark.
        let mark = self.ticks.next_version();
        if state.applied() <= up_to {
            let cleared = self.cold.clear(map, mark).await;
            return cleared.map_err(|error| self.cold_failed(operation, &state, error));
        }
        self.clear_copies(operation, map, &state, up_to).await
    }

    /// Removes the copies of what is cleared from among others.
    async fn clear_copies(
        &self,
        operation: &'static str,
        map: &MapName,
        state: &MapState,
        up_to: Version,
    ) -> Result<(), StoreError> {
        let mut request = ScanRequest::first(PAGE);
        loop {
            let page = self.cold.scan_page(map, request.clone()).await;
            let page = page.map_err(|error| of_tier(Tier::Cold, operation, error))?;
            let cleared = page
                .records
                .into_iter()
                .filter_map(|(key, row)| match copy::read(&row) {
                    Copied::Record(record) if record.version() <= up_to => Some((key, row.version())),
                    _ => None,
                });
            self.remove_waste(operation, map, state, cleared.collect())
                .await?;
            let Some(next) = page.next else { return Ok(()) };
            request = request.from(Bound::Excluded(next));
        }
    }

    /// Removes from cold what has tombstones up to the horizon, then purges hot.
    ///
    /// In this order: a tombstone goes from hot only once it is confirmed that nothing of what it stands for is left.
    pub(crate) async fn purge_both(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let operation = "purge";
        if let Some(state) = self.maps.get(map) {
            self.ensure_cold(operation, map, &state).await?;
            if state.cold() == (ColdClaim::Held { was_written: true }) {
                self.remove_removed(operation, map, &state, horizon).await?;
            }
        }
        let purged = self.hot.purge(map, horizon).await;
        purged.map_err(|error| of_tier(Tier::Hot, operation, error))
    }

    async fn remove_removed(
        &self,
        operation: &'static str,
        map: &MapName,
        state: &MapState,
        horizon: Version,
    ) -> Result<(), StoreError> {
        let mut request = ScanRequest::first(PAGE).with_tombstones();
        loop {
            let page = self.hot.scan_page(map, request.clone()).await;
            let page = page.map_err(|error| of_tier(Tier::Hot, operation, error))?;
            let removed = page
                .records
                .into_iter()
                .filter(|(_, record)| record.is_tombstone() && record.version() <= horizon);
            let removed: Vec<Key> = removed.map(|(key, _)| key).collect();
            let waste = self.copies_of(operation, map, &removed).await?;
            let expected = waste.len();
            let gone = self.remove_waste(operation, map, state, waste).await?;
            // Those that did not go by this hand went by a sweep's, or another copy has come.
            if gone < expected && !self.copies_of(operation, map, &removed).await?.is_empty() {
                let what = "copies of removed records were written to the cold store meanwhile: purge again";
                return Err(StoreError::new(ErrorKind::Unavailable, STORE, operation, what).in_map(map));
            }
            let Some(next) = page.next else { return Ok(()) };
            request = request.from(Bound::Excluded(next));
        }
    }

    /// Finds what cold holds of removed keys, whatever it is.
    async fn copies_of(
        &self,
        operation: &'static str,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<Waste>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.cold.load_all(map, keys).await;
        let rows = rows.map_err(|error| of_tier(Tier::Cold, operation, error))?;
        let rows = keys.iter().cloned().zip(rows);
        let values =
            rows.filter_map(|(key, row)| Some((key, row.filter(|row| !row.is_tombstone())?.version())));
        Ok(values.collect())
    }
}
