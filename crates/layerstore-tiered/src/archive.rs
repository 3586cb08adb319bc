//! Archiving: a page of hot, its old records to cold, and stubs in their place.

use std::ops::Bound;
use std::sync::Arc;

use layerstore_data_store::{Expect, FlushError, ScanRequest, StoreError, Write, WriteResult};
use layerstore_record::{Key, MapName, Record};

use crate::convert::{Tier, not_claimed, of_tier};
use crate::copy;
use crate::form::{Form, form, stub};
use crate::maps::{ColdClaim, MapState};
use crate::policy::ArchivePolicy;
use crate::store::TieredDataStore;

const OPERATION: &str = "archive";

/// What a row of cold has besides the encoded record, at most: leaves room for its envelope and times.
const ROW_OVERHEAD: usize = 1_024;

/// What one batch of archiving did.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct ArchiveReport {
    /// Records and tombstones of hot that were looked at.
    pub looked_at: usize,
    /// Records whose value lies in cold alone now.
    pub archived: usize,
    /// Of these, records whose copy lay in cold already, since they had been brought back and not written since.
    pub copied_before: usize,
    /// Records that were written or removed while they were copied: they stay as they were written.
    pub overtaken: usize,
    /// Records that cold cannot hold: they stay in hot.
    pub too_large: usize,
    /// Records that could not be copied or marked this time: they stay in hot, or are archived all the same.
    pub failed: usize,
    /// Why, for the first of these.
    pub error: Option<StoreError>,
    /// Whether the map was looked through to its end; the next batch begins anew.
    pub is_round_complete: bool,
}

/// A record on its way to cold.
struct Leaving {
    key: Key,
    record: Record,
    bytes: Box<[u8]>,
}

impl TieredDataStore {
    /// Archives the records of the next page of a map that the policy takes: one batch. Calls at once take turns.
    ///
    /// A crash, an error or a caller that goes away at any point leaves every record whole in hot, or whole in cold behind its
    /// stub.
    ///
    /// # Errors
    /// [`NotClaimed`](layerstore_data_store::ErrorKind::NotClaimed) for a map that this store has not claimed, or whatever kept the batch from beginning or from being
    /// confirmed; the next call takes the same page.
    pub async fn archive(&self, map: &MapName, policy: &ArchivePolicy) -> Result<ArchiveReport, StoreError> {
        let state = self.maps.get(map).ok_or_else(|| not_claimed(OPERATION, map))?;
        let mut turn = state.turn.lock().await;
        self.ensure_cold(OPERATION, map, &state).await?;
        let request = ScanRequest::first(policy.batch_records);
        let request = match &turn.archived {
            Some(after) => request.from(Bound::Excluded(after.clone())),
            None => request,
        };
        let page = self.hot.scan_page(map, request).await;
        let page = page.map_err(|error| of_tier(Tier::Hot, OPERATION, error))?;
        let mut report = ArchiveReport {
            looked_at: page.records.len(),
            ..ArchiveReport::default()
        };
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (key, record) in page.records {
            let Some(leaving) = self.leaving(map, policy, key, record, &mut report) else {
                continue;
            };
            if bytes + leaving.bytes.len() > policy.batch_bytes && !batch.is_empty() {
                self.move_batch(map, &state, std::mem::take(&mut batch), &mut report)
                    .await?;
                bytes = 0;
            }
            bytes += leaving.bytes.len();
            batch.push(leaving);
        }
        if !batch.is_empty() {
            self.move_batch(map, &state, batch, &mut report).await?;
        }
        report.is_round_complete = page.next.is_none();
        turn.archived = page.next;
        Ok(report)
    }

    /// Decides whether a record of hot goes, and encodes it.
    fn leaving(
        &self,
        map: &MapName,
        policy: &ArchivePolicy,
        key: Key,
        record: Record,
        report: &mut ArchiveReport,
    ) -> Option<Leaving> {
        let now = self.options.clock.now();
        // What is a stub already, or was made by a later version, stays as it is.
        let Some(Form::Whole(record)) = form(record) else {
            return None;
        };
        if record.is_tombstone() || !policy.takes(map, &key, &record, now, self.returned.when(map, &key)) {
            return None;
        }
        let limits = self.cold.limits();
        match copy::encode(&record) {
            Ok(bytes)
                if bytes.len().saturating_add(ROW_OVERHEAD) <= limits.record_bytes
                    && key.as_bytes().len() <= limits.key_bytes =>
            {
                Some(Leaving { key, record, bytes })
            }
            _ => {
                report.too_large += 1;
                None
            }
        }
    }

