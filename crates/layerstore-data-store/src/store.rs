use std::time::Duration;

use async_trait::async_trait;
use layerstore_record::{Key, MapName, Record, Version};

use crate::error::{FlushError, StoreError};
use crate::limits::Limits;
use crate::restate::RestateRecords;
use crate::scan::{ScanPage, ScanRequest};
use crate::write::{Write, WriteResult};

/// Keeps the records of maps when the process does not: layer 3. Asynchronous, object-safe, batch first.
///
/// # Contract
/// **D1**: a write is idempotent and fenced: an older version never replaces a newer one, nor a newer removal
/// (it is [`Stale`](WriteResult::Stale)); a repeated write of the same version is [`Applied`](WriteResult::Applied),
/// whatever it expects; `expect` compares with the stored version, after the fence. Writes of one batch are made as if one
/// after another, so that of two to one key the newer counts, whatever their order.
/// **D2**: a removal leaves a tombstone, which [`purge`](Self::purge) drops with everything that has ended, once it is
/// older than the horizon. Two floors a map are durable before any row goes: *cleared* (a write at or below it is stale)
/// and *purged* (a write at or below it to an absent key is refused as
/// [`BelowHorizon`](crate::ErrorKind::BelowHorizon)). Floors only rise.
/// **D3**: [`hard_flush`](Self::hard_flush) is a barrier: `Ok` means that every write acknowledged before the call is
/// in the final store; otherwise the error lists what is not.
/// **D4**: keys and map names of any content are stored without collision or escape; what the store cannot hold is
/// refused by [`limits`](Self::limits) and, if tried all the same, as [`TooLarge`](crate::ErrorKind::TooLarge).
/// **D5**: expired records are not returned (as [`Expiry::persisted_end`](layerstore_record::Expiry::persisted_end) has
/// it); the absolute expiry, the times and the version come back with the record; tombstones come back as such.
/// **D6**: errors say whether to retry, and whether the outcome is known; one record's failure is that record's alone.
/// **D7**: a scan sees every record that is present throughout, once, in key byte order; a read error ends it with an
/// error, never early and quietly.
/// **D8**: a map is written by one store at a time: a later [`claim`](Self::claim), by whatever process, fences this one,
/// whose writes, clears and purges then fail as [`Fenced`](crate::ErrorKind::Fenced). The high-water mark of a claim is at
/// or above every version that was ever applied to the map, and both its floors.
/// **D9**: what is acknowledged is durable as far as the store promises: reopening finds every applied write, floor and epoch.
#[async_trait]
pub trait MapDataStore: Send + Sync + 'static {
    /// Returns the kind of store, as errors, spans and metrics name it.
    fn name(&self) -> &'static str;

    /// Returns what this store can hold.
    fn limits(&self) -> Limits;

    /// Tells whether nothing is kept at all, so that no load can ever find anything.
    fn is_null(&self) -> bool {
        false
    }

    /// Claims a map for writing, and tells where its versions stand. Needed before the first write.
    ///
    /// # Errors
    /// A [`StoreError`] when the claim could not be made durable.
    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError>;

    /// Makes writes, and answers for each, in the order given.
    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult>;

    /// Makes writes if that needs neither I/O nor waiting; gives them back otherwise.
    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::NeedsIo(writes)
    }

    /// Returns the ability to replace a record by another form of the same version, where the store has it.
    fn restating(&self) -> Option<&dyn RestateRecords> {
        None
    }

    /// Reads the record of a key; a tombstone comes back as such.
    ///
    /// # Errors
    /// A [`StoreError`] when it could not be read or is not what was written.
    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Reads the records of several keys, in the order given.
    ///
    /// # Errors
    /// As [`load`](Self::load): one for all.
    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// Reads a page of a map, in key byte order.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError>;

    /// Lists the maps that hold records, tombstones or floors, in name order.
    ///
    /// # Errors
    /// A [`StoreError`] when they could not be read.
    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError>;

    /// Drops every record of a map up to a version, and refuses such from now on.
    ///
    /// # Errors
    /// A [`StoreError`]; the floor may stand even so, and a repeated clear finishes the work.
    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError>;

    /// Drops tombstones and ended records up to a version, and refuses older writes to absent keys from now on.
    /// Returns how many were dropped.
    ///
    /// # Errors
    /// A [`StoreError`]; the floor may stand even so.
    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError>;

    /// Tells whether the record of this key could leave memory and be loaded again (a write-behind store, which reads what is pending, says no
    /// while it holds the record itself: nothing would be freed).
    fn is_loadable(&self, _map: &MapName, _key: &Key) -> bool {
        true
    }

    /// Returns how many acknowledged writes are not in the final store yet.
    fn pending_operation_count(&self) -> usize {
        0
    }

    /// Asks for pending writes to be made soon, without waiting; returns how many there are.
    fn soft_flush(&self) -> usize {
        0
    }

    /// Waits until everything acknowledged before the call is in the final store.
    ///
    /// # Errors
    /// [`FlushError`] with what is not.
    async fn hard_flush(&self) -> Result<(), FlushError>;

    /// Waits until everything acknowledged for one key is in the final store.
    ///
    /// # Errors
    /// [`FlushError`] with what is not.
    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError>;

    /// Forgets pending writes, which are then lost on purpose; returns how many there were.
    fn reset(&self) -> usize {
        0
    }

    /// Flushes and ends background work within `deadline`; every later call fails as closed.
    async fn close(&self, deadline: Duration) -> CloseReport;
}

/// What a claim of a map found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MapClaim {
    /// The writer epoch that this store holds from now on; each claim of a map has a higher one.
    pub epoch: u64,
    /// At or above every version that was ever applied to the map, and both floors.
    pub high_water: Version,
    /// Writes at or below are stale.
    pub cleared: Version,
    /// Writes at or below to absent keys are refused.
    pub purged: Version,
}

/// What became of a try to write without I/O.
#[derive(Debug)]
#[must_use]
pub enum TryApply {
    /// The writes were made.
    Done(Vec<WriteResult>),
    /// Nothing was done; here are the writes, for [`MapDataStore::apply`].
    NeedsIo(Vec<Write>),
}

/// How a store ended.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CloseReport {
    /// Acknowledged writes that did not reach the final store.
    pub pending: Vec<(MapName, Key)>,
    /// Why, where one error stands for it.
    pub error: Option<StoreError>,
}

impl MapClaim {
    /// Puts a claim together.
    #[must_use]
    pub fn new(epoch: u64, high_water: Version, cleared: Version, purged: Version) -> Self {
        Self {
            epoch,
            high_water,
            cleared,
            purged,
        }
    }
}

impl CloseReport {
    /// Tells whether everything acknowledged is in the final store.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.error.is_none()
    }
}
