//! What a test needs: partitions of a map on a clock of its own, with observers beside them.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore};
use layerstore_engine::HashMapEngine;
use layerstore_observer::{CompositeObserver, MutationObserver};
use layerstore_query::{Answer, Index, Partitions, Query};
use layerstore_record::{Fields, Hlc, Key, MapName, NodeId, Record, Value};
use layerstore_record_store::{
    DefaultRecordStore, Partition, RecordStore, RecordStoreConfig, RecordStoreFactory, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;

/// A map in some partitions over one in-memory data store.
pub(crate) struct Scene {
    pub(crate) clock: ManualClock,
    pub(crate) observers: Arc<CompositeObserver>,
    pub(crate) stores: Vec<Arc<dyn RecordStore>>,
    pub(crate) partitions: Partitions,
}

impl Scene {
    /// A map of one partition.
    pub(crate) async fn new() -> Self {
        Self::with(1, config()).await
    }

    /// A map of so many partitions that behave so.
    pub(crate) async fn with(partitions: u32, config: RecordStoreConfig) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        Self::over(clock, below, partitions, config).await
    }

    /// The same over a data store of the test's.
    pub(crate) async fn over(
        clock: ManualClock,
        below: Arc<dyn MapDataStore>,
        partitions: u32,
        config: RecordStoreConfig,
    ) -> Self {
        let observers = Arc::new(CompositeObserver::new("observers"));
        let hlc = Arc::new(Hlc::new(NodeId(1), clock.shared()));
        let engines = Arc::new(|_: &MapName, _: Partition| Arc::new(HashMapEngine::new()) as _);
        let factory = RecordStoreFactory::with_hlc(engines, below, hlc);
        let mut stores: Vec<Arc<dyn RecordStore>> = Vec::new();
        for index in 0..partitions {
            let partition = Partition::new(index, partitions).unwrap();
            let observer = Arc::clone(&observers) as Arc<dyn MutationObserver>;
            let store: DefaultRecordStore = factory
                .create(&map(), partition, config.clone(), Some(observer))
                .unwrap();
            store.init().await.unwrap();
            stores.push(Arc::new(store));
        }
        Self {
            clock,
            observers,
            partitions: Partitions::new(stores.iter().cloned()),
            stores,
        }
    }

    /// Adds an index and builds it.
    pub(crate) async fn index(&self, index: Index) -> Arc<Index> {
        let index = self.unbuilt(index);
        index.build(&self.partitions).await.unwrap();
        index
    }

    /// Adds an index that knows nothing of what is there.
    pub(crate) fn unbuilt(&self, index: Index) -> Arc<Index> {
        let index = Arc::new(index);
        self.observers.add(Arc::clone(&index) as _).unwrap();
        index
    }

    pub(crate) fn of(&self, key: &Key) -> &Arc<dyn RecordStore> {
        let count = u32::try_from(self.stores.len()).unwrap();
        &self.stores[Partition::index_of(key, count) as usize]
    }

    pub(crate) async fn set(&self, key: &str, value: impl Into<Value>) {
        self.set_with(key, value, &WriteOptions::new()).await;
    }

    pub(crate) async fn set_with(&self, name: &str, value: impl Into<Value>, options: &WriteOptions) {
        let key = key(name);
        let value = value.into().into();
        self.of(&key).set(&key, value, options).await.unwrap();
    }

    pub(crate) async fn remove(&self, name: &str) {
        let key = key(name);
        self.of(&key).remove(&key).await.unwrap();
    }

    pub(crate) async fn evict(&self, name: &str) -> bool {
        let key = key(name);
        self.of(&key).evict(&key).await.unwrap()
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    /// Answers by these indexes.
    pub(crate) async fn ask(&self, query: &Query, indexes: &[Arc<Index>]) -> Answer {
        query.run(&self.partitions, indexes).await.unwrap()
    }

    /// Answers by these indexes, and has made sure that they were of use and the answer is that of reading everything.
    pub(crate) async fn found(&self, query: &Query, index: &Arc<Index>) -> Vec<String> {
        let by_index = self.ask(query, std::slice::from_ref(index)).await;
        let access = by_index.explanation.access.to_string();
        assert!(access.starts_with("index"), "{access}");
        assert_eq!(by_index.records, self.ask(query, &[]).await.records);
        names(&by_index)
    }
}

/// The keys of an answer.
pub(crate) fn names(answer: &Answer) -> Vec<String> {
    answer.records.iter().map(|(key, _)| key.to_string()).collect()
}

/// The settings of tests: no background sweep, a fixed seed.
pub(crate) fn config() -> RecordStoreConfig {
    let mut config = RecordStoreConfig::default();
    config.sweep_interval = None;
    config.seed = Some(layerstore_testkit::proof::seed());
    config
}

pub(crate) fn map() -> MapName {
    MapName::new("users").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn ttl(millis: u64) -> WriteOptions {
    WriteOptions::new().ttl(Duration::from_millis(millis))
}

pub(crate) fn idle(millis: u64) -> WriteOptions {
    WriteOptions::new().max_idle(Duration::from_millis(millis))
}

/// A value with these fields.
pub(crate) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(name, value)| (name.into(), value));
    Fields::new(fields.into()).unwrap().into()
}

/// A user in this city.
pub(crate) fn of(city: &str) -> Value {
    fields([("address", fields([("city", city.into())]))])
}

/// The value of a record.
pub(crate) fn value(record: &Record) -> Value {
    (**record.value().value().unwrap()).clone()
}
