use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_record::codec::encoded_len;
use layerstore_record::{Clock, Key, MapName, Millis, Record, Version};

use crate::error::{ErrorKind, FlushError, StoreError};
use crate::fence::Verdict;
use crate::limits::Limits;
use crate::memory_map::MemoryMap;
use crate::restate::RestateRecords;
use crate::scan::{ScanPage, ScanRequest};
use crate::store::{CloseReport, MapClaim, MapDataStore, TryApply};
use crate::write::{Write, WriteResult};

const NAME: &str = "memory";

/// Keeps records in a sorted map of this process: the reference that every clause of the contract is read against.
///
/// Whatever [`share`](Self::share) returns sees the same contents, as another process on the same disk would: it
/// claims for itself, and what it claims is lost to this one. Dropping one and going on with the other is a restart.
/// Contents live as long as the last of them. Durable as far as it promises, which is not beyond the process.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_data_store::{InMemoryDataStore, MapDataStore, MapDataStoreExt, Write};
/// use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, SystemClock, Timestamp, Version};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = InMemoryDataStore::new(Arc::new(SystemClock));
/// let (map, key) = (MapName::new("users")?, Key::new("alice")?);
/// store.claim(&map).await?;
/// let at = Timestamp::new(Millis(1), 0, NodeId(1));
/// let record = Record::builder(RecordValue::lww("Alice", at), Version::new(at)).build();
/// let result = store.apply_one(Write::new(map.clone(), key.clone(), Arc::new(record))).await;
/// assert!(result.is_applied());
///
/// let reopened = store.share();
/// drop(store);
/// assert!(reopened.load(&map, &key).await?.is_some());
/// # Ok(()) }
/// ```
pub struct InMemoryDataStore {
    /// Shared by every store over the same contents.
    contents: Arc<Contents>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// The epochs that this store claimed. Taken after the contents' lock, never before.
    epochs: Mutex<HashMap<MapName, u64>>,
    closed: AtomicBool,
}

/// How a write is judged and made: as one, or as a restatement.
type Judged = fn(&mut MemoryMap, &Write, Millis) -> Verdict;

/// What would be on the disk.
#[derive(Default)]
struct Contents {
    /// Guards every map as a whole, so that judging a write and making it are one step.
    maps: Mutex<BTreeMap<MapName, MemoryMap>>,
}

