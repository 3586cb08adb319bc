//! Provenance *client*: a new version, which replaces what is there, in the data store first.

use layerstore_data_store::{MapDataStore, Write};
use layerstore_record::{NodeId, RecordValue, Version};
use layerstore_record_store::{Compute, RecordStore, WriteOptions};

use crate::p::{at, below, foreign, forget, read, told, writes};
use crate::stage::{Plan, Rig, Stage, config, key, map, ttl};

const OPTIONS: &WriteOptions = &WriteOptions::DEFAULT;

#[tokio::test]
async fn p_client_gets_a_new_version_replaces_is_applied_and_told() {
    let verbs = ["set", "put", "put_all", "replace", "compute", "set_expiry"];
    for verb in verbs {
        let rig = Rig::new().await;
        let first = rig.set("a", 1).await;
        forget(&rig);
        let (store, a) = (&rig.store, &key("a"));
        let version = match verb {
            "set" => store.set(a, 2.into(), OPTIONS).await.unwrap().version,
            "put" => store.put(a, 2.into(), OPTIONS).await.unwrap().version,
            "put_all" => {
                let mut results = store.put_all(vec![(a.clone(), 2.into())], OPTIONS).await;
                results.remove(0).unwrap().version
            }
            "replace" => store.replace(a, first, 2.into(), OPTIONS).await.unwrap().version,
            "compute" => {
                let two = store.compute(a, Box::new(|_| Compute::Put(2.into())));
                two.await.unwrap().version
            }
            _ => store.set_expiry(a, &ttl(1_000)).await.unwrap().version,
        };
        let version = version.unwrap();
        let (held, update) = if verb == "set_expiry" {
            ("1", "update 1 to 1 by client as owner")
        } else {
            ("2", "update 1 to 2 by client as owner")
        };
        let expected = Some((held.to_owned(), version));
        assert!(
            version > first && version.timestamp().node() == NodeId(1),
            "{verb}"
        );
        assert_eq!(read(&rig, "a").await, expected, "{verb}");
        assert_eq!(below(&rig, "a").await, expected, "{verb}");
        assert_eq!((told(&rig), writes(&rig)), (vec![update.to_owned()], 1), "{verb}");
    }
}

#[tokio::test]
async fn p_client_puts_what_was_not_there_and_removes_what_was() {
    let rig = Rig::new().await;
    let put = rig.store.put(&key("a"), 1.into(), OPTIONS).await.unwrap().version;
    assert_eq!(told(&rig), ["put 1 by client as owner"]);
    let removed = rig.store.remove(&key("a")).await.unwrap().version;
    assert!(removed > put);
    assert_eq!(told(&rig), ["remove 1 Removed by client as owner"]);
    assert_eq!(
        below(&rig, "a").await,
        Some(("gone".to_owned(), removed.unwrap()))
    );
    forget(&rig);
    let again = rig.store.remove(&key("a")).await.unwrap();
    assert!(again.version.is_none() && told(&rig).is_empty() && writes(&rig) == 0);
}

#[tokio::test]
async fn p_client_replaces_whatever_the_timestamps_of_the_values_say() {
    for stage in [Stage::pure(config()).await, Stage::new().await] {
        let newer = RecordValue::lww(1, at(&stage, 50));
        let first = stage.store.set(&key("a"), newer.into(), OPTIONS).await.unwrap();
        let older = RecordValue::lww(2, at(&stage, 0));
        let second = stage.store.set(&key("a"), older.into(), OPTIONS).await.unwrap();
        assert!(second.version > first.version);
        assert_eq!(
            read(&stage, "a").await,
            Some(("2".to_owned(), second.version.unwrap()))
        );
    }
}

#[tokio::test]
async fn p_client_version_is_above_whatever_stands_in_the_way() {
    // In memory: a backup whose owner's clock is ahead.
    let rig = Rig::new().await;
    let ahead = foreign(&rig, 1, 60_000);
    rig.store.put_backup(&key("a"), ahead.clone()).await.unwrap();
    assert!(rig.set("a", 2).await > ahead.version());
    assert_eq!((rig.stored("a").await, rig.store.stats().backups), (Some(2), 0));
    // In the data store alone: what an earlier process left, its clock ahead.
    let early = Stage::with(Plan::default(), |below| below).await;
    let left = foreign(&early, 3, 60_000);
    let write = Write::new(map(), key("b"), left.clone());
    assert!(early.below.apply(vec![write]).await[0].is_applied());
    let version: Version = early.set("b", 4).await;
    assert!(version > left.version());
    assert_eq!(below(&early, "b").await, Some(("4".to_owned(), version)));
}
