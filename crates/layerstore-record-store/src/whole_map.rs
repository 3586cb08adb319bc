//! What concerns every key at once, behind the barrier: delete all, reset, destroy, close.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ScanRequest, Write, WriteResult};
use layerstore_engine::{Cursor, Slot};
use layerstore_observer::{MutationEvent, ObserverError, Ownership};
use layerstore_record::{Key, Provenance, Record, RecordValue, Version};

use crate::core::Core;
use crate::entry::MAX_ATTEMPTS;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::expiry::end_reason;
use crate::gate::Barrier;
use crate::outcome::{CloseReport, Outcome};
use crate::record_store::Shutdown;
use crate::telling::{Ancestry, OpId};

/// How many keys of a partition are removed with one call of the data store.
const BATCH: usize = 1_000;

impl Core {
    /// Removes every record of the partition, everywhere.
    pub(crate) async fn delete_all(self: &Arc<Self>) -> Result<Outcome<usize>, RecordStoreError> {
        self.check_open("delete_all")?;
        let barrier = self.bar("delete_all").await?;
        let core = Arc::clone(self);
        // As every write: whole or not at all, though the caller goes away.
        let task = self
            .tasks
            .spawn(async move { core.delete_all_behind(barrier).await });
        let gone = |error| {
            let kind = RecordErrorKind::OutcomeUnknown;
            self.error(kind, "delete_all").because(error)
        };
        task.await.map_err(gone)?
    }

    async fn delete_all_behind(&self, barrier: Barrier) -> Result<Outcome<usize>, RecordStoreError> {
        let floor = self.hlc.next_version();
        let cleared = if self.is_null {
            Ok(())
        } else if self.partition.is_whole() {
            self.clear_store(floor).await
        } else {
            self.remove_partition().await
        };
        // Even a clear that failed may have dropped rows: memory must not say otherwise.
        let backups = self.live_backups();
        let resident = match &cleared {
            Ok(()) => self.memory.clear(),
            Err(_) => self.drop_memory(),
        };
        self.absent.clear();
        self.loads.poison_all();
        cleared?;
        if self.partition.is_whole() {
            self.unresolved.resolve_all();
        }
        let mut observer_error =
            self.tell_cleared(&barrier, resident.saturating_sub(backups), Ownership::Owner);
        if backups > 0 {
            // Who counts what is kept for others apart hears of it apart.
            let told = self.tell_cleared(&barrier, backups, Ownership::Backup);
            observer_error = observer_error.or(told);
        }
        Ok(Outcome {
            value: resident,
            version: Some(floor),
            observer_error,
        })
    }

    /// Counts the backups that are values. The caller holds the barrier.
    fn live_backups(&self) -> usize {
        let keys = self
            .memory
            .backups(Bound::Unbounded, Bound::Unbounded, usize::MAX);
        let is_value = |key: &&Key| {
            self.memory
                .record(key)
                .is_some_and(|record| !record.is_tombstone())
        };
        keys.iter().filter(is_value).count()
    }

    fn tell_cleared(
        &self,
        barrier: &Barrier,
        resident: usize,
        ownership: Ownership,
    ) -> Option<ObserverError> {
        let event = MutationEvent::Clear { resident };
        let from = (Provenance::Client, ownership);
        self.announcer
            .tell(&self.counters, (&Ancestry::here(), barrier.op()), from, event)
    }

    /// Raises the data store's floor: everything up to it is gone, what comes late included.
    async fn clear_store(&self, floor: Version) -> Result<(), RecordStoreError> {
        let clear = self.store.clear(&self.map, floor);
        let late = || {
            let what = format!("no answer within {:?}", self.config.store_deadline);
            let kind = RecordErrorKind::OutcomeUnknown;
            RecordStoreError::new(kind, "delete_all", &self.map, what)
        };
        let cleared = tokio::time::timeout(self.config.store_deadline, clear)
            .await
            .map_err(|_| late())?;
        cleared.map_err(|error| self.note_error(RecordStoreError::of_store("delete_all", &self.map, error)))
    }

    /// Removes the records of this partition one batch after another: the data store knows nothing of partitions.
    async fn remove_partition(&self) -> Result<(), RecordStoreError> {
        let mut start = Bound::Unbounded;
        loop {
            let page = self.scan_page(ScanRequest::first(BATCH).from(start)).await?;
            let held = |(key, record): &(Key, Arc<Record>)| {
                let late = self.unresolved.fence(key, Some(record));
                (key.clone(), late.unwrap_or_else(|| record.value().clone()))
            };
            self.remove_below(page.records.iter().map(held).collect()).await?;
            let Some(next) = page.next else {
                break;
            };
            start = Bound::Excluded(next);
        }
        // To the data store these may go on for a while, and memory, which knows better, is dropped.
        for batch in self.ended_in_memory().chunks(BATCH) {
            self.remove_below(batch.to_vec()).await?;
        }
        // What may still land is not there to be found.
        for batch in self.unresolved.all().chunks(BATCH) {
            self.remove_below(batch.to_vec()).await?;
        }
        Ok(())
    }

    /// Lists what memory knows to have ended: no page of a scan has it.
    fn ended_in_memory(&self) -> Vec<(Key, RecordValue)> {
        let now = self.now();
        let ended = self.resident().into_iter().filter_map(|(key, slot)| match slot {
            Slot::Resident(record) if end_reason(&record, now).is_some() => {
                Some((key, record.value().clone()))
            }
            Slot::Resident(_) | Slot::Cold => None,
        });
        ended.collect()
    }

