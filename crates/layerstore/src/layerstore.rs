use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore_data_store::{ErrorKind, FlushError, MapDataStore, StoreError, VerifyReport};
use layerstore_observer::MutationObserver;
use layerstore_record::{Clock, Hlc, MapName};
use layerstore_record_store::{Budget, BuildError, RecordStoreFactory};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::backend::OpenDataStore;
use crate::builder::Builder;
use crate::config::ConfigError;
use crate::error::Error;
use crate::maintenance::Maintenance;
use crate::map::Map;
use crate::partitions::Partitions;
use crate::records::Records;
use crate::report::{CloseReport, FlushReport, MapCloseReport};
use crate::settings::MapSettings;

/// Which part of a deadline is kept for answers to arrive: a twentieth.
const ANSWER: u32 = 20;

/// A store of records in maps: memory in front, a data store below. Cheap to clone; all clones are the same store.
///
/// Needs a Tokio runtime with its time driver, of either flavour. [`close`](Self::close) it at the end: a store that is
/// dropped ends its background work all the same, but cannot wait, and says in the log what it left.
///
/// # Contract
/// **F1**: partitions do not show: a batch is answered in the order asked, a scan is in key byte order, and the number of
/// partitions may change between opens.
/// **F2**: of several callers at once who miss a value in [`Map::get_or_insert_with`] one makes it; the others wait no longer
/// than the map's load deadline.
/// **F3**: background work ends with the last handle: nothing keeps the data store alive after that. Closing ends by its
/// deadline, with a report of what is not in the final store, and observers are told of the end.
/// **F4**: settings that cannot work, or contradict each other, are refused before anything is opened, by their name and,
/// where a file was read, by file, line and column.
/// **F5**: write-behind that is turned on has a log unless that is turned off, and what the log holds is there after any end of the process. A
/// dead letter that is discarded leaves memory as well: reads see what the data store holds.
#[derive(Clone)]
pub struct Layerstore {
    inner: Arc<Inner>,
}

/// What a store's handles and maps share.
pub(crate) struct Inner {
    pub(crate) factory: RecordStoreFactory,
    pub(crate) observer: Option<Arc<dyn MutationObserver>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) defaults: MapSettings,
    pub(crate) settings: BTreeMap<MapName, MapSettings>,
    /// The memory of every map without a limit of its own.
    pub(crate) shared: Arc<Budget>,
    pub(crate) tombstone_horizon: Duration,
    pub(crate) sweep_interval: Duration,
    pub(crate) runtime: Handle,
    /// The data store, and what was found when it was opened.
    pub(crate) below: OpenDataStore,
    /// The maps that are open. Held only to look one up or make it.
    pub(crate) maps: Mutex<BTreeMap<MapName, Arc<Partitions>>>,
    /// The task in the background, until it is closed. Held only to put it there or take it.
    pub(crate) maintenance: Mutex<Option<Maintenance>>,
    pub(crate) closed: AtomicBool,
}

impl Layerstore {
    /// Opens a store as a configuration file says (`docs/config.md`).
    ///
    /// # Errors
    /// [`Error::Config`] with file, line and key; [`Error::Store`] when the data store does not open.
    #[cfg(feature = "toml")]
    pub async fn open(config: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        Builder::from_file(config).await?.build().await
    }

    /// Tells whether a directory holds an embedded store, or what is left of one, without touching it: opening would make
    /// one there.
    #[cfg(feature = "embedded")]
    pub fn is_at(dir: impl AsRef<std::path::Path>) -> bool {
        layerstore_embedded::KvDataStore::is_at(dir)
    }

    /// Starts to configure a store.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn of_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Returns the map of this name, whose values are read and written as `T`. The map needs no other making.
    ///
    /// # Errors
    /// [`Error::InvalidMapName`] for a name that cannot be, [`Error::Config`] for settings that cannot work,
    /// [`Error::Closed`].
    pub fn map<T: Serialize + DeserializeOwned>(&self, name: &str) -> Result<Map<T>, Error> {
        Ok(Map::new(self.records(name)?))
    }

