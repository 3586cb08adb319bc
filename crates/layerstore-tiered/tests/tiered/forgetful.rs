//! A store that says yes to every write, and keeps nothing of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, ScanPage, ScanRequest, StoreError, Write,
    WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};

/// Acknowledges, and forgets.
pub(crate) struct ForgetfulDataStore {
    below: Arc<dyn MapDataStore>,
}

impl ForgetfulDataStore {
    pub(crate) fn new(below: Arc<dyn MapDataStore>) -> Self {
        Self { below }
    }
}

#[async_trait]
impl MapDataStore for ForgetfulDataStore {
    fn name(&self) -> &'static str {
        "forgetful"
    }

    fn limits(&self) -> Limits {
        self.below.limits()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.below.claim(map).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        vec![WriteResult::Applied; writes.len()]
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

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.below.hard_flush().await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.below.flush_key(map, key).await
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.below.close(deadline).await
    }
}
