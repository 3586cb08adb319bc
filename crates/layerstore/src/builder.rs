use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore, NullDataStore};
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_observer::{CompositeObserver, MutationObserver};
use layerstore_record::{Clock, Hlc, MapName, NodeId, SystemClock};
use layerstore_record_store::{
    Budget, DEFAULT_TOMBSTONE_HORIZON, EngineMaker, Partition, RecordStoreFactory,
};
use tokio::runtime::Handle;

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
    kind: DataStoreKind,
    directory: PathBuf,
    data_store: Option<Arc<dyn MapDataStore>>,
    /// The data store above, where it is an embedded one.
    #[cfg(feature = "embedded")]
    opened: Option<Arc<layerstore_embedded::KvDataStore>>,
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
    #[cfg(feature = "toml")]
    origin: Option<Origin>,
}

impl Builder {
    /// Starts with the defaults: an embedded store in `layerstore-data`, the HashMap engine, no observers.
    pub(crate) fn new() -> Self {
        Self {
            kind: DataStoreKind::Embedded,
            directory: PathBuf::from(DEFAULT_DIRECTORY),
            data_store: None,
            #[cfg(feature = "embedded")]
            opened: None,
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
        let path = path.as_ref().to_owned();
        let file = path.clone();
        let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let unreadable =
            |why: String| ConfigError::new("", format!("it cannot be read: {why}")).in_file(&path);
        let text = text.map_err(|error| unreadable(error.to_string()))?;
        let text = text.map_err(|error| unreadable(error.to_string()))?;
        Ok(Self::of_file(crate::config::read(&path, &text)?))
    }

    #[cfg(feature = "toml")]
    fn of_file(file: crate::config::ConfigFile) -> Self {
        let new = Self::new();
        Self {
            kind: file.kind,
            directory: file
                .directory
                .unwrap_or_else(|| file.origin.beside(DEFAULT_DIRECTORY)),
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
        self.kind = DataStoreKind::Embedded;
        self.directory = directory.into();
        self.data_store = None;
        self
    }

    /// Keeps records in an embedded store that was opened before, over a key-value store or with options of your own.
    #[cfg(feature = "embedded")]
    pub fn embedded_store(mut self, store: Arc<layerstore_embedded::KvDataStore>) -> Self {
        self.data_store = Some(Arc::clone(&store) as Arc<dyn MapDataStore>);
        self.opened = Some(store);
        self
    }

    /// Keeps records nowhere: they live as long as the process, and only as long as memory has room.
    pub fn in_memory(mut self) -> Self {
        self.kind = DataStoreKind::Null;
        self.data_store = None;
        self
    }

    /// Keeps records in a data store of a kind that needs nothing else.
    pub fn data_store_kind(mut self, kind: DataStoreKind) -> Self {
        self.kind = kind;
        self.data_store = None;
        self
    }

    /// Keeps records in a data store of your own.
    pub fn data_store(mut self, store: Arc<dyn MapDataStore>) -> Self {
        self.data_store = Some(store);
        #[cfg(feature = "embedded")]
        {
            self.opened = None;
        }
        self
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

    /// Checks the configuration and opens the store, in the Tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that cannot work, or the cargo feature that is missing; [`Error::Store`] when
    /// the data store does not open.
    pub async fn build(self) -> Result<Layerstore, Error> {
        self.check().map_err(|error| self.locate(error))?;
        let runtime = Handle::try_current()
            .map_err(|_| ConfigError::new("", "there is no Tokio runtime: build the store inside one"))?;
        let opened = self.open_data_store().await?;
        let node = self.node.unwrap_or_else(NodeId::random);
        let hlc = Arc::new(Hlc::new(node, Arc::clone(&self.clock)));
        let purging = Purging {
            interval: self.purge_interval,
            horizon: self.tombstone_horizon,
        };
        let observer = self.composite()?;
        let settings = self
            .maps
            .into_iter()
            .map(|(name, settings)| Ok((MapName::new(name)?, settings)));
        let inner = Arc::new(Inner {
            factory: RecordStoreFactory::with_hlc(self.engines, opened.store, hlc),
            observer,
            clock: self.clock,
            defaults: self.defaults,
            settings: settings.collect::<Result<_, Error>>()?,
            shared: shared_budget(self.shared),
            tombstone_horizon: self.tombstone_horizon,
            sweep_interval: self.sweep_interval,
            runtime: runtime.clone(),
            #[cfg(feature = "embedded")]
            embedded: opened.embedded,
            maps: Mutex::default(),
            maintenance: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        inner.own(Maintenance::start(&runtime, Arc::downgrade(&inner), purging));
        Ok(Layerstore::of_inner(inner))
    }

    /// Finds what cannot work before anything is opened.
    fn check(&self) -> Result<(), ConfigError> {
        if self.data_store.is_none() {
            self.kind.check_available()?;
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

    async fn open_data_store(&self) -> Result<Opened, Error> {
        if let Some(store) = &self.data_store {
            return Ok(Opened {
                store: Arc::clone(store),
                #[cfg(feature = "embedded")]
                embedded: self.opened.clone(),
            });
        }
        match self.kind {
            DataStoreKind::Embedded => self.open_embedded().await,
            DataStoreKind::Memory => Ok(Opened::of(Arc::new(InMemoryDataStore::new(Arc::clone(
                &self.clock,
            ))))),
            DataStoreKind::Null => Ok(Opened::of(Arc::new(NullDataStore::new()))),
            DataStoreKind::Postgres | DataStoreKind::Object | DataStoreKind::Tiered => {
                Err(self.kind.not_here().into())
            }
        }
    }

    #[cfg(feature = "embedded")]
    async fn open_embedded(&self) -> Result<Opened, Error> {
        use layerstore_embedded::{EmbeddedOptions, KvDataStore};
        let options = EmbeddedOptions::default().clock(Arc::clone(&self.clock));
        let store = Arc::new(KvDataStore::open(&self.directory, options).await?);
        Ok(Opened {
            store: Arc::clone(&store) as Arc<dyn MapDataStore>,
            embedded: Some(store),
        })
    }

    #[cfg(not(feature = "embedded"))]
    async fn open_embedded(&self) -> Result<Opened, Error> {
        Err(self.kind.not_here().into())
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

/// A data store, and what only this crate knows of it.
struct Opened {
    store: Arc<dyn MapDataStore>,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<layerstore_embedded::KvDataStore>>,
}

impl Opened {
    fn of(store: Arc<dyn MapDataStore>) -> Self {
        Self {
            store,
            #[cfg(feature = "embedded")]
            embedded: None,
        }
    }
}

fn shared_budget(limit: MemoryLimit) -> Arc<Budget> {
    match limit {
        MemoryLimit::Default | MemoryLimit::Shared => Budget::unlimited(),
        MemoryLimit::Count(records) => Budget::count(records),
        MemoryLimit::Cost(cost) => Budget::cost(cost),
    }
}
