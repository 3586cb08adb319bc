//! S2: a value that no data store could give back is refused by every verb, whatever the data store, and leaves no trace.

use std::sync::Arc;

use layerstore_record::{
    Clock, Key, NodeId, OrEntries, Record, RecordValue, Tags, Timestamp, Value, Version,
};
use layerstore_record_store::{Compute, MergeSource, NewValue, RecordErrorKind, RecordStore, WriteOptions};

use crate::stage::{Rig, Stage, config, key};

/// Arrays within each other, this many.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::from(1_u64), |inner, _| Value::Array(Box::new([inner])))
}

/// Later than what the stage has written.
fn at(stage: &Stage) -> Timestamp {
    Timestamp::new(stage.clock.now().plus(10), 0, NodeId(9))
}

const VERBS: [&str; 10] = [
    "try_set",
    "set",
    "put",
    "put_all",
    "put_if_absent",
    "replace",
    "compute",
    "merge",
    "stamped",
    "put_backup",
];

/// Tries to bring a value of so many levels to the key that has this version.
async fn bring(
    stage: &Stage,
    verb: &str,
    (key, held): (&Key, Version),
    levels: usize,
) -> Option<RecordErrorKind> {
    let (store, options) = (&stage.store, &WriteOptions::DEFAULT);
    let value = || NewValue::from(nested(levels));
    let stamped = || RecordValue::lww(nested(levels), at(stage));
    let tried = match verb {
        "try_set" => store.try_set(key, value(), options).map(drop),
        "set" => store.set(key, value(), options).await.map(drop),
        "put" => store.put(key, value(), options).await.map(drop),
        "put_all" => store
            .put_all(vec![(key.clone(), value())], options)
            .await
            .remove(0)
            .map(drop),
        "put_if_absent" => {
            store.remove(key).await.unwrap();
            let _ = stage.observer.take();
            store.put_if_absent(key, value(), options).await.map(drop)
        }
        "replace" => store.replace(key, held, value(), options).await.map(drop),
        "compute" => {
            let made = value();
            let compute = store.compute(key, Box::new(move |_| Compute::Put(made.clone())));
            compute.await.map(drop)
        }
        "merge" => store
            .merge(key, stamped(), MergeSource::Crdt, options)
            .await
            .map(drop),
        "stamped" => store.set(key, stamped().into(), options).await.map(drop),
        _ => {
            let record = Record::builder(stamped(), Version::new(at(stage))).build();
            store.put_backup(key, Arc::new(record)).await.map(drop)
        }
    };
    let error = tried.err()?;
    assert_eq!(error.key(), Some(key), "{verb}");
    assert!(error.to_string().contains("64 deep"), "{error}");
    Some(error.kind())
}

#[tokio::test]
async fn s2_a_value_nested_too_deep_is_refused_by_every_verb_and_leaves_no_trace() {
    for verb in VERBS {
        let stages = [
            Stage::pure(config()).await,
            Stage::new().await,
            Rig::new().await.stage,
        ];
        for stage in stages {
            let alice = key("alice");
            let held = stage.set("alice", 1).await;
            let _ = stage.observer.take();
            let refused = bring(&stage, verb, (&alice, held), 65).await;
            assert_eq!(refused, Some(RecordErrorKind::TooDeep), "{verb}");
            assert!(stage.observer.told().is_empty(), "{verb}");
            let left = if verb == "put_if_absent" { None } else { Some(1) };
            assert_eq!(
                (stage.get("alice").await, stage.store.stats().backups),
                (left, 0),
                "{verb}"
            );
            let current = stage
                .store
                .get(&alice)
                .await
                .unwrap()
                .map_or(held, |record| record.version());
            assert_eq!(current, held, "{verb}");
            assert_eq!(bring(&stage, verb, (&alice, held), 64).await, None, "{verb}");
        }
    }
}

#[tokio::test]
async fn s2_an_or_map_with_an_entry_nested_too_deep_is_refused() {
    for stage in [Stage::pure(config()).await, Stage::new().await] {
        let or_map = |levels| {
            RecordValue::or_map(
                OrEntries::new(vec![(at(&stage), nested(levels))]),
                Tags::default(),
            )
        };
        let merge = async |levels| {
            let merged = stage
                .store
                .merge(
                    &key("alice"),
                    or_map(levels),
                    MergeSource::Replication,
                    &WriteOptions::DEFAULT,
                )
                .await;
            merged.err().map(|error| error.kind())
        };
        assert_eq!(merge(65).await, Some(RecordErrorKind::TooDeep));
        assert!(stage.store.get(&key("alice")).await.unwrap().is_none());
        assert!(stage.observer.told().is_empty());
        assert_eq!(merge(64).await, None);
    }
}
