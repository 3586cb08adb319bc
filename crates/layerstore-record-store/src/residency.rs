//! Verbs of memory alone: evict, forget, clear memory, load, preload.

use std::ops::Bound;
use std::sync::Arc;

use layerstore_data_store::ScanRequest;
use layerstore_engine::Lookup;
use layerstore_record::{Key, Record};

use crate::core::Core;
use crate::entry::Entry;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::eviction_run::Room;
use crate::expiry::is_live;
use crate::gate::Pass;
use crate::install::{Installed, Reading};
use crate::job::Job;
use crate::op::Op;
use crate::outcome::TryGet;
use crate::telling::Ancestry;

/// How many records a preload reads at a time.
const PAGE: usize = 1_000;

impl Core {
    /// Drops a record from memory.
    pub(crate) async fn evict(self: &Arc<Self>, key: &Key) -> Result<bool, RecordStoreError> {
        self.check_open("evict")?;
        let mut pass = self.pass(key, "evict").await?;
        // Twice at most: what keeps a record from leaving is written to the data store, and it is looked at again.
        for _ in 0..2 {
            let Some(record) = self.memory.record(key) else {
                return Ok(false);
            };
            let now = self.now();
            if self.is_evictable(key, &record, now) {
                let was_live = is_live(&record, now);
                self.evict_held(&pass, &record, now);
                return Ok(was_live);
            }
            if self.memory.is_backup(key) {
                return Ok(false);
            }
            let op = if record.is_expired(now) {
                Op::Expire
            } else {
                Op::PersistIdle
            };
            self.write_first(pass, op).await?;
            pass = self.pass(key, "evict").await?;
        }
        Ok(false)
    }

    /// Drops what memory knows of a key, whatever that is.
    pub(crate) async fn forget_known(self: &Arc<Self>, key: &Key) -> Result<bool, RecordStoreError> {
        self.check_open("forget")?;
        let pass = self.pass(key, "forget").await?;
        if self.memory.is_backup(key) {
            return Ok(false);
        }
        let (record, now) = (self.memory.record(key), self.now());
        if let Some(record) = &record {
            self.evict_held(&pass, record, now);
        }
        self.absent.forget(key);
        // One under way may bring what the data store held before.
        self.loads.poison(key);
        Ok(record.is_some_and(|record| is_live(&record, now)))
    }

    /// Makes a write that has to come before an eviction.
    async fn write_first(self: &Arc<Self>, pass: Pass, op: Op) -> Result<(), RecordStoreError> {
        let job = Job::new(
            Arc::clone(self),
            Ancestry::here(),
            vec![(0, Entry::new(pass, op))],
        );
        let core = Arc::clone(self);
        let task = self.tasks.spawn(job.run());
        let lost = |error| {
            let kind = RecordErrorKind::OutcomeUnknown;
            core.error(kind, "evict").because(error)
        };
        let results = task.await.map_err(lost)?;
        results.into_iter().try_for_each(|(_, result)| result.map(drop))
    }

    /// Drops everything from memory that can be dropped.
    pub(crate) async fn clear_memory(self: &Arc<Self>) -> Result<usize, RecordStoreError> {
        let mut dropped = 0;
        for (key, _) in self.resident() {
            dropped += usize::from(self.evict(&key).await?);
        }
        self.absent.clear();
        Ok(dropped)
    }

    /// Reads a record from the data store even if memory has it.
    pub(crate) async fn load(self: &Arc<Self>, key: &Key) -> Result<Option<Arc<Record>>, RecordStoreError> {
        // Without a data store memory is all there is, the engine's disk tier included.
        let resident = self.memory.record(key).filter(|_| self.is_null);
        let loaded = match resident {
            Some(record) => Some(record),
            None => self.load_shared(key, Reading::Now, "load").await?,
        };
        Ok(loaded.filter(|record| is_live(record, self.now())))
    }

    /// Tells whether there is a record, without counting a hit.
    pub(crate) async fn contains(self: &Arc<Self>, key: &Key) -> Result<bool, RecordStoreError> {
        match self.peek(key) {
            TryGet::Hit(_) => Ok(true),
            TryGet::Absent => Ok(false),
            TryGet::NeedsLoad => {
                let loaded = self.load_shared(key, Reading::NotYet, "contains").await?;
                Ok(loaded.is_some_and(|record| is_live(&record, self.now())))
            }
        }
    }

    /// Reads records from the data store into memory, as far as there is room.
    pub(crate) async fn preload(self: &Arc<Self>, limit: usize) -> Result<usize, RecordStoreError> {
        self.check_open("preload")?;
        let (mut installed, mut start) = (0, Bound::Unbounded);
        while installed < limit && !self.is_null {
            let page = self.preload_page(start, PAGE.min(limit - installed)).await?;
            installed += page.installed;
            let Some(next) = page.next else {
                break;
            };
            start = Bound::Excluded(next);
        }
        Ok(installed)
    }

    async fn preload_page(&self, start: Bound<Key>, limit: usize) -> Result<Preloaded, RecordStoreError> {
        let page = self.scan_page(ScanRequest::first(limit).from(start)).await?;
        // What lies in the engine's disk tier is there already, and would not be installed.
        let missing = |(key, _): &(Key, Arc<Record>)| matches!(self.memory.engine.lookup(key), Lookup::Miss);
        let keys: Vec<_> = page
            .records
            .into_iter()
            .filter(missing)
            .map(|(key, _)| key)
            .collect();
        let mut preloaded = Preloaded {
            installed: 0,
            next: page.next,
        };
        if keys.is_empty() {
            return Ok(preloaded);
        }
        // Read again under the gates: no write comes between the read and the installation.
        let passes = self.pass_all(&keys, "preload", &self.patience()).await?;
        let records = self.load_now(&keys, "preload").await?;
        for (pass, record) in passes.iter().zip(records) {
            let Some(record) = record.filter(|record| !record.is_tombstone()) else {
                continue;
            };
            match self
                .install(pass, Some(Arc::new(record)), Reading::NotYet, Room::Find)
                .1
            {
                Installed::Yes => preloaded.installed += 1,
                Installed::Needless => {}
                Installed::NoRoom => {
                    // What comes after would not be kept either.
                    preloaded.next = None;
                    break;
                }
            }
        }
        Ok(preloaded)
    }
}

struct Preloaded {
    installed: usize,
    next: Option<Key>,
}
