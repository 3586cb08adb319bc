//! S2: what the data store cannot hold is refused before it is asked, and leaves no trace.

use std::sync::Arc;

use layerstore_data_store::{InMemoryDataStore, Limits, MapDataStore};
use layerstore_record::codec::encoded_len;
use layerstore_record::{Clock, Cost, NodeId, RecordValue, Timestamp, Value};
use layerstore_record_store::{
    Budget, Compute, MergeSource, RecordErrorKind, RecordStore, RecordStoreError, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, RecordingDataStore};

use crate::stage::{Plan, Stage, config, key, kind};

/// How large a record the data store takes, in bytes of its encoded form.
const MOST: usize = 500;

const VERBS: [&str; 8] = [
    "set",
    "try_set",
    "put",
    "put_all",
    "put_if_absent",
    "replace",
    "compute",
    "merge",
];

struct Scene {
    stage: Stage,
    calls: Arc<RecordingDataStore>,
    budget: Arc<Budget>,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let mut limits = Limits::default();
        limits.record_bytes = MOST;
        let below = Arc::new(InMemoryDataStore::new(clock.shared()).with_limits(limits));
        let calls = Arc::new(RecordingDataStore::new(
            Arc::clone(&below) as Arc<dyn MapDataStore>
        ));
        let budget = Budget::cost(Cost(1 << 20));
        let mut config = config();
        config.budget = Arc::clone(&budget);
        let plan = Plan { config, node: 1 };
        let stage = Stage::over(plan, clock, below, Arc::clone(&calls) as _).await;
        Self { stage, calls, budget }
    }

    async fn write(&self, verb: &str, value: Value) -> Result<(), RecordStoreError> {
        let (store, k, options) = (&self.stage.store, &key("k"), &WriteOptions::DEFAULT);
        match verb {
            "set" => store.set(k, value.into(), options).await.map(drop),
            "try_set" => store.try_set(k, value.into(), options).map(drop),
            "put" => store.put(k, value.into(), options).await.map(drop),
            "put_all" => {
                let batch = vec![(k.clone(), value.into()), (key("other"), 7.into())];
                let mut written = store.put_all(batch, options).await;
                assert!(
                    written.pop().unwrap().is_ok(),
                    "a record that fits is written all the same"
                );
                written.remove(0).map(drop)
            }
            "put_if_absent" => store
                .put_if_absent(&key("new"), value.into(), options)
                .await
                .map(drop),
            "replace" => {
                let there = store.get(k).await?.unwrap().version();
                store.replace(k, there, value.into(), options).await.map(drop)
            }
            "compute" => {
                let computed = store.compute(k, Box::new(move |_| Compute::Put(value.clone().into())));
                computed.await.map(drop)
            }
            "merge" => {
                let later = Timestamp::new(self.stage.clock.now().plus(1), 0, NodeId(9));
                let value = RecordValue::lww(value, later);
                store.merge(k, value, MergeSource::Crdt, options).await.map(drop)
            }
            other => panic!("there is no verb {other}"),
        }
    }
}

fn text(bytes: usize) -> Value {
    Value::from("x".repeat(bytes))
}

#[tokio::test]
async fn s2_what_the_data_store_cannot_hold_is_refused_before_it_is_asked() {
    for verb in VERBS {
        let scene = Scene::new().await;
        let version = scene.stage.set("k", 1).await;
        let _ = (scene.calls.take(), scene.stage.observer.take());
        let used = scene.budget.used();
        let error = scene.write(verb, text(MOST)).await.unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::TooLarge, "{verb}");
        let said = error.to_string();
        assert!(said.contains("500") && !said.contains("xxx"), "{verb}: {said}");
        let told = scene.stage.observer.take().len();
        if verb == "put_all" {
            assert_eq!(
                (scene.calls.versions(&crate::stage::map(), &key("k")).len(), told),
                (0, 1)
            );
        } else {
            let asked = scene.calls.count(Call::Apply) + scene.calls.count(Call::TryApply);
            assert_eq!(
                (asked, told),
                (0, 0),
                "{verb}: neither data store nor observers hear of it"
            );
            assert_eq!(
                scene.budget.used(),
                used,
                "{verb}: what was set aside was not given back"
            );
        }
        assert_eq!(scene.stage.resident("k").unwrap().version(), version, "{verb}");
        assert!(scene.stage.resident("new").is_none());
    }
}

#[tokio::test]
async fn s2_a_record_of_exactly_the_limit_is_written_and_one_of_a_byte_more_is_refused() {
    let scene = Scene::new().await;
    scene.write("set", text(100)).await.unwrap();
    let record = scene.stage.resident("k").unwrap();
    // As many bytes of metadata stand around every text of more than 250 bytes.
    let around = encoded_len(&record).unwrap() - 100;
    let fits = (MOST - around - 4..MOST).rev();
    let mut longest = None;
    for bytes in fits {
        if scene.write("set", text(bytes)).await.is_ok() {
            longest = Some(bytes);
            break;
        }
    }
    let longest = longest.unwrap();
    let held = scene.stage.resident("k").unwrap();
    // When it was stored was noted afterwards, in a byte of its own.
    assert!(held.last_stored().is_some());
    assert_eq!(
        encoded_len(&held).unwrap(),
        MOST + 1,
        "{longest} bytes are not the most"
    );
    assert_eq!(
        kind(scene.write("set", text(longest + 1)).await),
        RecordErrorKind::TooLarge
    );
}
