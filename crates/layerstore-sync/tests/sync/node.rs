//! A replica with everything below it, on a clock of its own.

use std::sync::Arc;

use layerstore_data_store::{InMemoryDataStore, MapDataStore, NullDataStore, ScanRequest};
use layerstore_observer::MerkleObserver;
use layerstore_record::{Hlc, Key, MapName, NodeId, Record, RecordValue, Timestamp, Value, Version};
use layerstore_record_store::{DefaultRecordStore, Partition, RecordStore, RecordStoreConfig, WriteOptions};
use layerstore_sync::{LocalPeer, Replica, SyncOptions, SyncReport, rebuild};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::engine::BTreeEngine;

pub(crate) struct Node {
    pub(crate) clock: ManualClock,
    /// The data store; `None` for a replica in memory alone.
    pub(crate) below: Option<Arc<InMemoryDataStore>>,
    pub(crate) store: Arc<DefaultRecordStore>,
    pub(crate) replica: Arc<Replica>,
}

pub(crate) fn map() -> MapName {
    MapName::new("map").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn config() -> RecordStoreConfig {
    let mut config = RecordStoreConfig::default();
    config.sweep_interval = None;
    config.seed = Some(layerstore_testkit::proof::seed());
    config
}

impl Node {
    /// A replica over an in-memory data store.
    pub(crate) async fn new(number: u64) -> Self {
        Self::with(number, SyncOptions::default()).await
    }

    pub(crate) async fn with(number: u64, options: SyncOptions) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let node = Self::over(number, clock, Arc::clone(&below) as _, config(), options).await;
        Self {
            below: Some(below),
            ..node
        }
    }

    /// A replica that is in memory alone.
    pub(crate) async fn pure(number: u64) -> Self {
        let (clock, options) = (ManualClock::new(), SyncOptions::default());
        Self::over(number, clock, Arc::new(NullDataStore::new()), config(), options).await
    }

    pub(crate) async fn over(
        number: u64,
        clock: ManualClock,
        below: Arc<dyn MapDataStore>,
        config: RecordStoreConfig,
        options: SyncOptions,
    ) -> Self {
        Self::part(number, clock, below, (config, Partition::WHOLE), options).await
    }

    /// A replica of one partition.
    pub(crate) async fn part(
        number: u64,
        clock: ManualClock,
        below: Arc<dyn MapDataStore>,
        (config, partition): (RecordStoreConfig, Partition),
        options: SyncOptions,
    ) -> Self {
        let tree = Arc::new(MerkleObserver::new("merkle", map(), partition.index()));
        let store = DefaultRecordStore::builder(map(), Arc::new(BTreeEngine::new()), below)
            .hlc(Arc::new(Hlc::new(NodeId(number), clock.shared())))
            .observer(Arc::clone(&tree) as _)
            .config(config)
            .partition(partition)
            .build()
            .unwrap();
        store.init().await.unwrap();
        rebuild(&tree, &store, |_| {}).await.unwrap();
        let store = Arc::new(store);
        let replica = Replica::new(Arc::clone(&store) as _, tree)
            .unwrap()
            .with_clock(clock.shared())
            .with_options(options);
        Self {
            clock,
            below: None,
            store,
            replica: Arc::new(replica),
        }
    }

    pub(crate) fn peer(&self) -> LocalPeer {
        LocalPeer::new(Arc::clone(&self.replica))
    }

    pub(crate) async fn sync(&self, other: &Self) -> SyncReport {
        self.replica.sync(&other.peer()).await.unwrap()
    }

    /// Sets a number; returns when, by its timestamp.
    pub(crate) async fn set(&self, name: &str, number: u64) -> Timestamp {
        let set = self
            .store
            .set(&key(name), number.into(), &WriteOptions::DEFAULT)
            .await;
        set.unwrap().version.unwrap().timestamp()
    }

    /// Writes a value with the timestamps that it comes with, as it stands on another replica.
    pub(crate) async fn put(&self, name: &str, value: RecordValue) {
        let put = self
            .store
            .set(&key(name), value.into(), &WriteOptions::DEFAULT)
            .await;
        put.unwrap();
    }

    /// Removes a record; returns when, if there was one.
    pub(crate) async fn remove(&self, name: &str) -> Option<Timestamp> {
        let removed = self.store.remove(&key(name)).await.unwrap();
        removed.version.map(Version::timestamp)
    }

    pub(crate) async fn get(&self, name: &str) -> Option<u64> {
        let found = self.store.get(&key(name)).await.unwrap();
        found.map(|record| number(&record))
    }

    /// All that is there, read from the record store and not from the tree; removals as `None`.
    pub(crate) async fn records(&self) -> Vec<(Key, Option<u64>)> {
        let request = ScanRequest::first(usize::MAX >> 1).with_tombstones();
        let page = self.store.scan_page(request).await.unwrap();
        assert!(page.next.is_none());
        let shown = |record: &Record| (!record.is_tombstone()).then(|| number(record));
        page.records
            .iter()
            .map(|(key, record)| (key.clone(), shown(record)))
            .collect()
    }
}

pub(crate) fn number(record: &Record) -> u64 {
    match record.value().value().map(|value| &**value) {
        Some(Value::U64(number)) => *number,
        other => panic!("the record holds {other:?}, not a number"),
    }
}
