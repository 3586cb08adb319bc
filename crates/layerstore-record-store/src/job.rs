//! Takes writes that need I/O from their gates to their acknowledgement, in a task of the store's own (clause S3).

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, StoreError, Write, WriteResult};
use layerstore_engine::ColdRecord;
use layerstore_record::{Key, Record};

use crate::core::Core;
use crate::counters::count;
use crate::entry::{Entry, Judged, Looked, Written};
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::eviction_run::Room;
use crate::op::Held;
use crate::patience::Patience;
use crate::telling::Ancestry;

/// What became of one write of a job.
pub(crate) type Result1 = Result<Written, RecordStoreError>;

/// Writes to different keys, made with one call of the data store as far as memory has room for them at once.
pub(crate) struct Job {
    core: Arc<Core>,
    ancestry: Ancestry,
    /// What is still to be done, by its place in the request.
    entries: Vec<(usize, Entry)>,
    done: Vec<(usize, Result1)>,
    patience: Arc<Patience>,
}

/// While the data store is being called: should the call never return, nobody knows what was written.
struct Applying<'a> {
    core: &'a Core,
    writes: Vec<(Key, Arc<Record>)>,
}

impl Job {
    pub(crate) fn new(core: Arc<Core>, ancestry: Ancestry, entries: Vec<(usize, Entry)>) -> Self {
        Self {
            patience: Arc::new(core.patience()),
            core,
            ancestry,
            entries,
            done: Vec::new(),
        }
    }

    /// Shares what is left of the caller's patience.
    pub(crate) fn waiting(mut self, patience: Arc<Patience>) -> Self {
        self.patience = patience;
        self
    }

    /// Does everything; returns what became of each, by its place in the request.
    pub(crate) async fn run(mut self) -> Vec<(usize, Result1)> {
        while !self.entries.is_empty() {
            self.learn().await;
            self.decide();
            let ready = self.reserve().await;
            self.apply(ready).await;
        }
        self.done
    }

    /// Loads what has to be known, in one call.
    async fn learn(&mut self) {
        let core = Arc::clone(&self.core);
        let mut missing = Vec::new();
        let mut cold = Vec::new();
        for (at, (_, entry)) in self.entries.iter_mut().enumerate() {
            match entry.look(&core) {
                Looked::Ready => {}
                Looked::Load => missing.push(at),
                Looked::Cold(handle) => cold.push((at, handle)),
            }
        }
        let mut failed = Vec::new();
        for (at, handle) in cold {
            match core.thaw(handle, self.entries[at].1.op.name()).await {
                Ok(Some(record)) => self.entries[at].1.held = Some(Held::Memory(record)),
                Ok(None) if core.is_null => self.entries[at].1.held = Some(Held::Absent),
                // It is not in the disk tier any more: the data store knows.
                Ok(None) => missing.push(at),
                Err(error) => failed.push((at, error)),
            }
        }
        failed.extend(self.load_missing(&missing).await);
        failed.sort_unstable_by_key(|(at, _)| *at);
        for (at, error) in failed.into_iter().rev() {
            self.fail_at(at, error);
        }
    }

    async fn load_missing(&mut self, missing: &[usize]) -> Vec<(usize, RecordStoreError)> {
        if missing.is_empty() {
            return Vec::new();
        }
        let keys: Vec<_> = missing
            .iter()
            .map(|at| self.entries[*at].1.pass.key().clone())
            .collect();
        let operation = self.entries[missing[0]].1.op.name();
        match self.core.load_now(&keys, operation).await {
            Ok(records) => {
                for (at, record) in missing.iter().zip(records) {
                    let held = record.map_or(Held::Absent, |record| Held::Store(Arc::new(record)));
                    self.entries[*at].1.held = Some(held);
                }
                Vec::new()
            }
            Err(error) => missing.iter().map(|at| (*at, error.clone())).collect(),
        }
    }

    /// Decides each write; those with nothing to change are done.
    fn decide(&mut self) {
        for at in (0..self.entries.len()).rev() {
            match self.entries[at].1.decide(&self.core) {
                Ok(Some(())) => {}
                Ok(None) => {
                    let (place, entry) = self.entries.remove(at);
                    self.done.push((place, Ok(self.core.finish_kept(entry))));
                }
                Err(error) => self.fail_at(at, error),
            }
        }
    }

    /// Sets memory aside for as many writes as there is room for, at least one; returns how many: they are the first then.
    async fn reserve(&mut self) -> usize {
        loop {
            let ready = self.reserve_what_fits();
            if ready > 0 || self.entries.is_empty() {
                return ready;
            }
            self.wait_for_first().await;
        }
    }

    /// Sets memory aside without waiting. What has its memory goes first, wherever it stood: once it is written its gate
    /// opens, and it can be evicted to make room for the rest, or for others who wait.
    fn reserve_what_fits(&mut self) -> usize {
        let (mut at, mut ready) = (0, 0);
        while at < self.entries.len() {
            match self.growth_at(at) {
                Err(error) => {
                    self.fail_at(at, error);
                    continue;
                }
                Ok(Some(growth)) => {
                    self.entries[at].1.reservation = self.core.make_room(growth, Room::Make);
                }
                Ok(None) => {}
            }
            if self.entries[at].1.reservation.is_some() {
                self.entries.swap(ready, at);
                ready += 1;
            }
            at += 1;
        }
        ready
    }

