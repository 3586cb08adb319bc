use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{FlushError, ScanRequest};
use layerstore_engine::Cursor;
use layerstore_record::{Key, MapName, Record, RecordValue, Version};

use crate::error::RecordStoreError;
use crate::outcome::{
    CloseReport, Outcome, PromoteReport, RecordPage, ResidentPage, ScanPlace, SweepReport, TryGet, TrySet,
    UnorderedPage,
};
use crate::request::{ComputeFn, MergeSource, NewValue, WriteOptions};
use crate::stats::RecordStoreStats;

/// The records of one partition of a map: memory in front, a data store below, observers beside. Layer 2.
///
/// What each verb does to memory, pending writes, data store and observers is tabled in `docs/verbs.md`.
///
/// # Contract
/// **S1**: writers of a key pass its gate one at a time, in the order of their coming, so that memory, data store and
/// observers see one order and versions only rise. No write waits on another key's I/O, but a
/// [`delete_all`](Self::delete_all), [`reset`](Self::reset) or [`destroy`](Self::destroy) is a write to every key.
/// A write to the same key from inside an observer is an error.
/// **S2**: a write reaches the data store first. One that is *rejected* leaves no trace: value, version, hits and observers
/// are untouched; what the data store cannot hold, by its limits, is rejected before memory is set aside or the data store is
/// asked to write. Of one whose outcome is *unknown* the caller is told so: the memory copy is dropped, the next read loads,
/// and no observer is told before that. A *stale* answer to a client's write makes the store take note of the version that
/// stands in the way and try again with a newer one: it is acknowledged only when applied.
/// **S3**: behind the gate a write that needs I/O runs in a task of the store's own: if the caller goes away it happens
/// whole or not at all, and so does every verb but [`evict`](Self::evict), [`clear_memory`](Self::clear_memory) and
/// [`preload`](Self::preload), which are whole record by record: what they did not come to is as it was. A write that needs none completes synchronously, without a task or a boxed future.
/// **S4**: a read returns the newest acknowledged write, wherever it is: in memory, pending or in the data store.
/// What one read of a key has returned, no later one takes back: calls of a key behave as if each happened at one instant.
/// **S5**: readers who miss the same key share one load, in a task of the store's own, bounded in number and by a deadline.
/// A mutation poisons the load in flight: its result is not installed. Absent keys may be remembered, for a time and up to a number.
/// **S6**: an expired record is never returned, swept or not. Expiry is absolute and persisted: a reload keeps what remained.
/// Each record has its own, changeable later; an idle deadline is persisted when it moved by a tenth of the period (late, never
/// early), and scans and counts have a record that reads keep alive though the data store takes it for ended, up to 65,536 of
/// those in a partition. Sweeps do bounded work. Expiry removes through the data store, or from memory only where so configured, and
/// observers are told of a removal with its reason.
/// **S7**: the memory budget, in records or bytes and shared by maps, is hard. A writer reserves before it stores, evicts, and
/// waits up to the put deadline before it is refused as over budget. A record that exists nowhere else is never evicted (but
/// from a store without a data store, a cache that loses by choice). A value above the budget is refused; a load that does
/// not fit is returned and not kept.
/// **S8**: which record leaves memory is the eviction policy's choice: none, random, least recently used, least frequently
/// used, or sampled two-segment, the default.
/// **S9**: verbs say their scope. `set` is blind and returns the version, `put` returns the previous value and loads it on a
/// miss; `remove` and `delete_all` act everywhere; `evict` and `clear_memory` act on memory alone; `contains`, `count` and scans
/// cover store and pending, in key byte order; `resident_len` and `scan_resident` cover memory. A batch is one call of the
/// data store with a result a record.
/// **S10**: `compute`, `put_if_absent` and `replace` decide and write as one step.
///
/// Where a mutation comes from decides the rest ([`Provenance`](layerstore_record::Provenance)); a map's records are of one kind
/// whatever that is, and what would mix them is refused without a trace.
///
/// **P-client**: a user's write gets a new version above everything known of the key, replaces what is there, is applied, and
/// told as put, update or remove.
/// **P-merge**: a peer's state is merged with what is there, loaded where memory does not know. It gets a new version, is
/// applied and told as put, update or remove if that changed anything; else nothing is written and nobody told.
/// **P-replication**: the same, told as a replication.
/// **P-backup**: a copy keeps its owner's version, which must rise. It is in memory alone, neither flushed nor evicted; one
/// that has ended leaves a tombstone, so that nothing older comes to light. [`promote`](Self::promote) makes each a write under
/// that version, and says which were fenced out. Told as put, update or remove, marked backup.
/// **P-load**: a load keeps the data store's version, is installed only where memory has none or an older one, written
/// nowhere, and told as a load.
#[async_trait]
pub trait RecordStore: Send + Sync + 'static {
    /// Returns the map.
    fn map(&self) -> &MapName;

    /// Returns the partition of the map, 0 when it has one.
    fn partition(&self) -> u32;

    /// Tells whether the key is one of this partition. No verb looks: a key in the wrong one would be in two memories that do not know each other.
    fn owns(&self, key: &Key) -> bool;

    /// Claims the map in the data store and resumes above its versions. Needed before the first write; repeating it is harmless.
    ///
    /// # Errors
    /// [`Store`](crate::RecordErrorKind::Store) when the data store cannot be reached or refuses.
    async fn init(&self) -> Result<(), RecordStoreError>;

    /// Reads a record as far as memory knows, counting a hit. Synchronous, without I/O.
    fn try_get(&self, key: &Key) -> TryGet;

    /// Reads a record as far as memory knows, without counting a hit: for who looks, and is no reader. Synchronous, without I/O.
    fn peek(&self, key: &Key) -> TryGet;

    /// Reads a record in place as far as memory knows, counting a hit; the reader must not call back into the store.
    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> TryGet<()>;

    /// Reads a record, loading it when it is not in memory.
    ///
    /// # Errors
    /// What keeps it from being loaded: `Store`, `Deadline`, `Busy`, `Engine`, `Closed`.
    async fn get(&self, key: &Key) -> Result<Option<Arc<Record>>, RecordStoreError>;

    /// Reads several records in the order given, with one load of what is not in memory; where that is more than may wait to
    /// be loaded, with one load after the other, each with the load deadline.
    ///
    /// # Errors
    /// As [`get`](Self::get): one for all.
    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Arc<Record>>>, RecordStoreError>;

    /// Tells whether there is a record, without counting a hit; loads it when memory does not know.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn contains(&self, key: &Key) -> Result<bool, RecordStoreError>;

    /// Counts the records by reading through all of them: takes time in proportion to their number.
    ///
    /// # Errors
    /// As [`scan_page`](Self::scan_page).
    async fn count(&self) -> Result<u64, RecordStoreError>;

    /// Writes a value if that needs neither I/O nor waiting.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    fn try_set(&self, key: &Key, value: NewValue, options: &WriteOptions)
    -> Result<TrySet, RecordStoreError>;

    /// Writes a value blindly, without loading what was there.
    ///
    /// # Errors
    /// `Store`, `Fenced`, `TooLarge`: the data store refused, nothing was written. `OutcomeUnknown`: it may have been.
    /// `OverBudget`, `Deadline`: no room, or no turn, in time. `KindMismatch`, `TooDeep`, `InvalidExpiry`: the request
    /// cannot be. `Reentrant`: called from inside an observer of this key. `Closed`.
    async fn set(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<()>, RecordStoreError>;

    /// Writes a value and returns the record that it replaces, loading it when it is not in memory.
    ///
    /// # Errors
    /// As [`set`](Self::set) and [`get`](Self::get).
    async fn put(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError>;

    /// Writes several values, as [`set`](Self::set) does, with one call of the data store; a result a record, in the order given.
    async fn put_all(
        &self,
        records: Vec<(Key, NewValue)>,
        options: &WriteOptions,
    ) -> Vec<Result<Outcome<()>, RecordStoreError>>;

    /// Removes a record everywhere and returns it. Where there is no record there is nothing to remove, and no version, but
    /// where an earlier write's outcome is unknown: a tombstone then keeps it out, should it land late.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    async fn remove(&self, key: &Key) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError>;

    /// Removes several records, as [`remove`](Self::remove) does, with one call of the data store; a result a record.
    async fn remove_all(&self, keys: &[Key]) -> Vec<Result<Outcome<Option<Arc<Record>>>, RecordStoreError>>;

    /// Writes a value where there is no record; returns the record that is there otherwise.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    async fn put_if_absent(
        &self,
        key: &Key,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError>;

    /// Replaces the record of this version.
    ///
    /// The version rises with every accepted write, one that only moves the expiry included: the data store takes nothing of
    /// a version that it has. So does the store's own write of an idle deadline that reads have moved, once a tenth of the
    /// period has passed: a record with an idle time may conflict though nobody changed it, and the caller reads it again.
    /// [`compute`](Self::compute) decides on what is there, whatever its version.
    ///
    /// # Errors
    /// `Conflict` with the version that is there; and as [`put`](Self::put).
    async fn replace(
        &self,
        key: &Key,
        expected: Version,
        value: NewValue,
        options: &WriteOptions,
    ) -> Result<Outcome<()>, RecordStoreError>;

    /// Decides what becomes of a record, knowing it; returns the record that is there afterwards.
    ///
    /// # Errors
    /// As [`put`](Self::put); `Panicked` when the computation does.
    async fn compute(
        &self,
        key: &Key,
        compute: ComputeFn,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError>;

    /// Merges a value into the record; returns the live record that is there afterwards. No version when that changed nothing.
    ///
    /// # Errors
    /// `ClockDrift` when the value comes from a clock too far ahead; and as [`put`](Self::put).
    async fn merge(
        &self,
        key: &Key,
        value: RecordValue,
        source: MergeSource,
        options: &WriteOptions,
    ) -> Result<Outcome<Option<Arc<Record>>>, RecordStoreError>;

    /// Keeps a copy of another owner's record, under the owner's version, in memory alone.
    ///
    /// It is neither written to the data store nor evicted until [`promote`](Self::promote).
    ///
    /// # Errors
    /// `NotNewer` when the version does not rise; `OverBudget`, `TooLarge`, `KindMismatch`, `Deadline`, `Reentrant`, `Closed`.
    async fn put_backup(&self, key: &Key, record: Arc<Record>) -> Result<Outcome<()>, RecordStoreError>;

    /// Becomes the owner: writes every backup to the data store, under its version, so that a newer record there stands.
    ///
    /// # Errors
    /// `Closed`; what fails for one record is in the report.
    async fn promote(&self) -> Result<PromoteReport, RecordStoreError>;

    /// Gives a record new periods, from now on; returns whether there is a record.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    async fn set_expiry(&self, key: &Key, periods: &WriteOptions) -> Result<Outcome<bool>, RecordStoreError>;

    /// Reads a record from the data store even if memory has it; installs it where memory has none or an older one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn load(&self, key: &Key) -> Result<Option<Arc<Record>>, RecordStoreError>;

    /// Reads records from the data store into memory, in key order, up to `limit` or until memory is full, evicting nothing.
    /// Returns how many were installed. Dropped, it has installed some records and left out the others.
    ///
    /// # Errors
    /// As [`scan_page`](Self::scan_page).
    async fn preload(&self, limit: usize) -> Result<usize, RecordStoreError>;

    /// Reads a page of records in key byte order: of the data store, pending writes and memory together, without what has expired.
    ///
    /// Without a data store a page reads through the whole memory: ask for large pages, or for
    /// [any order](Self::scan_unordered).
    ///
    /// # Errors
    /// `Store`, `Deadline`, `Engine`, `Closed`: a page is whole or an error.
    async fn scan_page(&self, request: ScanRequest) -> Result<RecordPage, RecordStoreError>;

    /// Reads about `limit` records of those that [`scan_page`](Self::scan_page) reads, in whatever order costs least: a whole scan
    /// reads everything once, also without a data store. A record that is there throughout comes at least once, and may come twice
    /// where the page is not in key order.
    ///
    /// # Errors
    /// As [`scan_page`](Self::scan_page).
    async fn scan_unordered(
        &self,
        place: &ScanPlace,
        limit: usize,
    ) -> Result<UnorderedPage, RecordStoreError>;

    /// Returns how many records are in memory, those that have ended and were not swept included.
    fn resident_len(&self) -> usize;

    /// Reads about `limit` records that are in memory, without counting hits; a record may come twice in a scan.
    fn scan_resident(&self, cursor: &Cursor, limit: usize) -> ResidentPage;

    /// Drops a record from memory; returns whether it was there and could be dropped. An idle deadline that reads have moved is
    /// persisted first: the future dropped, that may have happened without the eviction.
    ///
    /// # Errors
    /// `Deadline`, `Reentrant`, `Closed`; and as [`set`](Self::set) when an idle deadline has to be persisted first.
    async fn evict(&self, key: &Key) -> Result<bool, RecordStoreError>;

    /// Drops what memory knows of a key, also that there is no record, so that the next read asks the data store; returns whether a record was
    /// there. For who knows that the data store holds something else now: nothing is written first, an idle deadline that reads have moved
    /// is lost. A backup stays.
    ///
    /// # Errors
    /// `Deadline`, `Reentrant`, `Closed`.
    async fn forget(&self, key: &Key) -> Result<bool, RecordStoreError>;

    /// Drops from memory every record that the data store has; returns how many. Reads load them again. The future dropped, some
    /// are gone and others are there, each of them whole.
    ///
    /// # Errors
    /// As [`evict`](Self::evict).
    async fn clear_memory(&self) -> Result<usize, RecordStoreError>;

    /// Removes every record of the partition, everywhere; returns how many were in memory.
    ///
    /// # Errors
    /// As [`set`](Self::set). Records may be gone even so: memory is dropped, and a repeated call finishes the work.
    async fn delete_all(&self) -> Result<Outcome<usize>, RecordStoreError>;

    /// Forgets memory and the data store's pending writes, which are lost on purpose; the data store is as it was.
    /// Returns how many records were in memory.
    ///
    /// # Errors
    /// `Deadline`, `Reentrant`, `Closed`.
    async fn reset(&self) -> Result<Outcome<usize>, RecordStoreError>;

    /// Drops memory and refuses every later call; the data store is as it was. `shutdown` tells observers whether the whole
    /// service ends or this map alone goes: the last that they hear, and a later [`close`](Self::close) does not repeat it.
    ///
    /// # Errors
    /// `Deadline`, `Reentrant`, `Closed`.
    async fn destroy(&self, shutdown: Shutdown) -> Result<Outcome<()>, RecordStoreError>;

    /// Asks the data store to write pending writes soon; returns how many there are.
    fn soft_flush(&self) -> usize;

    /// Waits until every write that was acknowledged before the call is in the final store.
    ///
    /// # Errors
    /// [`FlushError`] with what is not.
    async fn hard_flush(&self) -> Result<(), FlushError>;

    /// Looks at a bounded number of records in memory: removes what has ended, persists idle deadlines that moved.
    ///
    /// # Errors
    /// `Closed`; what fails for one record is counted, and tried again by the next sweep.
    async fn sweep(&self) -> Result<SweepReport, RecordStoreError>;

    /// Returns what the store has counted so far.
    fn stats(&self) -> RecordStoreStats;

    /// Refuses new work, persists idle deadlines, and waits up to `deadline` for loads and writes under way. Then observers are
    /// told that the service ends: once, and as the last that they hear. The data store stays open: others may share it.
    async fn close(&self, deadline: Duration) -> CloseReport;
}

/// What is going away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// This map alone.
    Map,
    /// The whole service.
    Service,
}
