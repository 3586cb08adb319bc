use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage, ScanRequest,
    StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Timestamp, Version};

/// Yields before and after each call, around any data store, so that a caller can go away in the middle of any; and calls
/// writes stale as often as it is told to.
pub struct DawdlingDataStore {
    below: Arc<dyn MapDataStore>,
    yields: usize,
    stale: AtomicU64,
}

impl DawdlingDataStore {
    /// Stands before a store, yielding so many times on each side of a call.
    #[must_use]
    pub fn new(below: Arc<dyn MapDataStore>, yields: usize) -> Self {
        Self {
            below,
            yields,
            stale: AtomicU64::new(0),
        }
    }

    /// Answers so many writes that something newer is there, each time something newer still.
    pub fn answer_stale(&self, times: u64) {
        self.stale.store(times, Ordering::SeqCst);
    }

    async fn dawdle<T>(&self, call: impl Future<Output = T>) -> T {
        for _ in 0..self.yields {
            tokio::task::yield_now().await;
        }
        let answer = call.await;
        for _ in 0..self.yields {
            tokio::task::yield_now().await;
        }
        answer
    }

    /// Says that a version a second ahead of the write stands in its way.
    fn stale(&self, write: &Write) -> Option<WriteResult> {
        let fewer = |left: u64| left.checked_sub(1);
        self.stale
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer)
            .ok()?;
        let version = write.version().timestamp();
        let ahead = Timestamp::new(version.millis().plus(1_000), 0, version.node());
        Some(WriteResult::Stale {
            current: Version::new(ahead),
        })
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store below"
)]
impl MapDataStore for DawdlingDataStore {
    fn name(&self) -> &'static str {
        self.below.name()
    }

    fn limits(&self) -> Limits {
        self.below.limits()
    }

    fn is_null(&self) -> bool {
        self.below.is_null()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.dawdle(self.below.claim(map)).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        if let Some(stale) = writes.first().and_then(|write| self.stale(write)) {
            return vec![stale; writes.len()];
        }
        self.dawdle(self.below.apply(writes)).await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::NeedsIo(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.below.restating()
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.dawdle(self.below.load(map, key)).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.dawdle(self.below.load_all(map, keys)).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.dawdle(self.below.scan_page(map, request)).await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.dawdle(self.below.list_maps()).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.dawdle(self.below.clear(map, up_to)).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.dawdle(self.below.purge(map, horizon)).await
    }

    fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
        self.below.is_loadable(map, key)
    }

    fn pending_operation_count(&self) -> usize {
        self.below.pending_operation_count()
    }

    fn soft_flush(&self) -> usize {
        self.below.soft_flush()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.dawdle(self.below.hard_flush()).await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.dawdle(self.below.flush_key(map, key)).await
    }

    fn reset(&self) -> usize {
        self.below.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.dawdle(self.below.close(deadline)).await
    }
}
