//! S9: `delete_all` of one partition among several is as sure of what it did as any write.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore};
use layerstore_engine::HashMapEngine;
use layerstore_record::{Hlc, NodeId};
use layerstore_record_store::{
    DefaultRecordStore, Partition, RecordErrorKind, RecordStore, RecordStoreConfig, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, DawdlingDataStore, Side, SlowDataStore};

use crate::stage::{config, key, kind, map};

/// The first of two partitions, holding some of a hundred records.
struct Scene {
    store: DefaultRecordStore,
    dawdling: Arc<DawdlingDataStore>,
    slow: Arc<SlowDataStore>,
}

impl Scene {
    async fn new(config: RecordStoreConfig) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let dawdling = Arc::new(DawdlingDataStore::new(below, 0));
        let slow = Arc::new(SlowDataStore::new(Arc::clone(&dawdling) as _));
        let data_store: Arc<dyn MapDataStore> = Arc::clone(&slow) as _;
        let half = Partition::new(0, 2).unwrap();
        let store = DefaultRecordStore::builder(map(), Arc::new(HashMapEngine::new()), data_store)
            .partition(half)
            .hlc(Arc::new(Hlc::new(NodeId(1), clock.shared())))
            .config(config)
            .build()
            .unwrap();
        store.init().await.unwrap();
        let names = (0..100).map(|at| key(&format!("key:{at}")));
        for name in names.filter(|name| half.owns(name)) {
            store.set(&name, 1.into(), &WriteOptions::DEFAULT).await.unwrap();
        }
        Self {
            store,
            dawdling,
            slow,
        }
    }
}

#[tokio::test]
async fn s9_delete_all_of_a_partition_removes_what_was_stale_at_first() {
    for stale in [1, 3, 7] {
        let scene = Scene::new(config()).await;
        assert!(scene.store.count().await.unwrap() > 10);
        scene.dawdling.answer_stale(stale);
        scene.store.delete_all().await.unwrap();
        assert_eq!(
            scene.store.count().await.unwrap(),
            0,
            "after {stale} stale answers"
        );
    }
}

#[tokio::test]
async fn s9_delete_all_of_a_partition_that_is_stale_for_ever_says_so() {
    let scene = Scene::new(config()).await;
    scene.dawdling.answer_stale(u64::MAX);
    let refused = scene.store.delete_all().await;
    assert_eq!(kind(refused), RecordErrorKind::Conflict);
    scene.dawdling.answer_stale(0);
    scene.store.delete_all().await.unwrap();
    assert_eq!(scene.store.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn s9_delete_all_of_a_partition_that_hears_no_answer_does_not_know_what_it_did() {
    let mut settings = config();
    settings.store_deadline = Duration::from_millis(500);
    let scene = Scene::new(settings).await;
    scene.slow.shut(Call::Apply, Side::After);
    assert_eq!(
        kind(scene.store.delete_all().await),
        RecordErrorKind::OutcomeUnknown
    );
    scene.slow.open_all();
    assert_eq!(scene.store.resident_len(), 0, "memory is not to be believed");
    assert_eq!(scene.store.count().await.unwrap(), 0);
}
