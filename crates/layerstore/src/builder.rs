use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use layerstore_data_store::MapDataStore;
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_observer::{CompositeObserver, MutationObserver};
use layerstore_record::{Clock, Hlc, MapName, NodeId, SystemClock};
use layerstore_record_store::{
    Budget, DEFAULT_TOMBSTONE_HORIZON, EngineMaker, Partition, RecordStoreFactory,
};
use tokio::runtime::Handle;

use crate::backend::{Backend, Context, OpenDataStore};
#[cfg(feature = "write-behind")]
use crate::behind::WriteBehindSettings;
use crate::behind::{self, Asked};
use crate::config::ConfigError;
#[cfg(feature = "toml")]
use crate::config::Origin;
use crate::data_store_kind::DataStoreKind;
use crate::error::Error;
use crate::layerstore::{Inner, Layerstore};
use crate::maintenance::{Maintenance, Purging};
use crate::settings::{
    DEFAULT_DIRECTORY, DEFAULT_PURGE_INTERVAL, DEFAULT_SWEEP_INTERVAL, MapSettings, MemoryLimit,
};

/// The table of a configuration that says where records are kept.
const AT: &str = "data_store";

/// Where records are kept.
enum Below {
    /// In a store that is opened as this says.
    Configured(Backend),
    /// In this one.
    Open(OpenDataStore),
}

/// Configures a store. Setters cannot fail; [`build`](Self::build) checks everything.
///
/// ```
/// use std::time::Duration;
/// use layerstore::{Layerstore, MapSettings};
///
/// # async fn example() -> Result<(), layerstore::Error> {
/// let store = Layerstore::builder()
///     .in_memory()
///     .map("sessions", MapSettings::new().ttl(Duration::from_secs(3_600)))
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Builder {
    below: Below,
    write_behind: Option<Asked>,
    engines: EngineMaker,
    observers: Vec<Arc<dyn MutationObserver>>,
    clock: Arc<dyn Clock>,
    node: Option<NodeId>,
    shared: MemoryLimit,
    defaults: MapSettings,
    maps: BTreeMap<String, MapSettings>,
    sweep_interval: Duration,
    purge_interval: Duration,
    tombstone_horizon: Duration,
    /// Whether a tiered store gets its archiver.
    #[cfg(all(feature = "toml", feature = "tiered"))]
    archives: bool,
    #[cfg(feature = "toml")]
    origin: Option<Origin>,
}

impl Builder {
    /// Starts with the defaults: an embedded store in `layerstore-data`, the HashMap engine, no observers.
    pub(crate) fn new() -> Self {
        Self {
            below: Below::Configured(Backend::embedded(DEFAULT_DIRECTORY)),
            write_behind: None,
            engines: Arc::new(|_, _| Arc::new(HashMapEngine::new()) as Arc<dyn StorageEngine>),
            observers: Vec::new(),
            clock: Arc::new(SystemClock),
            node: None,
            shared: MemoryLimit::Shared,
            defaults: MapSettings::new(),
            maps: BTreeMap::new(),
            sweep_interval: DEFAULT_SWEEP_INTERVAL,
            purge_interval: DEFAULT_PURGE_INTERVAL,
            tombstone_horizon: DEFAULT_TOMBSTONE_HORIZON,
            #[cfg(all(feature = "toml", feature = "tiered"))]
            archives: true,
            #[cfg(feature = "toml")]
            origin: None,
        }
    }

    /// Starts with what a configuration file says (`docs/config.md`); what is set afterwards counts.
    ///
    /// # Errors
    /// [`Error::Config`] with file, line and key.
    #[cfg(feature = "toml")]
    pub async fn from_file(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        Ok(Self::of_file(crate::config::read_file(path.as_ref()).await?))
    }

    #[cfg(feature = "toml")]
    fn of_file(file: crate::config::ConfigFile) -> Self {
        let new = Self::new();
        Self {
            below: Below::Configured(file.backend),
            write_behind: file.write_behind,
            node: file.node,
            shared: file.shared,
            defaults: file.defaults,
            maps: file.maps,
            sweep_interval: file.sweep_interval.unwrap_or(new.sweep_interval),
            purge_interval: file.purge_interval.unwrap_or(new.purge_interval),
            tombstone_horizon: file.tombstone_horizon.unwrap_or(new.tombstone_horizon),
            origin: Some(file.origin),
            ..new
        }
    }

    /// Keeps records in an embedded database in this directory, which is made where it is missing.
    pub fn embedded(mut self, directory: impl Into<PathBuf>) -> Self {
        self.below = Below::Configured(Backend::embedded(directory));
        self
    }

    /// Keeps records in an embedded store that was opened before, over a key-value store or with options of your own.
    #[cfg(feature = "embedded")]
    pub fn embedded_store(mut self, store: Arc<layerstore_embedded::KvDataStore>) -> Self {
        self.below = Below::Open(OpenDataStore::embedded(store));
        self
    }

    /// Keeps records nowhere: they live as long as the process, and only as long as memory has room.
    pub fn in_memory(self) -> Self {
        self.data_store_kind(DataStoreKind::Null)
    }

