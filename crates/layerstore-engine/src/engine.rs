use std::sync::Arc;

use layerstore_record::{Cost, Key, Record};

use crate::cursor::{Cursor, Page};
use crate::lookup::{Computed, Decision, Lookup, Previous};

/// Keeps records by key: layer 1. Synchronous, without I/O on the resident path, without a clock.
///
/// # Contract
/// **E-lookup**: a lookup answers hit, miss or cold; put and remove tell what was there; each key is
/// linearizable under any number of threads, also while the engine grows.
/// **E-borrow**: a borrowed read sees the record in place; the engine may be written to from other threads
/// meanwhile, and the closure must not call back into the engine.
/// **E-compute**: the closure of [`compute`](Self::compute) sees the current state and its decision takes effect
/// before any other mutation of that key; it runs exactly once per call. It may run under a lock: it must be
/// short and must not call back into the engine. If it panics, nothing has changed.
/// **E-cost**: [`len`](Self::len) and [`cost`](Self::cost) take constant time and are exact when no mutation is under way.
/// **E-clear**: a clear removes every record that was present when it began, and tells how many it removed.
/// **E-scan**: every key present for the whole scan is returned at least once; a page takes time in proportion to
/// its size, and no lock or guard is kept between pages; a cursor of another engine starts the scan again.
/// **E-sample**: a sample is uniform over the resident records, takes time in proportion to the records sampled,
/// and does not depend on how many there are; it may hold a record twice.
pub trait StorageEngine: Send + Sync + 'static {
    /// Looks `key` up.
    fn lookup(&self, key: &Key) -> Lookup;

    /// Reads the record of `key` in place, without taking part in its ownership; `false` when it is not resident.
    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> bool;

    /// Puts a record in place of whatever was there.
    fn put(&self, key: Key, record: Arc<Record>) -> Previous;

    /// Removes the record of `key`.
    fn remove(&self, key: &Key) -> Previous;

    /// Decides atomically what becomes of `key`, knowing what is there.
    fn compute(&self, key: &Key, decide: &mut dyn FnMut(Lookup) -> Decision) -> Computed;

    /// Returns how many records there are.
    fn len(&self) -> usize;

    /// Tells whether there are no records.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the memory that the resident records take: the sum of [`Record::cost`] and what the engine adds a record.
    fn cost(&self) -> Cost;

    /// Removes every record; returns how many there were.
    fn clear(&self) -> usize;

    /// Returns at least one and about `n` records from `cursor` on, and where to go on.
    fn fetch(&self, cursor: &Cursor, n: usize) -> Page;

    /// Draws up to `n` resident records.
    fn sample(&self, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)>;
}
