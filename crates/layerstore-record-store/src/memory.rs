//! The records in memory: the engine, what they take of the budget, and which of them are backups or tombstones.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use layerstore_engine::{Lookup, Previous, StorageEngine};
use layerstore_record::{Key, Record};

use crate::budget::{Budget, Reservation};
use crate::lock::lock;

/// Everything in memory. Whoever changes a key holds its gate.
pub(crate) struct Memory {
    pub(crate) engine: Arc<dyn StorageEngine>,
    pub(crate) budget: Arc<Budget>,
    /// What this store's records take of the budget.
    charged: AtomicU64,
    tombstones: AtomicUsize,
    /// Keys whose records exist nowhere else, in key order.
    backups: Mutex<BTreeSet<Key>>,
    backup_count: AtomicUsize,
    /// Keys whose records reads have kept alive since the data store was told of their end, in key order: to it they may have
    /// ended. Bounded.
    kept: Mutex<BTreeSet<Key>>,
    kept_count: AtomicUsize,
}

/// How many keys that reads keep alive are known to scans, 65,536: more than a data store that is not away ever leaves
/// unpersisted, and a few MB.
const KEPT_CAP: usize = 65_536;

impl Memory {
    pub(crate) fn new(engine: Arc<dyn StorageEngine>, budget: Arc<Budget>) -> Self {
        Self {
            engine,
            budget,
            charged: AtomicU64::new(0),
            tombstones: AtomicUsize::new(0),
            backups: Mutex::default(),
            backup_count: AtomicUsize::new(0),
            kept: Mutex::default(),
            kept_count: AtomicUsize::new(0),
        }
    }

    /// Looks a record up, a tombstone included.
    pub(crate) fn record(&self, key: &Key) -> Option<Arc<Record>> {
        match self.engine.lookup(key) {
            Lookup::Hit(record) => Some(record),
            Lookup::Miss | Lookup::Cold(_) => None,
        }
    }

    /// Puts a record of this charge in place of another, with memory that was reserved for what it takes more.
    pub(crate) fn put(&self, key: &Key, record: &Arc<Record>, charge: u64, reservation: Reservation) {
        self.forget_kept(key);
        let previous = self.engine.put(key.clone(), Arc::clone(record)).record();
        let before = previous
            .as_ref()
            .map_or(0, |previous| self.budget.charge(key, previous));
        reservation.settle(charge.saturating_sub(before));
        self.budget.give_back(before.saturating_sub(charge));
        if charge != before {
            // What is taken away was added before: the sum never passes zero.
            self.charged
                .fetch_add(charge.wrapping_sub(before), Ordering::AcqRel);
        }
        if record.is_tombstone() {
            self.tombstones.fetch_add(1, Ordering::Relaxed);
        }
        self.forget_tombstone(previous.as_deref());
    }

    /// Removes a record; its memory is given back at once.
    pub(crate) fn remove(&self, key: &Key) -> Previous {
        self.forget_kept(key);
        let previous = self.engine.remove(key);
        if let Previous::Present(record) = &previous {
            let charge = self.budget.charge(key, record);
            self.charged.fetch_sub(charge, Ordering::AcqRel);
            self.budget.give_back(charge);
            self.forget_tombstone(Some(record));
        }
        previous
    }

    /// Removes a record whose write is still on its way: its memory is given back once the queue has let it go.
    pub(crate) fn remove_queued(&self, key: &Key) -> Previous {
        self.forget_kept(key);
        let previous = self.engine.remove(key);
        if let Previous::Present(record) = &previous {
            let charge = self.budget.charge(key, record);
            self.charged.fetch_sub(charge, Ordering::AcqRel);
            self.budget.give_back_after(record, charge);
            self.forget_tombstone(Some(record));
        }
        previous
    }

    /// Removes everything; returns how many records there were. The caller holds the barrier.
    pub(crate) fn clear(&self) -> usize {
        let resident = self.len();
        self.engine.clear();
        self.tombstones.store(0, Ordering::Relaxed);
        self.budget.give_back(self.charged.swap(0, Ordering::AcqRel));
        lock(&self.backups).clear();
        self.backup_count.store(0, Ordering::Release);
        lock(&self.kept).clear();
        self.kept_count.store(0, Ordering::Release);
        resident
    }

    /// Returns how many records there are, tombstones not counted.
    pub(crate) fn len(&self) -> usize {
        let tombstones = self.tombstones.load(Ordering::Relaxed);
        self.engine.len().saturating_sub(tombstones)
    }

    /// Returns how much of the budget is taken by what is there of a key.
    pub(crate) fn charged(&self, key: &Key) -> u64 {
        self.record(key).map_or(0, |held| self.budget.charge(key, &held))
    }

    pub(crate) fn add_backup(&self, key: &Key) {
        let mut backups = lock(&self.backups);
        backups.insert(key.clone());
        self.backup_count.store(backups.len(), Ordering::Release);
    }

    pub(crate) fn remove_backup(&self, key: &Key) {
        if self.backup_count() > 0 {
            let mut backups = lock(&self.backups);
            backups.remove(key);
            self.backup_count.store(backups.len(), Ordering::Release);
        }
    }

    pub(crate) fn is_backup(&self, key: &Key) -> bool {
        self.backup_count() > 0 && lock(&self.backups).contains(key)
    }

    pub(crate) fn backup_count(&self) -> usize {
        self.backup_count.load(Ordering::Acquire)
    }

    /// Returns up to `limit` backups within the bounds, in key order.
    pub(crate) fn backups(&self, start: Bound<&Key>, end: Bound<&Key>, limit: usize) -> Vec<Key> {
        if self.backup_count() == 0 || is_empty(start, end) {
            return Vec::new();
        }
        let backups = lock(&self.backups);
        backups
            .range::<Key, _>((start, end))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Notes that reads have moved the end of a record, of which the data store does not know yet.
    pub(crate) fn note_kept(&self, key: &Key) {
        let mut kept = lock(&self.kept);
        if kept.len() < KEPT_CAP {
            kept.insert(key.clone());
            self.kept_count.store(kept.len(), Ordering::Release);
        }
    }

    /// Returns up to `limit` keys within the bounds whose records reads may have kept alive, in key order.
    pub(crate) fn kept(&self, start: Bound<&Key>, end: Bound<&Key>, limit: usize) -> Vec<Key> {
        if self.kept_count.load(Ordering::Acquire) == 0 || is_empty(start, end) {
            return Vec::new();
        }
        let kept = lock(&self.kept);
        kept.range::<Key, _>((start, end)).take(limit).cloned().collect()
    }

    /// What was noted of a record that gives way to another, or to none, is over.
    pub(crate) fn forget_kept(&self, key: &Key) {
        if self.kept_count.load(Ordering::Acquire) > 0 {
            let mut kept = lock(&self.kept);
            kept.remove(key);
            self.kept_count.store(kept.len(), Ordering::Release);
        }
    }

    fn forget_tombstone(&self, record: Option<&Record>) {
        if record.is_some_and(Record::is_tombstone) {
            self.tombstones.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Tells whether no key lies within the bounds; a range over such bounds would panic.
pub(crate) fn is_empty(start: Bound<&Key>, end: Bound<&Key>) -> bool {
    match (start, end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
        _ => false,
    }
}

impl Drop for Memory {
    /// Gives back what this store took of a budget that others share.
    fn drop(&mut self) {
        self.budget.give_back(self.charged.swap(0, Ordering::AcqRel));
    }
}
