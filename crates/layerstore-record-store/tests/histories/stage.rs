//! A record store with little memory over a data store that dawdles and fails, on a clock that the test owns.

use std::sync::{Arc, LazyLock};

use fastrand::Rng;
use layerstore_data_store::{ErrorKind, InMemoryDataStore};
use layerstore_engine::HashMapEngine;
use layerstore_observer::MutationObserver;
use layerstore_record::{Hlc, MapName, NodeId, Record, Value};
use layerstore_record_store::{DefaultRecordStore, RecordStore, RecordStoreConfig};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{FailingDataStore, Fault, SlowDataStore};
use layerstore_testkit::linearizability::Stamps;
use layerstore_testkit::observer::RecordingObserver;

/// Orders the calls of all histories: tasks outlive no test, but the compiler does not know.
pub(crate) static STAMPS: LazyLock<Stamps> = LazyLock::new(Stamps::new);

/// Of a thousand calls of the data store, how many fail.
const FAULTS: u16 = 15;

/// A record store and what stands around it.
pub(crate) struct Stage {
    pub(crate) clock: ManualClock,
    pub(crate) failing: Arc<FailingDataStore>,
    pub(crate) observer: Arc<RecordingObserver>,
    pub(crate) store: DefaultRecordStore,
}

impl Stage {
    /// Sets up, with an observer that notes everything if `told`.
    pub(crate) async fn new(mut config: RecordStoreConfig, rng: &mut Rng, told: bool) -> Arc<Self> {
        config.sweep_interval = None;
        config.seed = Some(rng.u64(..));
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let failing = Arc::new(FailingDataStore::new(below));
        let slow = Arc::new(SlowDataStore::new(Arc::clone(&failing) as _));
        let observer = Arc::new(RecordingObserver::new("recorder"));
        let map = MapName::new("map").unwrap();
        let engine = Arc::new(HashMapEngine::new());
        let mut builder = DefaultRecordStore::builder(map, engine, Arc::clone(&slow) as _)
            .hlc(Arc::new(Hlc::new(NodeId(1), clock.shared())))
            .config(config);
        if told {
            builder = builder.observer(Arc::clone(&observer) as Arc<dyn MutationObserver>);
        }
        let store = builder.build().unwrap();
        store.init().await.unwrap();
        slow.dawdle(rng.fork(), 3);
        Arc::new(Self {
            clock,
            failing,
            observer,
            store,
        })
    }

    /// Lets calls of the data store fail: refused, made with the answer lost, and lost with the answer. What is made is
    /// made before the answer comes.
    pub(crate) fn fail(&self, rng: Rng) {
        let faults = [
            Fault::before(ErrorKind::Unavailable),
            Fault::after(ErrorKind::Timeout),
            Fault::lost(ErrorKind::Timeout),
        ];
        self.failing.fail_randomly(rng, FAULTS, &faults);
    }
}

/// The number that a record holds.
pub(crate) fn number(record: &Record) -> u64 {
    match record.value().value().map(|value| &**value) {
        Some(Value::U64(number)) => *number,
        other => panic!("the record holds {other:?}, not a number"),
    }
}