    /// Keeps records in a data store of a kind that needs nothing else.
    pub fn data_store_kind(mut self, kind: DataStoreKind) -> Self {
        self.below = Below::Configured(Backend::of_kind(kind));
        self
    }

    /// Keeps records in a data store of your own.
    pub fn data_store(self, store: Arc<dyn MapDataStore>) -> Self {
        self.open_data_store(OpenDataStore::new(store))
    }

    /// Keeps records in a data store that was opened before.
    pub fn open_data_store(mut self, store: OpenDataStore) -> Self {
        self.below = Below::Open(store);
        self
    }

    /// Acknowledges writes before the data store has them, and writes them there later; by default after they are in a durable log, whose place
    /// is a folder of an embedded store's directory or that of
    /// [`log_directory`](WriteBehindSettings::log_directory). A store of your own that acknowledges later is handed in as it is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use layerstore::{Layerstore, WriteBehindSettings};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let directory = directory.path();
    /// let store = Layerstore::builder()
    ///     .embedded(directory)
    ///     .write_behind(WriteBehindSettings::new().delay(Duration::from_millis(200)))
    ///     .build()
    ///     .await?;
    /// store.map::<String>("users")?.set("alice", &"Alice".to_owned()).await?; // in the log, which is synced
    /// let report = store.close(Duration::from_secs(10)).await;
    /// assert!(report.is_complete(), "and now in the embedded store");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "write-behind")]
    pub fn write_behind(mut self, settings: WriteBehindSettings) -> Self {
        self.write_behind = Some(Asked::With(Box::new(settings)));
        self
    }

    /// Returns where the log of write-behind is, or will be, without opening anything: to look at one with
    /// [`inspect`](crate::write_behind::inspect). `None` without write-behind, or without a log.
    ///
    /// # Errors
    /// [`Error::Config`] where there is to be one, and nothing says where.
    #[cfg(feature = "write-behind")]
    pub fn log_directory(&self) -> Result<Option<PathBuf>, Error> {
        let asked = self.write_behind.as_ref();
        let place = asked.map_or(Ok(None), |asked| asked.log_directory(self.backend()));
        place.map_err(|error| self.locate(error).into())
    }

    /// Makes the engines of partitions in your own way.
    pub fn engine(
        mut self,
        make: impl Fn(&MapName, Partition) -> Arc<dyn StorageEngine> + Send + Sync + 'static,
    ) -> Self {
        self.engines = Arc::new(make);
        self
    }

    /// Tells this observer of every mutation, after those added before.
    pub fn observer(mut self, observer: Arc<dyn MutationObserver>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Takes the time from this clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Tells this process's versions from others' by this id, instead of random bits.
    pub fn node_id(mut self, node: NodeId) -> Self {
        self.node = Some(node);
        self
    }

    /// Sets the memory that all maps without a limit of their own share.
    pub fn memory(mut self, limit: MemoryLimit) -> Self {
        self.shared = limit;
        self
    }

    /// Sets what holds for every map.
    pub fn map_defaults(mut self, settings: MapSettings) -> Self {
        self.defaults = settings;
        self
    }

    /// Sets what differs for one map.
    pub fn map(mut self, name: impl Into<String>, settings: MapSettings) -> Self {
        self.maps.insert(name.into(), settings);
        self
    }

    /// Sets how often records that have ended are looked for.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = interval;
        self
    }

    /// Sets how often old tombstones are dropped from the data store.
    pub fn purge_interval(mut self, interval: Duration) -> Self {
        self.purge_interval = interval;
        self
    }

    /// Sets how long a removal is remembered.
    pub fn tombstone_horizon(mut self, horizon: Duration) -> Self {
        self.tombstone_horizon = horizon;
        self
    }

