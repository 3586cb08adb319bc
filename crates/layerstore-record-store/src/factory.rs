use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use layerstore_data_store::MapDataStore;
use layerstore_engine::StorageEngine;
use layerstore_observer::MutationObserver;
use layerstore_record::{Clock, Hlc, MapName, NodeId, SystemClock};

use crate::builder::{BuildError, RecordStoreBuilder};
use crate::claim::ClaimOnce;
use crate::config::RecordStoreConfig;
use crate::default_store::DefaultRecordStore;
use crate::lock::lock;
use crate::partition::Partition;

/// Makes an engine for one partition of a map.
pub type EngineMaker = Arc<dyn Fn(&MapName, Partition) -> Arc<dyn StorageEngine> + Send + Sync>;

/// Makes record stores, one per map and partition, over one data store: they share its clock, and each map is claimed once.
#[derive(Clone)]
pub struct RecordStoreFactory {
    engines: EngineMaker,
    store: Arc<dyn MapDataStore>,
    hlc: Arc<Hlc>,
    claims: Arc<Mutex<HashMap<MapName, Arc<ClaimOnce>>>>,
}

impl RecordStoreFactory {
    /// Makes a factory over a data store, on the machine's clock and with a random node id.
    #[must_use]
    pub fn new(engines: EngineMaker, store: Arc<dyn MapDataStore>) -> Self {
        let hlc = Hlc::new(NodeId::random(), Arc::new(SystemClock) as Arc<dyn Clock>);
        Self::with_hlc(engines, store, Arc::new(hlc))
    }

    /// Makes a factory whose stores take their versions from this clock.
    #[must_use]
    pub fn with_hlc(engines: EngineMaker, store: Arc<dyn MapDataStore>, hlc: Arc<Hlc>) -> Self {
        Self {
            engines,
            store,
            hlc,
            claims: Arc::default(),
        }
    }

    /// Returns the clock.
    #[must_use]
    pub fn hlc(&self) -> &Arc<Hlc> {
        &self.hlc
    }

    /// Returns the data store.
    #[must_use]
    pub fn data_store(&self) -> &Arc<dyn MapDataStore> {
        &self.store
    }

    /// Makes the store of a partition of a map. [`init`](crate::RecordStore::init) comes next.
    ///
    /// # Errors
    /// [`BuildError`] when a setting cannot work, or there is no runtime.
    pub fn create(
        &self,
        map: &MapName,
        partition: Partition,
        config: RecordStoreConfig,
        observer: Option<Arc<dyn MutationObserver>>,
    ) -> Result<DefaultRecordStore, BuildError> {
        let engine = (self.engines)(map, partition);
        let builder = RecordStoreBuilder::new(map.clone(), engine, Arc::clone(&self.store))
            .partition(partition)
            .hlc(Arc::clone(&self.hlc))
            .claim(self.claim(map))
            .config(config);
        match observer {
            Some(observer) => builder.observer(observer).build(),
            None => builder.build(),
        }
    }

    fn claim(&self, map: &MapName) -> Arc<ClaimOnce> {
        Arc::clone(lock(&self.claims).entry(map.clone()).or_default())
    }
}
