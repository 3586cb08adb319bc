use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage, ScanRequest,
    StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};
use tracing::warn;

use crate::opening::WriteBehindBuilder;
use crate::shared::Shared;
use crate::worker::Worker;

/// Acknowledges writes before the data store behind it has them, and writes them there later: newest first of each key, in batches, and
/// again until they are there.
///
/// With a [log](WriteBehindBuilder::log) an acknowledged write is on disk, and survives the process and, as its
/// [`SyncPolicy`](crate::SyncPolicy) says, the power. Without one it is in memory alone, and lost with the process.
///
/// A map is written through one such store at a time: whoever else writes to the store behind it is not seen, until its claim of the map
/// fences this one. Then what is pending of the map stays in the log, and its writes are refused.
///
/// # Contract
/// **W1**: what was acknowledged is pending, in the final store, or superseded by something newer of its key, until it is forgotten by
/// [`reset`](MapDataStore::reset) or discarded by name. With a log that holds across restarts, as far as the log promises.
/// **W2**: of each key the final store is given versions that rise: one write at a time, and a failed older one never after a newer.
/// **W3**: reads and scans see what is pending in place of what the final store holds, and conditions are judged over it.
/// **W4**: what is pending is bounded in records and bytes. At the bound a write waits, is refused, spills to the log or goes through to the
/// store, as was chosen; it is never dropped.
/// **W5**: a key that the store does not take delays no other. What a retry may cure is tried again, with growing pauses, until it succeeds;
/// what none cures becomes a dead letter: durable, visible to reads, and kept until it is retried, discarded or superseded.
/// **W6**: a flush that returns `Ok` means that everything acknowledged before is in the final store; otherwise its error lists what is not.
/// Flushes and closing end by their deadlines.
/// **W7**: opening takes over what the log holds, in order of versions: nothing that is newer in the final store is overwritten.
/// **W8**: dropping the store ends its task and its thread, says in the log of the process what was pending, and loses nothing that a
/// log holds.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_data_store::{InMemoryDataStore, MapDataStore, MapDataStoreExt, Write};
/// use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, SystemClock, Timestamp, Version};
/// use layerstore_write_behind::WriteBehindDataStore;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let behind = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
/// let store = WriteBehindDataStore::builder(behind.clone(), Arc::new(SystemClock)).open().await?.0;
/// let (map, key) = (MapName::new("users")?, Key::new("alice")?);
/// store.claim(&map).await?;
/// let at = Timestamp::new(Millis(1), 0, NodeId(1));
/// let record = Record::builder(RecordValue::lww("Alice", at), Version::new(at)).build();
/// assert!(store.apply_one(Write::new(map.clone(), key.clone(), Arc::new(record))).await.is_applied());
/// assert!(store.load(&map, &key).await?.is_some(), "reads see what is pending");
/// store.hard_flush().await?;
/// assert!(behind.load(&map, &key).await?.is_some());
/// # Ok(()) }
/// ```
pub struct WriteBehindDataStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Worker,
}

impl WriteBehindDataStore {
    /// Begins with the defaults and without a log, before `store`. `clock` tells when records end and when the log is to be synced.
    pub fn builder(
        store: Arc<dyn MapDataStore>,
        clock: Arc<dyn layerstore_record::Clock>,
    ) -> WriteBehindBuilder {
        WriteBehindBuilder::new(store, clock)
    }

    /// Flushes, within `deadline` instead of the flush timeout of the options.
    ///
    /// # Errors
    /// [`FlushError`] with what is not in the final store.
    pub async fn flush(&self, deadline: Duration) -> Result<(), FlushError> {
        self.shared.flush(deadline, None).await
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store behind"
)]
impl MapDataStore for WriteBehindDataStore {
    fn name(&self) -> &'static str {
        crate::STORE
    }

    fn limits(&self) -> Limits {
        self.shared.limits
    }

    fn is_null(&self) -> bool {
        false
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.shared.check_open("claim")?;
        self.shared.claim(map, true).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.shared.apply(writes).await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        self.shared.try_apply(writes)
    }

    /// A form of a record that is pending would have to be kept in the queue: only what stands behind may keep some.
    fn restating(&self) -> Option<&dyn RestateRecords> {
        None
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.shared.load(map, key).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.shared.load_all(map, keys).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.shared.scan_page(map, request).await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.shared.list_maps().await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.shared.clear(map, up_to).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.shared.purge(map, horizon).await
    }

    /// Loads always tell the truth, since they see what is pending. This says no of a key whose pending value is in memory: to evict its
    /// record would free nothing.
    fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
        !self.shared.queue().holds(map, key) && self.shared.inner.is_loadable(map, key)
    }

    fn pending_operation_count(&self) -> usize {
        self.shared.queue().counts().records + self.shared.inner.pending_operation_count()
    }

    fn soft_flush(&self) -> usize {
        let pending = self.shared.queue().counts().records;
        self.shared.hurry();
        pending + self.shared.inner.soft_flush()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.shared.flush(self.shared.options.flush_timeout, None).await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.shared
            .flush(self.shared.options.flush_timeout, Some((map, key)))
            .await
    }

    fn reset(&self) -> usize {
        self.shared.forget() + self.shared.inner.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.shared.close(&self.worker, deadline).await
    }
}

impl Drop for WriteBehindDataStore {
    fn drop(&mut self) {
        let was_closed = self.shared.closed.swap(true, Ordering::AcqRel);
        self.worker.abort();
        let pending = self.shared.queue().counts().records;
        if was_closed || pending == 0 {
            return;
        }
        let store = self.shared.inner.name();
        if self.shared.log.is_some() {
            warn!(
                store,
                pending,
                "a write-behind store was dropped and not closed: the next opening of its log takes over what is pending"
            );
        } else {
            warn!(
                store,
                pending,
                "a write-behind store without a log was dropped and not closed: what was pending is lost"
            );
        }
    }
}

impl fmt::Debug for WriteBehindDataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehindDataStore")
            .field("behind", &self.shared.inner.name())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