    /// Waits until there is memory for the first write, or fails it.
    async fn wait_for_first(&mut self) {
        let operation = self.entries[0].1.op.name();
        let reserved = match self.growth_at(0) {
            Ok(growth) => {
                let growth = growth.unwrap_or_default();
                self.core.wait_for_room(growth, operation, &self.patience).await
            }
            Err(error) => Err(error),
        };
        match reserved {
            Ok(reservation) => self.entries[0].1.reservation = Some(reservation),
            Err(error) => self.fail_at(0, error),
        }
    }

    /// Returns the memory that a write still needs, `None` when it was set aside.
    fn growth_at(&mut self, at: usize) -> Result<Option<u64>, RecordStoreError> {
        let (_, entry) = &mut self.entries[at];
        if entry.reservation.is_some() {
            return Ok(None);
        }
        if entry.stamp(&self.core) {
            entry.growth(&self.core).map(Some)
        } else {
            Ok(Some(0))
        }
    }

    /// Makes the first `ready` writes, and takes the answers.
    async fn apply(&mut self, ready: usize) {
        let mut writes = Vec::with_capacity(ready);
        for (_, entry) in &mut self.entries[..ready] {
            entry.stamp(&self.core);
            writes.extend(entry.to_write(&self.core));
        }
        if writes.is_empty() {
            return;
        }
        let results = self.core.call_store(writes).await;
        let rest = self.entries.split_off(ready);
        let tried = std::mem::replace(&mut self.entries, rest);
        let mut again = Vec::new();
        for ((place, mut entry), result) in tried.into_iter().zip(results) {
            match entry.judge(&self.core, result) {
                Judged::Applied => {
                    let written = self.core.commit(entry, &self.ancestry);
                    self.done.push((place, Ok(written)));
                }
                Judged::Again => again.push((place, entry)),
                Judged::Failed(error) => {
                    count(&self.core.counters.rejected);
                    self.done.push((place, Err(error)));
                }
                Judged::Unknown(error) => {
                    self.core.drop_unknown(&entry);
                    self.done.push((place, Err(error)));
                }
            }
        }
        again.append(&mut self.entries);
        self.entries = again;
    }

    fn fail_at(&mut self, at: usize, error: RecordStoreError) {
        count(&self.core.counters.rejected);
        let (place, entry) = self.entries.remove(at);
        let error = error.at_key(entry.pass.key());
        self.done.push((place, Err(error)));
    }
}

impl Applying<'_> {
    fn answered(mut self) -> usize {
        std::mem::take(&mut self.writes).len()
    }
}

impl Drop for Applying<'_> {
    /// The task ended within the call: a panic of the data store, or the end of the runtime. The gates are still held.
    fn drop(&mut self) {
        for (key, record) in &self.writes {
            count(&self.core.counters.unknown);
            self.core.unresolved.note(key, record);
            self.core.forget(key);
        }
    }
}

impl Core {
    /// Calls the data store within its deadline; an answer that does not come is an unknown outcome.
    pub(crate) async fn call_store(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let core = self;
        let under_way = |write: &Write| (write.key.clone(), Arc::clone(&write.record));
        let unknown = |what: String| {
            let error = StoreError::new(ErrorKind::Timeout, core.store.name(), "apply", what);
            WriteResult::Rejected(error.with_unknown_outcome().in_map(&core.map))
        };
        if core.is_null {
            return writes.iter().map(|_| WriteResult::Applied).collect();
        }
        let applying = Applying {
            core,
            writes: writes.iter().map(under_way).collect(),
        };
        let answer = tokio::time::timeout(core.config.store_deadline, core.store.apply(writes)).await;
        let asked = applying.answered();
        let mut results = answer.unwrap_or_default();
        let missing = asked.saturating_sub(results.len());
        let late = || format!("no answer within {:?}", core.config.store_deadline);
        results.extend((0..missing).map(|_| unknown(late())));
        results.truncate(asked);
        results
    }

    /// Reads records from the data store under their gates, within the load deadline.
    pub(crate) async fn load_now(
        &self,
        keys: &[Key],
        operation: &'static str,
    ) -> Result<Vec<Option<Record>>, RecordStoreError> {
        count(&self.counters.loads);
        let call = async {
            match keys {
                [key] => self.store.load(&self.map, key).await.map(|record| vec![record]),
                keys => self.store.load_all(&self.map, keys).await,
            }
        };
        let late = || self.late(operation, self.config.load_deadline, "the data store");
        let records = match tokio::time::timeout(self.config.load_deadline, call).await {
            Err(_) => Err(late()),
            Ok(Err(error)) => Err(RecordStoreError::of_read(operation, &self.map, error)),
            Ok(Ok(records)) => Ok(records),
        };
        if records.is_err() {
            count(&self.counters.load_failures);
        }
        let mut records = records?;
        records.resize_with(keys.len(), || None);
        Ok(records)
    }

    /// Reads a record from the engine's disk tier, within the load deadline.
    pub(crate) async fn thaw(
        &self,
        cold: Box<dyn ColdRecord>,
        operation: &'static str,
    ) -> Result<Option<Arc<Record>>, RecordStoreError> {
        let thawed = tokio::time::timeout(self.config.load_deadline, cold.load()).await;
        let late = || self.late(operation, self.config.load_deadline, "the engine's disk tier");
        thawed
            .map_err(|_| late())?
            .map_err(|error| self.error(RecordErrorKind::Engine, operation).because(error))
    }
}