    /// Moves records, in steps between which a crash loses nothing: what hot holds whole is not looked for in cold, and hot
    /// gets its stubs only when the copies have been read back from where they stay.
    async fn move_batch(
        &self,
        map: &MapName,
        state: &MapState,
        leaving: Vec<Leaving>,
        report: &mut ArchiveReport,
    ) -> Result<(), StoreError> {
        let leaving = self.copy_to_cold(map, state, leaving, report).await?;
        // A cold store that acknowledges before it stores must have stored: the whole record is about to go from hot.
        self.cold.hard_flush().await.map_err(unflushed)?;
        let confirmed = self.confirmed(map, leaving, report).await?;
        let stubs = confirmed.iter().map(|leaving| {
            let stub = Arc::new(stub(&leaving.record));
            Write::new(map.clone(), leaving.key.clone(), stub)
        });
        for answer in self.restate(OPERATION, stubs.collect()).await? {
            match answer {
                WriteResult::Applied => report.archived += 1,
                WriteResult::Stale { .. } | WriteResult::Conflict { .. } => report.overtaken += 1,
                WriteResult::Rejected(error) => report.fail(error),
            }
        }
        Ok(())
    }

    /// Writes the copies that cold has not yet; returns what may be there now.
    async fn copy_to_cold(
        &self,
        map: &MapName,
        state: &MapState,
        leaving: Vec<Leaving>,
        report: &mut ArchiveReport,
    ) -> Result<Vec<Leaving>, StoreError> {
        let rows = self.rows(map, &leaving).await?;
        // From before the first write, so that no error hides that there may be something in cold. The version is taken after
        // hot was read: a clear of cold, up to a version taken before a record was written, leaves its copy.
        state.set_cold(ColdClaim::Held { was_written: true });
        let version = self.ticks.next_version();
        let (mut copies, mut copied, mut there) = (Vec::new(), Vec::new(), Vec::new());
        for (leaving, row) in leaving.into_iter().zip(rows) {
            let copy = row
                .as_ref()
                .and_then(|row| copy::read(row).of_version(leaving.record.version()));
            if copy.as_ref() == Some(&leaving.record) {
                report.copied_before += 1;
                there.push(leaving);
                continue;
            }
            // Whoever copied something newer meanwhile is not undone by this older copy.
            let expect = match row {
                Some(row) if !row.is_tombstone() => Expect::Version(row.version()),
                _ => Expect::Absent,
            };
            let row = copy::row(&leaving.record, leaving.bytes.clone(), version);
            let write = Write::new(map.clone(), leaving.key.clone(), Arc::new(row));
            copies.push(write.expecting(expect));
            copied.push(leaving);
        }
        if copies.is_empty() {
            return Ok(there);
        }
        for (leaving, answer) in copied.into_iter().zip(self.cold.apply(copies).await) {
            match answer {
                WriteResult::Applied => there.push(leaving),
                WriteResult::Stale { .. } | WriteResult::Conflict { .. } => report.overtaken += 1,
                WriteResult::Rejected(error) => report.fail(self.cold_failed(OPERATION, state, error)),
            }
        }
        Ok(there)
    }

    /// Reads the copies back; what does not come back as it is in hot stays there.
    async fn confirmed(
        &self,
        map: &MapName,
        leaving: Vec<Leaving>,
        report: &mut ArchiveReport,
    ) -> Result<Vec<Leaving>, StoreError> {
        let rows = self.rows(map, &leaving).await?;
        let mut confirmed = Vec::with_capacity(leaving.len());
        for (leaving, row) in leaving.into_iter().zip(rows) {
            let copy = row.and_then(|row| copy::read(&row).of_version(leaving.record.version()));
            if copy.as_ref() == Some(&leaving.record) {
                confirmed.push(leaving);
            } else {
                report.overtaken += 1;
            }
        }
        Ok(confirmed)
    }

    async fn rows(&self, map: &MapName, leaving: &[Leaving]) -> Result<Vec<Option<Record>>, StoreError> {
        let keys: Vec<Key> = leaving.iter().map(|leaving| leaving.key.clone()).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.cold.load_all(map, &keys).await;
        rows.map_err(|error| of_tier(Tier::Cold, OPERATION, error))
    }
}

impl ArchiveReport {
    fn fail(&mut self, error: StoreError) {
        self.failed += 1;
        self.error.get_or_insert(error);
    }
}

fn unflushed(failed: FlushError) -> StoreError {
    match failed.source {
        Some(error) => of_tier(Tier::Cold, OPERATION, error),
        None => {
            let what = format!(
                "{} copies are not in the final store of cold yet",
                failed.pending.len()
            );
            StoreError::new(
                layerstore_data_store::ErrorKind::Unavailable,
                crate::convert::STORE,
                OPERATION,
                what,
            )
        }
    }
}
