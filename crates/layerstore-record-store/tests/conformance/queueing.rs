//! A data store that acknowledges at once and lets go of a record when the test says so, as one behind a queue does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage, ScanRequest,
    StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};

/// Answers as the store below does, and holds on to every record until it is let go.
pub(crate) struct QueueingDataStore {
    below: Arc<dyn MapDataStore>,
    queue: Mutex<Vec<Write>>,
}

impl QueueingDataStore {
    pub(crate) fn new(below: Arc<dyn MapDataStore>) -> Self {
        Self {
            below,
            queue: Mutex::default(),
        }
    }

    /// Confirms everything in the queue, and lets go of it.
    pub(crate) fn drain(&self) -> usize {
        let queue = std::mem::take(&mut *self.queue.lock().unwrap());
        for write in &queue {
            write.record.mark_stored(write.version().millis());
        }
        queue.len()
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store below"
)]
impl MapDataStore for QueueingDataStore {
    fn name(&self) -> &'static str {
        self.below.name()
    }

    fn limits(&self) -> Limits {
        self.below.limits()
    }

    fn is_null(&self) -> bool {
        false
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.below.claim(map).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.queue.lock().unwrap().extend(writes.iter().cloned());
        self.below.apply(writes).await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        self.queue.lock().unwrap().extend(writes.iter().cloned());
        self.below.try_apply(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.below.restating()
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.below.load(map, key).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.below.load_all(map, keys).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.below.scan_page(map, request).await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.below.list_maps().await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.below.clear(map, up_to).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.below.purge(map, horizon).await
    }

    fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
        let queue = self.queue.lock().unwrap();
        !queue.iter().any(|write| write.map == *map && write.key == *key)
    }

    fn pending_operation_count(&self) -> usize {
        self.queue.lock().unwrap().len()
    }

    fn soft_flush(&self) -> usize {
        self.pending_operation_count()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.drain();
        self.below.hard_flush().await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.below.flush_key(map, key).await
    }

    fn reset(&self) -> usize {
        self.drain()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.below.close(deadline).await
    }
}
