//! What a test needs: a record store on a clock that the test owns, over a data store that it can watch, fail and hold up.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore, NullDataStore};
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_observer::MutationObserver;
use layerstore_record::{Hlc, Key, MapName, NodeId, Record, Value};
use layerstore_record_store::{
    DefaultRecordStore, RecordErrorKind, RecordStore, RecordStoreConfig, RecordStoreError, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{FailingDataStore, RecordingDataStore, SlowDataStore};
use layerstore_testkit::observer::RecordingObserver;

/// A record store and what stands around it.
pub(crate) struct Stage {
    pub(crate) clock: ManualClock,
    pub(crate) below: Arc<InMemoryDataStore>,
    pub(crate) observer: Arc<RecordingObserver>,
    pub(crate) store: Arc<DefaultRecordStore>,
}

/// A stage whose data store can be watched, held up and made to fail.
pub(crate) struct Rig {
    pub(crate) stage: Stage,
    pub(crate) recording: Arc<RecordingDataStore>,
    pub(crate) slow: Arc<SlowDataStore>,
    pub(crate) failing: Arc<FailingDataStore>,
}

/// What a stage is made of.
pub(crate) struct Plan {
    pub(crate) config: RecordStoreConfig,
    pub(crate) node: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            config: config(),
            node: 1,
        }
    }
}

/// The settings of tests: no background sweep, a fixed seed.
pub(crate) fn config() -> RecordStoreConfig {
    let mut config = RecordStoreConfig::default();
    config.sweep_interval = None;
    config.seed = Some(layerstore_testkit::proof::seed());
    config
}

pub(crate) fn map() -> MapName {
    MapName::new("map").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// Options with a time to live in milliseconds.
pub(crate) fn ttl(millis: u64) -> WriteOptions {
    WriteOptions::new().ttl(Duration::from_millis(millis))
}

/// Options with an idle time in milliseconds.
pub(crate) fn idle(millis: u64) -> WriteOptions {
    WriteOptions::new().max_idle(Duration::from_millis(millis))
}

/// The number that a record holds.
pub(crate) fn number(record: &Record) -> u64 {
    match record.value().value().map(|value| &**value) {
        Some(Value::U64(number)) => *number,
        other => panic!("the record holds {other:?}, not a number"),
    }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::configured(config()).await
    }

    pub(crate) async fn configured(config: RecordStoreConfig) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let failing = Arc::new(FailingDataStore::new(Arc::clone(&below) as _));
        let slow = Arc::new(SlowDataStore::new(Arc::clone(&failing) as _));
        let recording = Arc::new(RecordingDataStore::new(Arc::clone(&slow) as _));
        let plan = Plan { config, node: 1 };
        let stage = Stage::over(plan, clock, below, Arc::clone(&recording) as _).await;
        let _ = (stage.observer.take(), recording.take());
        Self {
            stage,
            recording,
            slow,
            failing,
        }
    }
}

impl std::ops::Deref for Rig {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Stage {
    /// A store over an in-memory data store.
    pub(crate) async fn new() -> Self {
        Self::with(Plan::default(), |below| below).await
    }

    /// The same with these settings.
    pub(crate) async fn configured(config: RecordStoreConfig) -> Self {
        Self::with(Plan { config, node: 1 }, |below| below).await
    }

    /// The same with a data store of the test's around the in-memory one.
    pub(crate) async fn with(
        plan: Plan,
        around: impl FnOnce(Arc<dyn MapDataStore>) -> Arc<dyn MapDataStore>,
    ) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        Self::over(plan, clock, Arc::clone(&below), around(below)).await
    }

    /// A store without a data store: what is in memory is all there is.
    pub(crate) async fn pure(config: RecordStoreConfig) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        Self::over(
            Plan { config, node: 1 },
            clock,
            below,
            Arc::new(NullDataStore::new()),
        )
        .await
    }

    /// The store of a process that starts over what this one left.
    pub(crate) async fn restarted(&self, plan: Plan) -> Self {
        let below = Arc::new(self.below.share());
        let clock = self.clock.clone();
        Self::over(plan, clock, Arc::clone(&below), below).await
    }

    pub(crate) async fn over(
        plan: Plan,
        clock: ManualClock,
        below: Arc<InMemoryDataStore>,
        data_store: Arc<dyn MapDataStore>,
    ) -> Self {
        Self::on_engine(Arc::new(HashMapEngine::new()), plan, clock, below, data_store).await
    }

    /// The same with an engine of the test's.
    pub(crate) async fn on_engine(
        engine: Arc<dyn StorageEngine>,
        plan: Plan,
        clock: ManualClock,
        below: Arc<InMemoryDataStore>,
        data_store: Arc<dyn MapDataStore>,
    ) -> Self {
        let observer = Arc::new(RecordingObserver::new("recorder"));
        let told: Arc<dyn MutationObserver> = Arc::clone(&observer) as _;
        let hlc = Arc::new(Hlc::new(NodeId(plan.node), clock.shared()));
        let store = DefaultRecordStore::builder(map(), engine, data_store)
            .hlc(hlc)
            .observer(told)
            .config(plan.config)
            .build()
            .unwrap();
        store.init().await.unwrap();
        Self {
            clock,
            below,
            observer,
            store: Arc::new(store),
        }
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    /// Sets a number, which must be acknowledged.
    pub(crate) async fn set(&self, name: &str, number: u64) -> layerstore_record::Version {
        let set = self
            .store
            .set(&key(name), number.into(), &WriteOptions::DEFAULT)
            .await;
        set.unwrap().version.unwrap()
    }

    /// Gets a number.
    pub(crate) async fn get(&self, name: &str) -> Option<u64> {
        self.store
            .get(&key(name))
            .await
            .unwrap()
            .map(|record| number(&record))
    }

    /// What the data store below has.
    pub(crate) async fn stored(&self, name: &str) -> Option<u64> {
        let record = self.below.load(&map(), &key(name)).await.unwrap();
        record
            .filter(|record| !record.is_tombstone())
            .map(|record| number(&record))
    }

    /// What memory has, without asking anybody else and without counting a hit.
    pub(crate) fn resident(&self, name: &str) -> Option<Arc<Record>> {
        let page = self
            .store
            .scan_resident(&layerstore_engine::Cursor::start(), usize::MAX);
        let wanted = key(name);
        page.records
            .into_iter()
            .find(|(key, _)| *key == wanted)
            .map(|(_, record)| record)
    }
}

/// Starts a future: polls it once, and expects it to wait.
pub(crate) async fn start<F: Future + Unpin>(future: &mut F) {
    let polled = futures::poll!(future);
    assert!(polled.is_pending(), "it did not wait");
}

/// The kind of an error that must have come.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, RecordStoreError>) -> RecordErrorKind {
    result.expect_err("an error was due").kind()
}
