use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_record::{Key, MapName, Record, Version};

use crate::error::{ErrorKind, FlushError, StoreError};
use crate::limits::Limits;
use crate::scan::{ScanPage, ScanRequest};
use crate::store::{CloseReport, MapClaim, MapDataStore, TryApply};
use crate::write::{Write, WriteResult};

const NAME: &str = "null";

/// Keeps nothing: for maps that live in memory alone.
///
/// Every write is applied at once and forgotten, so nothing is ever stale, in conflict or found. Conditions are the
/// record store's to judge, over what it holds in memory.
///
/// ```
/// use layerstore_data_store::{MapDataStore, NullDataStore, TryApply};
///
/// let store = NullDataStore::new();
/// assert!(store.is_null());
/// assert!(matches!(store.try_apply(Vec::new()), TryApply::Done(results) if results.is_empty()));
/// ```
#[derive(Debug, Default)]
pub struct NullDataStore {
    epoch: AtomicU64,
    closed: AtomicBool,
}

impl NullDataStore {
    /// Makes a store that keeps nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn check_open(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::new(
                ErrorKind::Closed,
                NAME,
                operation,
                "open a new one",
            ));
        }
        Ok(())
    }

    fn forget(&self, writes: &[Write]) -> Vec<WriteResult> {
        let answer = |write: &Write| match self.check_open("apply") {
            Ok(()) => WriteResult::Applied,
            Err(closed) => WriteResult::Rejected(closed.in_map(&write.map).at_key(&write.key)),
        };
        writes.iter().map(answer).collect()
    }

    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        let closed = |error| FlushError {
            pending: Vec::new(),
            source: Some(error),
        };
        self.check_open(operation).map_err(closed)
    }
}

#[async_trait]
impl MapDataStore for NullDataStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn is_null(&self) -> bool {
        true
    }

    async fn claim(&self, _map: &MapName) -> Result<MapClaim, StoreError> {
        self.check_open("claim")?;
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        Ok(MapClaim::new(epoch, Version::ZERO, Version::ZERO, Version::ZERO))
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.forget(&writes)
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::Done(self.forget(&writes))
    }

    async fn load(&self, _map: &MapName, _key: &Key) -> Result<Option<Record>, StoreError> {
        self.check_open("load").map(|()| None)
    }

    async fn load_all(&self, _map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.check_open("load_all")?;
        Ok(keys.iter().map(|_| None).collect())
    }

    async fn scan_page(&self, _map: &MapName, _request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.check_open("scan_page").map(|()| ScanPage::default())
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.check_open("list_maps").map(|()| Vec::new())
    }

    async fn clear(&self, _map: &MapName, _up_to: Version) -> Result<(), StoreError> {
        self.check_open("clear")
    }

    async fn purge(&self, _map: &MapName, _horizon: Version) -> Result<u64, StoreError> {
        self.check_open("purge").map(|()| 0)
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    async fn close(&self, _deadline: Duration) -> CloseReport {
        self.closed.store(true, Ordering::Release);
        CloseReport::default()
    }
}
