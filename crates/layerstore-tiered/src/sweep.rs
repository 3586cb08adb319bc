//! Sweeping: what lies in cold and nobody can come to need any more goes.

use std::ops::Bound;
use std::sync::Arc;

use layerstore_data_store::{ErrorKind, Expect, ScanRequest, StoreError, Write, WriteResult};
use layerstore_record::{Key, MapName, Record, Version};

use crate::convert::{Tier, not_claimed, of_tier};
use crate::copy::{self, Copied};
use crate::form::hidden;
use crate::maps::{ColdClaim, MapState};
use crate::store::TieredDataStore;

const OPERATION: &str = "sweep";

/// What one step of a sweep did.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct SweepReport {
    /// Copies in cold that were looked at.
    pub looked_at: usize,
    /// Copies that went, since nobody can come to need them.
    pub removed: usize,
    /// Rows of cold that are no copies that this version can read: they stay, and are never believed.
    pub unreadable: usize,
    /// Whether cold was looked through to the end of the map; the next step begins anew.
    pub is_round_complete: bool,
}

/// A copy that is waste: the row's key, and its version in cold.
pub(crate) type Waste = (Key, Version);

impl TieredDataStore {
    /// Looks at the next `records` copies of a map in cold (0 counts as 1), and removes those that are waste: what they carry was
    /// overwritten, removed or cleared. At the end of a round the removals themselves are dropped from cold.
    ///
    /// # Errors
    /// [`NotClaimed`](layerstore_data_store::ErrorKind::NotClaimed) for a map that this store has not claimed, or whatever kept the step from its end; the next call
    /// takes the same copies.
    pub async fn sweep(&self, map: &MapName, records: usize) -> Result<SweepReport, StoreError> {
        let state = self.maps.get(map).ok_or_else(|| not_claimed(OPERATION, map))?;
        let mut turn = state.turn.lock().await;
        self.ensure_cold(OPERATION, map, &state).await?;
        let mut report = SweepReport::default();
        if state.cold() == (ColdClaim::Held { was_written: false }) {
            report.is_round_complete = true;
            return Ok(report);
        }
        let request = ScanRequest::first(records);
        let request = match &turn.swept {
            Some(after) => request.from(Bound::Excluded(after.clone())),
            None => request,
        };
        let page = self.cold.scan_page(map, request).await;
        let page = page.map_err(|error| of_tier(Tier::Cold, OPERATION, error))?;
        report.looked_at = page.records.len();
        let waste = self.waste_among(map, page.records, &mut report).await?;
        report.removed = self.remove_waste(OPERATION, map, &state, waste).await?;
        turn.removed += u64::try_from(report.removed).unwrap_or(u64::MAX);
        report.is_round_complete = page.next.is_none();
        if report.is_round_complete && turn.removed > 0 {
            // Whatever still lands late is below this floor, and refused.
            let horizon = self.ticks.next_version();
            let purged = self.cold.purge(map, horizon).await;
            purged.map_err(|error| self.cold_failed(OPERATION, &state, error))?;
            turn.removed = 0;
        }
        turn.swept = page.next;
        Ok(report)
    }

    /// Finds the copies whose version hot can never come to hold a stub of again: a stub is made of what hot holds in that
    /// version, and by then hot holds something newer, or what it holds no more cannot return under its floors.
    ///
    /// A copy of what hot holds whole is no waste: an archiver may be about to make its stub, or its request may land late.
    async fn waste_among(
        &self,
        map: &MapName,
        rows: Vec<(Key, Record)>,
        report: &mut SweepReport,
    ) -> Result<Vec<Waste>, StoreError> {
        let mut copies = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            match copy::read(&row) {
                Copied::Record(record) => copies.push((key, row.version(), record)),
                Copied::Unreadable(_) => {
                    tracing::warn!(%map, key = %key, "a row of the cold store is no copy of a record: it is left alone");
                    report.unreadable += 1;
                }
            }
        }
        let keys: Vec<Key> = copies.iter().map(|(key, ..)| key.clone()).collect();
        let held = self.hot.load_all(map, &keys).await;
        let held = held.map_err(|error| of_tier(Tier::Hot, OPERATION, error))?;
        let mut waste = Vec::new();
        for ((key, version, record), held) in copies.into_iter().zip(held) {
            let is_waste = match held {
                Some(held) => held.version() > record.version(),
                // Nothing, or something that has ended and would be there again if the clock were set back.
                None => {
                    let record = hidden(&record).unwrap_or(record);
                    !self.holds(map, &key, &record).await?
                }
            };
            if is_waste {
                waste.push((key, version));
            }
        }
        Ok(waste)
    }

    /// Removes waste from cold, unless something else has taken its place; returns how much went.
    ///
    /// # Errors
    /// The first error; what went before it is gone.
    pub(crate) async fn remove_waste(
        &self,
        operation: &'static str,
        map: &MapName,
        state: &MapState,
        waste: Vec<Waste>,
    ) -> Result<usize, StoreError> {
        if waste.is_empty() {
            return Ok(0);
        }
        let version = self.ticks.next_version();
        let removal = Arc::new(copy::removal(version));
        let writes = waste.into_iter().map(|(key, held)| {
            let write = Write::new(map.clone(), key, Arc::clone(&removal));
            write.expecting(Expect::Version(held))
        });
        let (mut removed, mut failed) = (0, None);
        for answer in self.cold.apply(writes.collect()).await {
            match answer {
                WriteResult::Applied => removed += 1,
                // A newer copy has taken its place, or a sweep beside this one has removed it.
                WriteResult::Stale { .. } | WriteResult::Conflict { .. } => {}
                // The same, and what the removal left was purged: only where nothing is held is a write judged by that floor (D2).
                WriteResult::Rejected(error) if error.kind() == ErrorKind::BelowHorizon => {}
                WriteResult::Rejected(error) => {
                    let error = self.cold_failed(operation, state, error);
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(removed), Err)
    }
}
