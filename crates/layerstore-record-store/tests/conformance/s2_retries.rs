//! S2: a write that meets something newer is made again, a bounded number of times.

use std::sync::Arc;

use layerstore_data_store::InMemoryDataStore;
use layerstore_record::Version;
use layerstore_record_store::{
    Compute, NewValue, RecordErrorKind, RecordStore, RecordStoreError, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, DawdlingDataStore, RecordingDataStore};

use crate::stage::{Plan, Stage, key, kind, number};

/// How often a write is made before it is given up.
const BOUND: u64 = 8;

const VERBS: [&str; 5] = ["set", "put", "put_all", "compute", "remove"];

struct Scene {
    stage: Stage,
    dawdling: Arc<DawdlingDataStore>,
    calls: Arc<RecordingDataStore>,
    before: Version,
}

impl Scene {
    /// `k` holds 1, in memory and in the data store.
    async fn new() -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let dawdling = Arc::new(DawdlingDataStore::new(Arc::clone(&below) as _, 0));
        let calls = Arc::new(RecordingDataStore::new(Arc::clone(&dawdling) as _));
        let stage = Stage::over(Plan::default(), clock, below, Arc::clone(&calls) as _).await;
        let before = stage.set("k", 1).await;
        let _ = (stage.observer.take(), calls.take());
        Self {
            stage,
            dawdling,
            calls,
            before,
        }
    }

    async fn write(&self, verb: &str) -> Result<Option<Version>, RecordStoreError> {
        let (store, k, options) = (&self.stage.store, &key("k"), &WriteOptions::DEFAULT);
        let two = || NewValue::from(2);
        match verb {
            "set" => store.set(k, two(), options).await.map(|done| done.version),
            "put" => store.put(k, two(), options).await.map(|done| done.version),
            "put_all" => {
                let mut done = store.put_all(vec![(k.clone(), two())], options).await;
                done.swap_remove(0).map(|done| done.version)
            }
            "compute" => {
                let computed = store.compute(k, Box::new(move |_| Compute::Put(2.into()))).await;
                computed.map(|done| done.version)
            }
            _ => store.remove(k).await.map(|done| done.version),
        }
    }

    /// The versions that were tried, in their order.
    fn tried(&self) -> Vec<Version> {
        let calls = self.calls.calls();
        let applies = calls.iter().filter(|noted| noted.call == Call::Apply);
        let targets = applies.flat_map(|noted| &noted.targets);
        targets.filter_map(|target| target.version).collect()
    }
}

#[tokio::test]
async fn s2_a_write_that_is_stale_for_ever_is_given_up_after_eight_times_and_leaves_no_trace() {
    for verb in VERBS {
        let scene = Scene::new().await;
        scene.dawdling.answer_stale(u64::MAX);
        let before = scene.stage.resident("k").unwrap();
        let refused = scene.write(verb).await;
        let text = refused.as_ref().unwrap_err().to_string();
        assert!(text.contains(&format!("newer {BOUND} times")), "{verb}: {text}");
        assert!(refused.as_ref().unwrap_err().current_version().is_some());
        assert_eq!(kind(refused), RecordErrorKind::Conflict, "{verb}");

        let tried = scene.tried();
        assert_eq!(tried.len() as u64, BOUND, "{verb}");
        assert!(
            tried.is_sorted_by(|one, next| one < next),
            "{verb}: versions only rise"
        );
        let stats = scene.stage.store.stats();
        assert_eq!((stats.stale_retries, stats.rejected), (BOUND - 1, 1), "{verb}");

        // No trace: the very record is in memory, and nobody was told.
        assert!(
            Arc::ptr_eq(&before, &scene.stage.resident("k").unwrap()),
            "{verb}"
        );
        assert_eq!(before.version(), scene.before);
        assert!(scene.stage.observer.told().is_empty(), "{verb}");
        assert_eq!(scene.stage.stored("k").await, Some(1));

        // The gate is free, and what comes next stands above all that was tried.
        scene.dawdling.answer_stale(0);
        let next = scene.stage.set("k", 3).await;
        assert!(tried.iter().all(|version| *version < next), "{verb}");
    }
}

#[tokio::test]
async fn s2_a_write_that_is_stale_seven_times_is_acknowledged_above_them_all() {
    for verb in VERBS {
        let scene = Scene::new().await;
        scene.dawdling.answer_stale(BOUND - 1);
        let version = scene.write(verb).await.unwrap().unwrap();
        let tried = scene.tried();
        assert_eq!(
            (tried.len() as u64, tried.last()),
            (BOUND, Some(&version)),
            "{verb}"
        );
        assert!(tried.is_sorted_by(|one, next| one < next), "{verb}");
        let expected = (verb != "remove").then_some(2);
        let resident = scene.stage.resident("k").map(|record| number(&record));
        assert_eq!(
            (scene.stage.stored("k").await, resident),
            (expected, expected),
            "{verb}"
        );
        assert_eq!(scene.stage.observer.told().len(), 1, "{verb}: told once");
    }
}
