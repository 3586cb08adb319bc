use std::sync::Arc;

use layerstore_engine::Cursor;
use layerstore_observer::ObserverError;
use layerstore_record::{Key, Record, Version};

use crate::error::RecordStoreError;
use crate::request::NewValue;

/// A write that stands.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the verb answers.
    pub value: T,
    /// The version that the write got; `None` when there was nothing to change.
    pub version: Option<Version>,
    /// The first error of an observer. The write stands: do not repeat it.
    pub observer_error: Option<ObserverError>,
}

/// What memory alone can say of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum TryGet<T = Arc<Record>> {
    /// It is there.
    Hit(T),
    /// There is no such record, in memory or below.
    Absent,
    /// Memory does not know: ask with [`get`](crate::RecordStore::get).
    NeedsLoad,
}

/// What became of a try to write without I/O and without waiting.
#[derive(Debug)]
#[must_use]
pub enum TrySet {
    /// The write is done.
    Done(Outcome<()>),
    /// Nothing was done: [`set`](crate::RecordStore::set) this value.
    NeedsIo(NewValue),
}

/// Some records, in key byte order.
#[derive(Debug, Clone, Default)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<(Key, Arc<Record>)>,
    /// The next page starts after this key; `None` after the last page. A page may be short, even empty, and not be the last.
    pub next: Option<Key>,
}

/// Some records that are in memory, in no particular order.
#[derive(Debug, Default)]
pub struct ResidentPage {
    /// The records.
    pub records: Vec<(Key, Arc<Record>)>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<Cursor>,
}

/// Where a scan in any order stands. A place means something to the store that gave it, and to no other.
#[derive(Debug, Clone, Default)]
pub struct ScanPlace(pub(crate) ScanPlaceKind);

/// What a scan in any order goes along.
#[derive(Debug, Clone, Default)]
pub(crate) enum ScanPlaceKind {
    /// Nothing yet.
    #[default]
    Start,
    /// The keys: this one was the last.
    Behind(Key),
    /// The memory of a store that has nothing below it.
    Memory(Cursor),
}

impl ScanPlace {
    /// Before the first record.
    #[must_use]
    pub fn start() -> Self {
        Self::default()
    }
}

/// Some records, in the order that costs least.
#[derive(Debug, Default)]
pub struct UnorderedPage {
    /// The records.
    pub records: Vec<(Key, Arc<Record>)>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<ScanPlace>,
    /// Whether the scan goes in key byte order after all, as it does with a data store: then no record comes twice.
    pub is_in_key_order: bool,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// How many records were looked at.
    pub visited: usize,
    /// How many had ended and were removed.
    pub expired: usize,
    /// How many idle deadlines were written to the data store.
    pub persisted: usize,
    /// How many old tombstones were dropped from memory.
    pub tombstones: usize,
    /// How many removals or writes failed; the next sweep tries again.
    pub failed: usize,
}

/// What became of the backups of a partition that this process now owns.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct PromoteReport {
    /// How many are in the data store now.
    pub promoted: usize,
    /// How many were older than what the data store holds, and were dropped.
    pub stale: usize,
    /// Which could not be written; they are still backups.
    pub failed: Vec<(Key, RecordStoreError)>,
}

/// How a record store ended.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CloseReport {
    /// How many loads and writes were still under way at the deadline; they end by their own deadlines.
    pub unfinished: usize,
    /// The first thing that failed while closing.
    pub error: Option<RecordStoreError>,
}

impl<T> Outcome<T> {
    /// Turns the answer into another.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome {
            value: turn(self.value),
            version: self.version,
            observer_error: self.observer_error,
        }
    }
}

impl<T> TryGet<T> {
    /// Returns what a hit found.
    pub fn hit(self) -> Option<T> {
        match self {
            Self::Hit(found) => Some(found),
            Self::Absent | Self::NeedsLoad => None,
        }
    }
}

impl CloseReport {
    /// Tells whether nothing was left behind.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unfinished == 0 && self.error.is_none()
    }
}