    /// Returns the records of the map of this name, as they are.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn records(&self, name: &str) -> Result<Records, Error> {
        let name = MapName::new(name)?;
        let partitions = self.inner.partitions(&name)?;
        Ok(Records::new(partitions, Arc::clone(&self.inner)))
    }

    /// Lists the maps that have records in the data store or are open, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Store`] when they cannot be read.
    pub async fn list_maps(&self) -> Result<Vec<MapName>, Error> {
        let mut maps = self.inner.data_store().list_maps().await?;
        maps.extend(self.inner.open_maps().iter().map(|open| open.map().clone()));
        maps.sort_unstable();
        maps.dedup();
        Ok(maps)
    }

    /// Returns the data store.
    #[must_use]
    pub fn data_store(&self) -> &Arc<dyn MapDataStore> {
        self.inner.data_store()
    }

    /// Returns the data store with what was found when it was opened.
    #[must_use]
    pub fn open_data_store(&self) -> &OpenDataStore {
        &self.inner.below
    }

    /// Reads everything that the data store holds, and reports what is there and what cannot be read.
    ///
    /// # Errors
    /// [`Error::Store`] when the list of maps cannot be read. What a map does not give is in its report.
    pub async fn verify(&self) -> Result<VerifyReport, Error> {
        Ok(self.inner.below.verify().await?)
    }

    /// Returns how write-behind stands, with its dead letters; `None` where it was not turned on.
    #[cfg(feature = "write-behind")]
    #[must_use]
    pub fn write_behind(&self) -> Option<crate::WriteBehind> {
        let behind = self.inner.below.shared_behind()?;
        Some(crate::WriteBehind::new(
            Arc::clone(behind),
            Arc::clone(&self.inner),
        ))
    }

    /// Brings every write that was acknowledged before the call to the final store, and waits for that, at most `deadline`. The report says what is
    /// not there; it is tried on.
    pub async fn flush(&self, deadline: Duration) -> FlushReport {
        let mut report = FlushReport::default();
        match tokio::time::timeout(deadline, self.flush_all(deadline)).await {
            Ok(Ok(())) => {}
            Ok(Err(flushed)) => {
                report.pending = flushed.pending;
                report.error = flushed.source;
            }
            Err(_) => {
                let store = self.data_store();
                let what = format!("no answer within {} ms", deadline.as_millis());
                let error = StoreError::new(ErrorKind::Timeout, store.name(), "hard_flush", what);
                report.error = Some(error);
            }
        }
        #[cfg(feature = "write-behind")]
        {
            report.dead_letters = self.inner.dead_letters();
        }
        report
    }

    #[cfg_attr(
        not(feature = "write-behind"),
        expect(unused_variables, reason = "only write-behind is told how long")
    )]
    async fn flush_all(&self, deadline: Duration) -> Result<(), FlushError> {
        #[cfg(feature = "write-behind")]
        if let Some(write_behind) = self.inner.below.write_behind() {
            // It ends a little before, so that its report is heard.
            return write_behind.flush(deadline - deadline / ANSWER).await;
        }
        self.data_store().hard_flush().await
    }

    /// Drops from the data store what removals and expiry left behind and is older than the horizon, now.
    /// It happens by itself now and then; only maps that this store has written to are concerned.
    pub async fn purge(&self) {
        crate::maintenance::purge(&self.inner, self.inner.tombstone_horizon).await;
    }

    /// Ends the store within `deadline`: refuses new work, waits for what is under way, ends an archiver, flushes and closes the data
    /// store.
    /// The report says what is not in the final store; a second close has nothing to report.
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        let end = Instant::now() + deadline;
        let mut report = CloseReport::default();
        if self.inner.closed.swap(true, Ordering::AcqRel) {
            report.data_store = Some(layerstore_data_store::CloseReport::default());
            return report;
        }
        let maintenance = lock(&self.inner.maintenance).take();
        if let Some(maintenance) = maintenance
            && !maintenance.stop(end).await
        {
            tracing::warn!("the purge of old tombstones was still under way at the deadline");
        }
        let left = || end.saturating_duration_since(Instant::now());
        for partitions in self.inner.open_maps() {
            for store in partitions.all() {
                let closed = store.close(left()).await;
                if !closed.is_complete() {
                    report.maps.push(MapCloseReport {
                        map: partitions.map().clone(),
                        unfinished: closed.unfinished,
                        error: closed.error,
                    });
                }
            }
        }
        // The data store ends a little before, so that its report is heard.
        let closing = self.inner.below.close(left() - left() / ANSWER);
        report.data_store = timeout_at(end, closing).await.ok();
        #[cfg(all(feature = "toml", feature = "tiered"))]
        {
            report.archiver = self.inner.below.archiver_report();
        }
        #[cfg(feature = "write-behind")]
        {
            report.dead_letters = self.inner.dead_letters();
        }
        report
    }
}

impl Inner {
    pub(crate) fn data_store(&self) -> &Arc<dyn MapDataStore> {
        self.factory.data_store()
    }

    pub(crate) fn hlc(&self) -> &Arc<Hlc> {
        self.factory.hlc()
    }

    #[cfg(feature = "write-behind")]
    fn dead_letters(&self) -> Vec<layerstore_write_behind::DeadLetter> {
        let write_behind = self.below.write_behind();
        write_behind.map_or_else(
            Vec::new,
            layerstore_write_behind::WriteBehindDataStore::dead_letters,
        )
    }

    pub(crate) fn open_maps(&self) -> Vec<Arc<Partitions>> {
        lock(&self.maps).values().cloned().collect()
    }

    /// Takes the task in the background into its keeping.
    pub(crate) fn own(&self, maintenance: Maintenance) {
        *lock(&self.maintenance) = Some(maintenance);
    }

    fn partitions(&self, name: &MapName) -> Result<Arc<Partitions>, Error> {
        // Checked under the lock, so that no map opens behind a close's back.
        let mut maps = lock(&self.maps);
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if let Some(open) = maps.get(name) {
            return Ok(Arc::clone(open));
        }
        let partitions = Arc::new(self.create(name)?);
        maps.insert(name.clone(), Arc::clone(&partitions));
        Ok(partitions)
    }

    fn create(&self, name: &MapName) -> Result<Partitions, Error> {
        let own = self.settings.get(name).cloned().unwrap_or_default();
        let mut settings = own.resolve(name.as_str(), &self.defaults, &self.shared, &*self.clock)?;
        settings.records.sweep_interval = Some(self.sweep_interval);
        settings.records.tombstone_horizon = self.tombstone_horizon;
        // `map` may be called outside of the runtime that the store was built in.
        let _in_runtime = self.runtime.enter();
        Partitions::create(name, &settings, &self.factory, self.observer.as_ref()).map_err(|error| {
            let what = match &error {
                BuildError::Config { source, .. } => source.to_string(),
                other => other.to_string(),
            };
            Error::Config(ConfigError::new(format!("map.{name}"), what))
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let pending = self.data_store().pending_operation_count();
        let maps = lock(&self.maps).len();
        if pending > 0 {
            tracing::warn!(
                pending,
                maps,
                "a store was dropped without close: acknowledged writes are not in the final store yet"
            );
        } else if maps > 0 {
            tracing::info!(
                pending,
                maps,
                "a store was dropped without close: nothing acknowledged was left pending"
            );
        }
    }
}

/// Takes a lock whose holders leave whole what it protects, even where one panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
