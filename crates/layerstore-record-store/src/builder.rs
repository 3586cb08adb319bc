use std::sync::Arc;

use layerstore_data_store::MapDataStore;
use layerstore_engine::StorageEngine;
use layerstore_observer::MutationObserver;
use layerstore_record::{Hlc, MapName, NodeId, SystemClock};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::absent::AbsentKeys;
use crate::announce::Announcer;
use crate::budget::Tenant;
use crate::claim::ClaimOnce;
use crate::config::{ConfigError, RecordStoreConfig};
use crate::core::{Core, Sweep};
use crate::counters::Counters;
use crate::default_store::DefaultRecordStore;
use crate::gate::Gates;
use crate::kind::MapKind;
use crate::loads::Loads;
use crate::memory::Memory;
use crate::partition::Partition;
use crate::tasks::Tasks;
use crate::victims::Victims;

/// Puts a [`DefaultRecordStore`] together.
#[must_use]
pub struct RecordStoreBuilder {
    map: MapName,
    partition: Partition,
    engine: Arc<dyn StorageEngine>,
    store: Arc<dyn MapDataStore>,
    observer: Option<Arc<dyn MutationObserver>>,
    hlc: Option<Arc<Hlc>>,
    claim: Arc<ClaimOnce>,
    config: RecordStoreConfig,
    runtime: Option<Handle>,
}

/// A record store that cannot be.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting cannot work.
    #[error("the record store of map {map:?} cannot be configured so")]
    Config {
        /// The map.
        map: MapName,
        /// The setting.
        #[source]
        source: ConfigError,
    },
    /// There is no tokio runtime.
    #[error(
        "the record store of map {map:?} needs a tokio runtime with its time driver: build it inside one, or give it a handle"
    )]
    NoRuntime {
        /// The map.
        map: MapName,
    },
    /// The data store cannot hold a map of this name.
    #[error("the data store holds map names of up to {limit} bytes: {map:?} is longer")]
    MapName {
        /// The map.
        map: MapName,
        /// The longest name, in bytes.
        limit: usize,
    },
}

impl RecordStoreBuilder {
    pub(crate) fn new(map: MapName, engine: Arc<dyn StorageEngine>, store: Arc<dyn MapDataStore>) -> Self {
        Self {
            map,
            partition: Partition::WHOLE,
            engine,
            store,
            observer: None,
            hlc: None,
            claim: Arc::default(),
            config: RecordStoreConfig::default(),
            runtime: None,
        }
    }

    /// Sets which keys of the map the store has (default: all).
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// Sets who is told of mutations (default: nobody).
    pub fn observer(mut self, observer: Arc<dyn MutationObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets the clock that versions come from (default: the machine's, with a random node id). Stores of one map share one.
    pub fn hlc(mut self, hlc: Arc<Hlc>) -> Self {
        self.hlc = Some(hlc);
        self
    }

    /// Sets how the store behaves.
    pub fn config(mut self, config: RecordStoreConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the runtime of loads, writes and sweeps (default: the one that `build` is called in). It needs its time driver.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Shares the claim of the map with its other partitions.
    pub(crate) fn claim(mut self, claim: Arc<ClaimOnce>) -> Self {
        self.claim = claim;
        self
    }

    /// Makes the store. [`init`](crate::RecordStore::init) comes next.
    ///
    /// # Errors
    /// [`BuildError`] when a setting cannot work, or there is no runtime.
    pub fn build(self) -> Result<DefaultRecordStore, BuildError> {
        let map = self.map;
        self.config.validate().map_err(|source| BuildError::Config {
            map: map.clone(),
            source,
        })?;
        let limits = self.store.limits();
        if map.as_str().len() > limits.map_name_bytes {
            let limit = limits.map_name_bytes;
            return Err(BuildError::MapName { map, limit });
        }
        let runtime = self.runtime.or_else(|| Handle::try_current().ok());
        let runtime = runtime.ok_or_else(|| BuildError::NoRuntime { map: map.clone() })?;
        let hlc = self
            .hlc
            .unwrap_or_else(|| Arc::new(Hlc::new(NodeId::random(), Arc::new(SystemClock))));
        let config = self.config;
        let seed = config.seed.unwrap_or(hlc.node().0);
        let interval = config.sweep_interval;
        let core = Arc::new(Core {
            partition: self.partition,
            memory: Memory::new(self.engine, Arc::clone(&config.budget)),
            is_null: self.store.is_null(),
            limits,
            announcer: Announcer::new(self.observer, map.clone(), self.partition.index()),
            claim: self.claim,
            gates: Gates::new(),
            loads: Loads::new(config.load_concurrency, config.load_queue),
            absent: AbsentKeys::new(config.absent_ttl, config.absent_cap),
            unresolved: crate::unresolved::Unresolved::default(),
            kind: Arc::new(MapKind::new(config.kind)),
            counters: Counters::default(),
            tasks: Tasks::new(runtime),
            writes: Arc::new(Semaphore::new(config.write_concurrency)),
            victims: std::sync::Mutex::new(Victims::new(fastrand::Rng::with_seed(seed))),
            sweep: Sweep::default(),
            fenced: std::sync::atomic::AtomicBool::new(false),
            store: self.store,
            hlc,
            map,
            config,
        });
        let tenant: std::sync::Weak<dyn Tenant> = Arc::downgrade(&core) as _;
        core.memory.budget.join(tenant);
        if let Some(interval) = interval {
            let sweeping = Core::sweep_in_background(Arc::downgrade(&core), interval);
            core.tasks.spawn_background(sweeping);
        }
        Ok(DefaultRecordStore::of_core(core))
    }
}