impl InMemoryDataStore {
    /// Makes an empty store that judges expiry by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::over(Arc::default(), clock, Limits::default())
    }

    /// Sets what the store holds; what is larger is refused. The size of a record is that of its value in memory.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens another store over the same contents, which holds no claim yet.
    #[must_use]
    pub fn share(&self) -> Self {
        Self::over(Arc::clone(&self.contents), Arc::clone(&self.clock), self.limits)
    }

    fn over(contents: Arc<Contents>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            contents,
            clock,
            limits,
            epochs: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Locks the contents, unless the store is closed.
    fn maps(
        &self,
        operation: &'static str,
    ) -> Result<MutexGuard<'_, BTreeMap<MapName, MemoryMap>>, StoreError> {
        let maps = locked(&self.contents.maps);
        // Looked at under the lock: once `close` has returned, nothing that began before it changes anything.
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::new(
                ErrorKind::Closed,
                NAME,
                operation,
                "open a new one",
            ));
        }
        Ok(maps)
    }

    /// Makes sure that this store holds the claim of a map, and returns it.
    fn claimed<'a>(
        &self,
        maps: &'a mut BTreeMap<MapName, MemoryMap>,
        map: &MapName,
        operation: &'static str,
    ) -> Result<&'a mut MemoryMap, StoreError> {
        let held = locked(&self.epochs).get(map).copied();
        match (held, maps.get_mut(map)) {
            (Some(epoch), Some(contents)) if contents.epoch == epoch => Ok(contents),
            (Some(epoch), Some(contents)) => {
                let what = format!(
                    "epoch {epoch} was followed by {}: another writer claimed it",
                    contents.epoch
                );
                Err(StoreError::new(ErrorKind::Fenced, NAME, operation, what).in_map(map))
            }
            _ => Err(
                StoreError::new(ErrorKind::NotClaimed, NAME, operation, "claim the map first").in_map(map),
            ),
        }
    }

    fn write(
        &self,
        maps: &mut BTreeMap<MapName, MemoryMap>,
        write: &Write,
        judged: Judged,
    ) -> Result<WriteResult, StoreError> {
        let at_key = |error: StoreError| error.at_key(&write.key);
        let map = self.claimed(maps, &write.map, "apply").map_err(at_key)?;
        self.check_size(write)?;
        Ok(judged(map, write, self.clock.now()).into_result(write, NAME))
    }

    fn check_size(&self, write: &Write) -> Result<(), StoreError> {
        // Without a limit nobody has to count.
        let record_bytes = match self.limits.record_bytes {
            usize::MAX => 0,
            _ => encoded_len(&write.record).map_err(|error| {
                let what = "the record cannot be encoded";
                StoreError::new(ErrorKind::TooLarge, NAME, "apply", what).because(error)
            })?,
        };
        let parts = [
            ("map name", write.map.as_str().len(), self.limits.map_name_bytes),
            ("key", write.key.as_bytes().len(), self.limits.key_bytes),
            ("record", record_bytes, self.limits.record_bytes),
        ];
        match parts.into_iter().find(|(_, bytes, limit)| bytes > limit) {
            None => Ok(()),
            Some((part, bytes, limit)) => {
                let what = format!("a {part} of {bytes} bytes is above the limit of {limit}");
                let error = StoreError::new(ErrorKind::TooLarge, NAME, "apply", what);
                Err(error.in_map(&write.map).at_key(&write.key))
            }
        }
    }

    fn apply_all(&self, writes: &[Write], judged: Judged) -> Vec<WriteResult> {
        let mut results = Vec::with_capacity(writes.len());
        // The lock is given up between chunks, so that readers get in during a large batch.
        for chunk in writes.chunks(self.limits.batch_records.max(1)) {
            match self.maps("apply") {
                Ok(mut maps) => results.extend(chunk.iter().map(|write| {
                    self.write(&mut maps, write, judged)
                        .unwrap_or_else(WriteResult::Rejected)
                })),
                Err(closed) => results.extend(chunk.iter().map(|write| {
                    WriteResult::Rejected(closed.clone().in_map(&write.map).at_key(&write.key))
                })),
            }
        }
        results
    }

    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        match self.maps(operation) {
            Ok(_) => Ok(()),
            Err(closed) => Err(FlushError {
                pending: Vec::new(),
                source: Some(closed),
            }),
        }
    }
}

#[async_trait]
impl MapDataStore for InMemoryDataStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let mut maps = self.maps("claim")?;
        let claim = maps.entry(map.clone()).or_default().claim();
        locked(&self.epochs).insert(map.clone(), claim.epoch);
        Ok(claim)
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.apply_all(&writes, MemoryMap::write)
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::Done(self.apply_all(&writes, MemoryMap::write))
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        Some(self)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let maps = self.maps("load")?;
        Ok(maps
            .get(map)
            .and_then(|contents| contents.get(key, self.clock.now())))
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let maps = self.maps("load_all")?;
        let (contents, now) = (maps.get(map), self.clock.now());
        Ok(keys
            .iter()
            .map(|key| contents.and_then(|contents| contents.get(key, now)))
            .collect())
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let maps = self.maps("scan_page")?;
        Ok(maps
            .get(map)
            .map(|contents| contents.page(&request, self.clock.now()))
            .unwrap_or_default())
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let maps = self.maps("list_maps")?;
        Ok(maps
            .iter()
            .filter(|(_, contents)| contents.is_used())
            .map(|(map, _)| map.clone())
            .collect())
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let mut maps = self.maps("clear")?;
        self.claimed(&mut maps, map, "clear")?.clear(up_to);
        Ok(())
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let mut maps = self.maps("purge")?;
        Ok(self
            .claimed(&mut maps, map, "purge")?
            .purge(horizon, self.clock.now()))
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    async fn close(&self, _deadline: Duration) -> CloseReport {
        let _maps = locked(&self.contents.maps);
        self.closed.store(true, Ordering::Release);
        CloseReport::default()
    }
}

#[async_trait]
impl RestateRecords for InMemoryDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.apply_all(&writes, MemoryMap::restate)
    }
}

impl fmt::Debug for InMemoryDataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryDataStore")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Locks; what a panicking thread left is whole, since no step under these locks can panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