    /// Leaves the records of a tiered store where they are, instead of archiving in the background what is due: for programs that look at
    /// a store, or change a little of it and end.
    #[cfg_attr(
        not(all(feature = "toml", feature = "tiered")),
        expect(unused_mut, reason = "without tiered stores there is nothing to archive")
    )]
    pub fn without_archiver(mut self) -> Self {
        #[cfg(all(feature = "toml", feature = "tiered"))]
        {
            self.archives = false;
        }
        self
    }

    /// Checks the configuration and opens the store, in the Tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that cannot work, or the cargo feature that is missing; [`Error::Store`] when
    /// the data store does not open.
    #[cfg_attr(
        not(all(feature = "toml", feature = "tiered")),
        expect(unused_mut, reason = "only archiving adds an observer")
    )]
    pub async fn build(mut self) -> Result<Layerstore, Error> {
        self.check().map_err(|error| self.locate(error))?;
        let runtime = Handle::try_current()
            .map_err(|_| ConfigError::new("", "there is no Tokio runtime: build the store inside one"))?;
        let opened = self.open().await.map_err(|error| self.located(error))?;
        let node = self.node.unwrap_or_else(NodeId::random);
        let hlc = Arc::new(Hlc::new(node, Arc::clone(&self.clock)));
        let purging = Purging {
            interval: self.purge_interval,
            horizon: self.tombstone_horizon,
        };
        #[cfg(all(feature = "toml", feature = "tiered"))]
        let archiving = opened.archiving().filter(|_| self.archives).map(|archiving| {
            let times = archiving.observer();
            let observer = times.clone().map(|times| times as Arc<dyn MutationObserver>);
            self.observers.extend(observer);
            (Arc::clone(archiving), times)
        });
        let observer = self.composite()?;
        let settings = self
            .maps
            .into_iter()
            .map(|(name, settings)| Ok((MapName::new(name)?, settings)));
        let inner = Arc::new(Inner {
            factory: RecordStoreFactory::with_hlc(self.engines, Arc::clone(opened.store()), hlc),
            observer,
            clock: self.clock,
            defaults: self.defaults,
            settings: settings.collect::<Result<_, Error>>()?,
            shared: shared_budget(self.shared),
            tombstone_horizon: self.tombstone_horizon,
            sweep_interval: self.sweep_interval,
            runtime: runtime.clone(),
            below: opened,
            maps: Mutex::default(),
            maintenance: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        inner.own(Maintenance::start(&runtime, Arc::downgrade(&inner), purging));
        #[cfg(all(feature = "toml", feature = "tiered"))]
        if let Some((archiving, times)) = archiving {
            archiving.start(times)?;
        }
        Ok(Layerstore::of_inner(inner))
    }

    /// Opens the data store, and write-behind around it.
    async fn open(&self) -> Result<OpenDataStore, Error> {
        let asked = self.write_behind.as_ref();
        match (&self.below, asked) {
            (Below::Open(opened), None) => Ok(opened.clone()),
            (Below::Open(opened), Some(asked)) => asked.around(opened.clone(), None, &self.clock).await,
            (Below::Configured(backend), asked) => {
                let context = Context {
                    at: AT.to_owned(),
                    clock: Arc::clone(&self.clock),
                };
                behind::open(backend, asked, &context).await
            }
        }
    }

    /// Returns the data store that is to be opened; none where one is open.
    fn backend(&self) -> Option<&Backend> {
        match &self.below {
            Below::Configured(backend) => Some(backend),
            Below::Open(_) => None,
        }
    }

    /// Finds what cannot work before anything is opened.
    fn check(&self) -> Result<(), ConfigError> {
        let asked = self.write_behind.as_ref();
        match self.backend() {
            Some(backend) => behind::check(backend, asked, AT)?,
            None => asked.map_or(Ok(()), |asked| asked.check(None))?,
        }
        match self.shared {
            MemoryLimit::Count(0) => {
                return Err(ConfigError::new("memory.max_count", "it must be at least 1"));
            }
            MemoryLimit::Cost(cost) if cost.0 == 0 => {
                return Err(ConfigError::new("memory.max_cost", "it must be at least 1 byte"));
            }
            _ => {}
        }
        for (setting, span) in [
            ("maintenance.sweep_interval", self.sweep_interval),
            ("maintenance.purge_interval", self.purge_interval),
            ("maintenance.tombstone_horizon", self.tombstone_horizon),
        ] {
            if span < Duration::from_millis(1) {
                return Err(ConfigError::new(setting, "it must be at least 1 ms"));
            }
        }
        let shared = Budget::unlimited();
        self.defaults
            .resolve("default", &self.defaults, &shared, &*self.clock)?;
        for (name, settings) in &self.maps {
            MapName::new(name).map_err(|error| ConfigError::new(format!("map.{name}"), error.to_string()))?;
            settings.resolve(name, &self.defaults, &shared, &*self.clock)?;
        }
        Ok(())
    }

    #[cfg(feature = "toml")]
    fn locate(&self, error: ConfigError) -> ConfigError {
        match &self.origin {
            Some(origin) => origin.locate(error),
            None => error,
        }
    }

    #[cfg(not(feature = "toml"))]
    fn locate(&self, error: ConfigError) -> ConfigError {
        error
    }

    fn located(&self, error: Error) -> Error {
        match error {
            Error::Config(error) => self.locate(error).into(),
            other => other,
        }
    }

    /// Makes one observer of all of them; none where there are none, so that nothing is told to nobody.
    fn composite(&self) -> Result<Option<Arc<dyn MutationObserver>>, ConfigError> {
        if self.observers.is_empty() {
            return Ok(None);
        }
        let all = CompositeObserver::new("layerstore");
        for observer in &self.observers {
            all.add(Arc::clone(observer))
                .map_err(|error| ConfigError::new("observer", error.to_string()))?;
        }
        Ok(Some(Arc::new(all)))
    }
}

fn shared_budget(limit: MemoryLimit) -> Arc<Budget> {
    match limit {
        MemoryLimit::Default | MemoryLimit::Shared => Budget::unlimited(),
        MemoryLimit::Count(records) => Budget::count(records),
        MemoryLimit::Cost(cost) => Budget::cost(cost),
    }
}
