//! A map holds records of one kind, whatever their provenance: what would mix them is refused and leaves no trace.

use layerstore_data_store::ErrorKind;
use layerstore_record::{Expiry, RecordKind, RecordValue};
use layerstore_record_store::{
    Compute, MergeSource, NewValue, RecordErrorKind, RecordStore, RecordStoreError, WriteOptions,
};
use layerstore_testkit::doubles::{Call, Fault};

use crate::p::{at, foreign_with, forget, or_map, read, told, writes};
use crate::stage::{Rig, Stage, config, key, kind};

const OPTIONS: &WriteOptions = &WriteOptions::DEFAULT;

/// The verbs that bring a value.
const VERBS: [&str; 10] = [
    "set",
    "try_set",
    "put",
    "put_all",
    "put_if_absent",
    "replace",
    "compute",
    "merge",
    "replicate",
    "put_backup",
];

fn value(stage: &Stage, kind: RecordKind) -> RecordValue {
    match kind {
        RecordKind::Lww => RecordValue::lww(1_u64, at(stage, 1)),
        RecordKind::OrMap => or_map(&[1], &[]),
    }
}

fn other(kind: RecordKind) -> RecordKind {
    match kind {
        RecordKind::Lww => RecordKind::OrMap,
        RecordKind::OrMap => RecordKind::Lww,
    }
}

/// Brings a value by a verb; to replace, the record must have its version asked for first.
async fn bring(stage: &Stage, verb: &str, name: &str, value: RecordValue) -> Result<(), RecordStoreError> {
    let (store, k) = (&stage.store, &key(name));
    let new = NewValue::Stamped(value.clone());
    match verb {
        "set" => store.set(k, new, OPTIONS).await.map(drop),
        "try_set" => store.try_set(k, new, OPTIONS).map(drop),
        "put" => store.put(k, new, OPTIONS).await.map(drop),
        "put_all" => {
            let mut results = store.put_all(vec![(k.clone(), new)], OPTIONS).await;
            results.remove(0).map(drop)
        }
        "put_if_absent" => store.put_if_absent(k, new, OPTIONS).await.map(drop),
        "replace" => {
            let held = stage.resident(name).map(|held| held.version());
            store
                .replace(k, held.unwrap_or_default(), new, OPTIONS)
                .await
                .map(drop)
        }
        "compute" => store
            .compute(k, Box::new(move |_| Compute::Put(new.clone())))
            .await
            .map(drop),
        "merge" => store.merge(k, value, MergeSource::Crdt, OPTIONS).await.map(drop),
        "replicate" => store
            .merge(k, value, MergeSource::Replication, OPTIONS)
            .await
            .map(drop),
        _ => {
            let record = foreign_with(stage, value, 60_000, Expiry::NEVER);
            store.put_backup(k, record).await.map(drop)
        }
    }
}

#[tokio::test]
async fn p_kinds_are_not_mixed_by_any_verb_and_no_trace_is_left() {
    for settled in [RecordKind::Lww, RecordKind::OrMap] {
        for verb in VERBS {
            let rig = Rig::new().await;
            let held = value(&rig, settled);
            bring(&rig, "set", "held", held.clone()).await.unwrap();
            let before = read(&rig, "held").await;
            let stats = rig.store.stats();
            forget(&rig);
            for name in ["held", "new"] {
                // What is there is not put again, and what is not there is not replaced: there is nothing to mix.
                if (verb, name) == ("put_if_absent", "held") || (verb, name) == ("replace", "new") {
                    continue;
                }
                let mixed = bring(&rig, verb, name, value(&rig, other(settled))).await;
                assert_eq!(kind(mixed), RecordErrorKind::KindMismatch, "{verb} {name}");
            }
            assert_eq!((told(&rig), writes(&rig)), (vec![], 0), "{verb}");
            let now = rig.store.stats();
            assert_eq!(
                (now.writes, now.backups, now.resident, now.cost),
                (stats.writes, 0, 1, stats.cost),
                "{verb}"
            );
            assert_eq!(read(&rig, "held").await, before, "{verb}");
        }
    }
}

#[tokio::test]
async fn p_kinds_are_settled_by_the_first_record_of_any_provenance() {
    for first in VERBS.into_iter().filter(|verb| *verb != "replace") {
        for settled in [RecordKind::Lww, RecordKind::OrMap] {
            let stage = Stage::pure(config()).await;
            bring(&stage, first, "a", value(&stage, settled)).await.unwrap();
            let mixed = bring(&stage, "set", "b", value(&stage, other(settled))).await;
            assert_eq!(kind(mixed), RecordErrorKind::KindMismatch, "{first}");
            bring(&stage, "set", "b", value(&stage, settled)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn p_kinds_are_not_settled_by_what_fails() {
    for verb in ["set", "put", "put_all", "merge", "replicate"] {
        let rig = Rig::new().await;
        rig.failing
            .fail_next(Call::Apply, Fault::before(ErrorKind::Rejected));
        let refused = bring(&rig, verb, "a", or_map(&[1], &[])).await;
        assert_eq!(kind(refused), RecordErrorKind::Store, "{verb}");
        rig.set("a", 1).await;
        assert_eq!(rig.get("a").await, Some(1), "{verb}");
    }
    let rig = Rig::configured(config().max_cost(layerstore_record::Cost(1))).await;
    let large = foreign_with(&rig, or_map(&[1], &[]), 1, Expiry::NEVER);
    let refused = rig.store.put_backup(&key("a"), large).await;
    assert_eq!(kind(refused), RecordErrorKind::TooLarge);
    let refused = rig.store.set(&key("a"), 1.into(), OPTIONS).await;
    assert_eq!(
        kind(refused),
        RecordErrorKind::TooLarge,
        "and not one of another kind"
    );
}
