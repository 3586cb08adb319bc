use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage, ScanRequest,
    StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};

use super::call::Call;
use super::restate::restate;

/// Notes what it is asked, around any data store, in the order in which the calls came.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_data_store::{MapDataStore, NullDataStore};
/// use layerstore_record::{Key, MapName};
/// use layerstore_testkit::doubles::{Call, RecordingDataStore};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RecordingDataStore::new(Arc::new(NullDataStore::new()));
/// store.load(&MapName::new("users")?, &Key::new("alice")?).await?;
/// assert_eq!(store.count(Call::Load), 1);
/// assert_eq!(store.take()[0].targets[0].key.as_ref().map(Key::as_str), Some("alice"));
/// # Ok(()) }
/// ```
pub struct RecordingDataStore {
    inner: Arc<dyn MapDataStore>,
    /// What was asked so far; never locked across an await.
    calls: Mutex<Vec<Recorded>>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The method.
    pub call: Call,
    /// What it was about: a write or a key each, or a map as a whole.
    pub targets: Vec<Target>,
}

/// What a call was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The map.
    pub map: MapName,
    /// The key, where the call named one.
    pub key: Option<Key>,
    /// The version of the write, or the bound of the clear or purge.
    pub version: Option<Version>,
}

impl RecordingDataStore {
    /// Stands before a store, with nothing noted yet.
    #[must_use]
    pub fn new(inner: Arc<dyn MapDataStore>) -> Self {
        Self {
            inner,
            calls: Mutex::default(),
        }
    }

    /// Returns what was asked so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Recorded> {
        self.noted().clone()
    }

    /// Returns what was asked so far, and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.noted())
    }

    /// Returns how many calls of this method were made.
    #[must_use]
    pub fn count(&self, call: Call) -> usize {
        self.noted().iter().filter(|noted| noted.call == call).count()
    }

    /// Returns the versions with which a key was written, in the order in which they were tried.
    #[must_use]
    pub fn versions(&self, map: &MapName, key: &Key) -> Vec<Version> {
        let noted = self.noted();
        let writes = noted
            .iter()
            .filter(|noted| matches!(noted.call, Call::Apply | Call::TryApply));
        let targets = writes.flat_map(|noted| &noted.targets);
        targets
            .filter(|target| target.map == *map && target.key.as_ref() == Some(key))
            .filter_map(|target| target.version)
            .collect()
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, call: Call, targets: impl IntoIterator<Item = Target>) {
        let targets = targets.into_iter().collect();
        self.noted().push(Recorded { call, targets });
    }
}

impl Target {
    fn map(map: &MapName) -> Self {
        Self {
            map: map.clone(),
            key: None,
            version: None,
        }
    }

    fn key(map: &MapName, key: &Key) -> Self {
        Self {
            key: Some(key.clone()),
            ..Self::map(map)
        }
    }

    fn up_to(map: &MapName, version: Version) -> Self {
        Self {
            version: Some(version),
            ..Self::map(map)
        }
    }

    fn write(write: &Write) -> Self {
        Self {
            version: Some(write.version()),
            ..Self::key(&write.map, &write.key)
        }
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store below"
)]
impl MapDataStore for RecordingDataStore {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn is_null(&self) -> bool {
        self.inner.is_null()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.note(Call::Claim, [Target::map(map)]);
        self.inner.claim(map).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.note(Call::Apply, writes.iter().map(Target::write));
        self.inner.apply(writes).await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        // Writes that are given back are noted by the `apply` that follows.
        let targets: Vec<Target> = writes.iter().map(Target::write).collect();
        let answer = self.inner.try_apply(writes);
        if matches!(answer, TryApply::Done(_)) {
            self.note(Call::TryApply, targets);
        }
        answer
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.inner.restating().map(|_| self as &dyn RestateRecords)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.note(Call::Load, [Target::key(map, key)]);
        self.inner.load(map, key).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.note(Call::LoadAll, keys.iter().map(|key| Target::key(map, key)));
        self.inner.load_all(map, keys).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.note(Call::ScanPage, [Target::map(map)]);
        self.inner.scan_page(map, request).await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.note(Call::ListMaps, []);
        self.inner.list_maps().await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.note(Call::Clear, [Target::up_to(map, up_to)]);
        self.inner.clear(map, up_to).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.note(Call::Purge, [Target::up_to(map, horizon)]);
        self.inner.purge(map, horizon).await
    }

    fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
        self.inner.is_loadable(map, key)
    }

    fn pending_operation_count(&self) -> usize {
        self.inner.pending_operation_count()
    }

    fn soft_flush(&self) -> usize {
        self.note(Call::SoftFlush, []);
        self.inner.soft_flush()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.note(Call::HardFlush, []);
        self.inner.hard_flush().await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.note(Call::FlushKey, [Target::key(map, key)]);
        self.inner.flush_key(map, key).await
    }

    fn reset(&self) -> usize {
        self.note(Call::Reset, []);
        self.inner.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.note(Call::Close, []);
        self.inner.close(deadline).await
    }
}

#[async_trait]
impl RestateRecords for RecordingDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.note(Call::Restate, writes.iter().map(Target::write));
        restate(&*self.inner, writes).await
    }
}