    /// Leaves tombstones of these records in the data store; those in whose way something newer stands are tried again above that.
    async fn remove_below(&self, mut left: Vec<(Key, RecordValue)>) -> Result<(), RecordStoreError> {
        for _ in 0..MAX_ATTEMPTS {
            if left.is_empty() {
                return Ok(());
            }
            let writes = left.iter().map(|(key, value)| {
                let version = self.hlc.next_version();
                let value = value.removed(version.timestamp());
                let tombstone = Record::builder(value, version).updated(self.now()).build();
                Write::new(self.map.clone(), key.clone(), Arc::new(tombstone))
            });
            let results = self.call_store(writes.collect()).await;
            let mut again = Vec::new();
            for ((key, value), result) in left.into_iter().zip(results) {
                match result {
                    WriteResult::Applied => self.unresolved.resolve(&key),
                    WriteResult::Conflict { .. } => again.push((key, value)),
                    WriteResult::Stale { current } => {
                        self.hlc.resume_above(current);
                        again.push((key, value));
                    }
                    WriteResult::Rejected(error) => {
                        let error = RecordStoreError::of_store("delete_all", &self.map, error);
                        return Err(self.note_error(error));
                    }
                }
            }
            left = again;
        }
        if left.is_empty() {
            return Ok(());
        }
        let what = format!("the data store held something newer {MAX_ATTEMPTS} times");
        let kind = RecordErrorKind::Conflict;
        Err(RecordStoreError::new(kind, "delete_all", &self.map, what))
    }

    /// Drops memory but for backups, which exist nowhere else. The caller holds the barrier.
    fn drop_memory(&self) -> usize {
        let resident = self.memory.len();
        for (key, _) in self.resident() {
            self.forget(&key);
        }
        resident
    }

    /// Forgets memory and pending writes.
    pub(crate) async fn reset(self: &Arc<Self>) -> Result<Outcome<usize>, RecordStoreError> {
        self.check_open("reset")?;
        let barrier = self.bar("reset").await?;
        let lost = self.store.reset();
        if lost > 0 {
            tracing::warn!(map = %self.map, lost, "pending writes were forgotten on request");
        }
        let resident = self.memory.clear();
        self.absent.clear();
        self.loads.poison_all();
        let observer_error = self.tell_whole(&barrier, MutationEvent::Reset { resident });
        Ok(Outcome {
            value: resident,
            version: None,
            observer_error,
        })
    }

    /// Drops memory and refuses every later call.
    pub(crate) async fn destroy(
        self: &Arc<Self>,
        shutdown: Shutdown,
    ) -> Result<Outcome<()>, RecordStoreError> {
        self.check_open("destroy")?;
        let barrier = self.bar("destroy").await?;
        self.tasks.close();
        self.memory.clear();
        self.absent.clear();
        self.loads.poison_all();
        let observer_error = self.announcer.tell_end(&self.counters, barrier.op(), shutdown);
        Ok(Outcome {
            value: (),
            version: None,
            observer_error,
        })
    }

    /// Refuses new work, waits for what is under way, and tells observers of the end.
    pub(crate) async fn close(self: &Arc<Self>, deadline: Duration) -> CloseReport {
        let (core, is_first) = (Arc::clone(self), self.tasks.close());
        // Observers hear of the end though the caller goes away.
        let closing = self
            .tasks
            .spawn_last(async move { core.end_within(deadline, is_first).await });
        closing.await.unwrap_or_else(|error| CloseReport {
            unfinished: self.tasks.under_way(),
            error: Some(self.error(RecordErrorKind::Closed, "close").because(error)),
        })
    }

    async fn end_within(self: &Arc<Self>, deadline: Duration, is_first: bool) -> CloseReport {
        let mut report = CloseReport::default();
        let started = tokio::time::Instant::now();
        if is_first && !self.is_null {
            let persisted = tokio::time::timeout(deadline, self.persist_moved()).await;
            report.error = match persisted {
                Err(_) => Some(self.late("close", deadline, "idle deadlines to be persisted")),
                Ok(swept) if swept.failed > 0 => Some(self.error(RecordErrorKind::Store, "close")),
                Ok(_) => None,
            };
        }
        let left = || deadline.saturating_sub(started.elapsed());
        report.unfinished = self.tasks.drain(left()).await;
        if !self.announcer.has_ended() {
            // Behind the barrier, as what concerns every key. A writer that outlives the deadline was counted as unfinished:
            // observers hear of the end all the same, and of nothing after it.
            let barrier = tokio::time::timeout(left(), self.gates.bar()).await;
            let barrier = barrier.ok().and_then(Result::ok);
            let op = barrier.as_ref().map_or_else(OpId::next, Barrier::op);
            let _ = self.announcer.tell_end(&self.counters, op, Shutdown::Service);
        }
        report
    }

    fn tell_whole(&self, barrier: &Barrier, event: MutationEvent<'_>) -> Option<ObserverError> {
        let from = (Provenance::Client, Ownership::Owner);
        self.announcer
            .tell(&self.counters, (&Ancestry::here(), barrier.op()), from, event)
    }

    /// Lists the keys that are in memory, those in the engine's disk tier included.
    pub(crate) fn resident(&self) -> Vec<(Key, Slot)> {
        let mut all = Vec::new();
        let mut cursor = Some(Cursor::start());
        while let Some(at) = cursor {
            let page = self.memory.engine.fetch(&at, BATCH);
            all.extend(page.slots);
            cursor = page.next;
        }
        all
    }
}
