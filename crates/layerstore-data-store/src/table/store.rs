use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use layerstore_record::{Clock, Key, MapName, Millis, Record, Version};
use tokio::sync::RwLock;
use tokio::time::timeout;

use super::call::Call;
use super::fault::TableFault;
use super::page::{KeyRange, Page};
use super::record_table::{ListMaps, RecordTable};
use super::turn::Turn;
use crate::error::{ErrorKind, FlushError, StoreError};
use crate::fence::{Floors, Held};
use crate::limits::Limits;
use crate::scan::{ScanPage, ScanRequest};
use crate::store::{CloseReport, MapClaim, MapDataStore};
use crate::write::{Write, WriteResult};

/// A read, or a transaction of up to `batch_records` writes, may take this long: 30 s, which is a thousand statements of
/// 10 ms each three times over.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest call timeout; a longer one is taken for this: a day.
const LONGEST_CALL_TIMEOUT: Duration = Duration::from_secs(86_400);

/// Keeps records in a [`RecordTable`]: the contract of data stores over the statements of a table that is there already.
///
/// Every call is a transaction, or a read, of its own; a batch of writes is one transaction for each map in it and each
/// `batch_records` of them, with one statement that reads what is held and one for each record that is stored. So a
/// record costs a round trip to the database at least, and a lone write four or five.
///
/// A call ends within the call timeout (a batch: for each of its transactions) as [`Timeout`](crate::ErrorKind::Timeout).
/// Its outcome is unknown where the commit was under way, and whenever a commit failed. Nothing is tried again here: for
/// that there is `ResilientDataStore`. Needs a tokio runtime with its timer.
///
/// What it refuses, beside what the table refuses: other maps than the table's, text with a NUL where the table holds none
/// ([`Rejected`](crate::ErrorKind::Rejected)), names and keys beyond its limits
/// ([`TooLarge`](crate::ErrorKind::TooLarge)), and pages out of byte order ([`Corrupt`](crate::ErrorKind::Corrupt)).
///
/// An example, with its table and a test of each clause, is `examples/existing_table` of `layerstore-postgres`.
pub struct TableDataStore<T: RecordTable> {
    table: T,
    maps: Maps<T>,
    clock: Arc<dyn Clock>,
    call_timeout: Duration,
    /// The epochs that this store claimed.
    epochs: Mutex<HashMap<MapName, u64>>,
    is_closed: AtomicBool,
    /// Every call holds a share of it; closing waits for the whole.
    calls: RwLock<()>,
}

/// Which maps the table has a place for.
enum Maps<T: RecordTable> {
    /// This one.
    One(MapName),
    /// Any; this asks the table which of them are in use.
    Any(List<T>),
}

/// Asks a table for the names of its maps.
type List<T> = for<'a> fn(&'a T) -> BoxFuture<'a, Result<Vec<String>, <T as RecordTable>::Error>>;

impl<T: RecordTable> TableDataStore<T> {
    /// Makes a data store of a table that keeps this one map; every other is refused. Expiry is judged by this clock.
    #[must_use]
    pub fn new(map: MapName, table: T, clock: Arc<dyn Clock>) -> Self {
        Self::of(Maps::One(map), table, clock)
    }

    /// Makes a data store of a table that keeps any number of maps.
    #[must_use]
    pub fn of_maps(table: T, clock: Arc<dyn Clock>) -> Self
    where
        T: ListMaps,
    {
        Self::of(Maps::Any(|table| table.list_maps()), table, clock)
    }

    fn of(maps: Maps<T>, table: T, clock: Arc<dyn Clock>) -> Self {
        Self {
            table,
            maps,
            clock,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            epochs: Mutex::default(),
            is_closed: AtomicBool::new(false),
            calls: RwLock::new(()),
        }
    }

    /// Sets how long a read or a transaction may take (default [`DEFAULT_CALL_TIMEOUT`], a day at most).
    #[must_use]
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout.min(LONGEST_CALL_TIMEOUT);
        self
    }

    /// Returns the table.
    #[must_use]
    pub fn table(&self) -> &T {
        &self.table
    }

    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(super) fn epoch(&self, map: &MapName) -> Option<u64> {
        self.epochs().get(map).copied()
    }

    pub(super) fn batch_records(&self) -> usize {
        self.table.limits().batch_records.max(1)
    }

    /// Begins a call, unless the store is closed.
    pub(super) async fn call<'a>(
        &'a self,
        operation: &'static str,
        map: Option<&'a MapName>,
    ) -> Result<Call<'a, T>, StoreError> {
        // Looked at first, so that no call waits for others to end while the store is closing; and again once closing
        // cannot pass by any more.
        self.check_open(operation)?;
        let open = self.calls.read().await;
        self.check_open(operation)?;
        Ok(Call::begin(&self.table, operation, map, self.call_timeout, open))
    }

    fn check_open(&self, operation: &'static str) -> Result<(), StoreError> {
        match self.is_closed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(self.error(ErrorKind::Closed, operation, "open a new one")),
        }
    }

    pub(super) fn check_map(&self, operation: &'static str, map: &MapName) -> Result<(), StoreError> {
        let (bytes, limit) = (map.as_str().len(), self.table.limits().map_name_bytes);
        if bytes > limit {
            let what = format!("a map name of {bytes} bytes is above the limit of {limit}");
            return Err(self.error(ErrorKind::TooLarge, operation, what).in_map(map));
        }
        match &self.maps {
            Maps::One(only) if only != map => {
                let what = "the table keeps one map, and this is another";
                Err(self.error(ErrorKind::Rejected, operation, what).in_map(map))
            }
            Maps::One(_) | Maps::Any(_) => Ok(()),
        }
    }

    pub(super) fn check_key(&self, operation: &'static str, key: &Key) -> Result<(), StoreError> {
        let (bytes, limit) = (key.as_bytes().len(), self.table.limits().key_bytes);
        if bytes > limit {
            let what = format!("a key of {bytes} bytes is above the limit of {limit}");
            return Err(self.error(ErrorKind::TooLarge, operation, what));
        }
        if !T::HOLDS_NUL && key.as_str().contains('\0') {
            let what = "text in the table holds no NUL: use other keys, or a column of bytes";
            return Err(self.error(ErrorKind::Rejected, operation, what));
        }
        Ok(())
    }

    pub(super) fn error(
        &self,
        kind: ErrorKind,
        operation: &'static str,
        what: impl Into<String>,
    ) -> StoreError {
        StoreError::new(kind, T::NAME, operation, what)
    }

    /// Reads what a reader may see under these keys (D5).
    async fn read(
        &self,
        operation: &'static str,
        map: &MapName,
        keys: &[Key],
    ) -> Result<HashMap<Key, Record>, StoreError> {
        let call = self.call(operation, Some(map)).await?;
        self.check_map(operation, map)?;
        // What could not be written is not there, and not every server takes the question.
        let askable = keys.iter().filter(|key| self.check_key(operation, key).is_ok());
        let (askable, now): (Vec<Key>, _) = (askable.cloned().collect(), self.now());
        let mut records = HashMap::with_capacity(askable.len());
        for keys in askable.chunks(self.batch_records()) {
            let found = call.wait(self.table.load(None, map, keys)).await?;
            // No record lies below the cleared floor: it was deleted in the transaction that raised the floor.
            let visible = |(_, record): &(Key, Record)| Held::is_visible(record, Floors::default(), now);
            records.extend(found.into_iter().filter(visible));
        }
        Ok(records)
    }

    /// Tells whether the map holds records, tombstones or floors.
    async fn is_used(&self, operation: &'static str, map: &MapName) -> Result<bool, StoreError> {
        let call = self.call(operation, Some(map)).await?;
        let first = KeyRange {
            first: "",
            last: None,
            limit: 1,
        };
        let found = call.wait(self.table.scan(map, first)).await?;
        Ok(!found.is_empty() || Turn::has_floors(call, map).await?)
    }

    async fn turn<'a>(
        &'a self,
        operation: &'static str,
        map: &'a MapName,
    ) -> Result<Turn<'a, T>, StoreError> {
        let call = self.call(operation, Some(map)).await?;
        self.check_map(operation, map)?;
        Turn::take(call, map, self.epoch(map)).await
    }

    /// What was acknowledged was committed (D3, D9): there is nothing to wait for.
    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        self.check_open(operation).map_err(|closed| FlushError {
            pending: Vec::new(),
            source: Some(closed),
        })
    }

    fn epochs(&self) -> MutexGuard<'_, HashMap<MapName, u64>> {
        // No step under this lock can panic half-way, so what is there is whole.
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<T: RecordTable> MapDataStore for TableDataStore<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn limits(&self) -> Limits {
        self.table.limits()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let call = self.call("claim", Some(map)).await?;
        self.check_map("claim", map)?;
        let claim = Turn::claim(call, map).await?;
        // Of two claims at once the later one holds, whichever comes here first.
        let mut epochs = self.epochs();
        let epoch = epochs.entry(map.clone()).or_default();
        *epoch = claim.epoch.max(*epoch);
        Ok(claim)
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.write_all(&writes).await
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut found = self
            .read("load", map, std::slice::from_ref(key))
            .await
            .map_err(|error| error.at_key(key))?;
        Ok(found.remove(key))
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let found = self.read("load_all", map, keys).await?;
        Ok(keys.iter().map(|key| found.get(key).map(copy)).collect())
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let call = self.call("scan_page", Some(map)).await?;
        self.check_map("scan_page", map)?;
        let Some(page) = Page::of(&request, T::HOLDS_NUL) else {
            return Ok(ScanPage::default());
        };
        let found = call.wait(self.table.scan(map, page.range())).await?;
        page.answer(found, self.now()).map_err(|fault| call.failed(fault))
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let list = match &self.maps {
            Maps::Any(list) => list,
            Maps::One(map) => {
                let is_used = self.is_used("list_maps", map).await?;
                return Ok(is_used.then(|| map.clone()).into_iter().collect());
            }
        };
        let call = self.call("list_maps", None).await?;
        let named = call.wait(list(&self.table)).await?.into_iter().map(MapName::new);
        let mut maps: Vec<MapName> = named
            .collect::<Result<_, _>>()
            .map_err(|_| call.failed(TableFault::CHANGED_BY_HAND))?;
        maps.sort_unstable();
        Ok(maps)
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.turn("clear", map).await?.clear(up_to).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.turn("purge", map).await?.purge(horizon, self.now()).await
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.is_closed.store(true, Ordering::Release);
        let ended = async {
            // Given back at once: whoever waits for a share is to hear that the store is closed.
            drop(self.calls.write().await);
            self.table.close().await;
        };
        let late = timeout(deadline, ended).await.err();
        let what = "calls were still under way: they end by themselves";
        CloseReport {
            pending: Vec::new(),
            error: late.map(|_| self.error(ErrorKind::Timeout, "close", what)),
        }
    }
}

/// Copies a record, for a key that was asked for more than once; the value itself is shared.
fn copy(record: &Record) -> Record {
    let copy = record.successor(record.value().clone(), record.version());
    copy.updated(record.updated()).expiry(record.expiry()).build()
}

impl<T: RecordTable> fmt::Debug for TableDataStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableDataStore")
            .field("table", &T::NAME)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}
