//! Provenance *load*: the data store's version, only where memory has none or an older one, written nowhere.

use std::sync::Arc;

use layerstore_data_store::{MapDataStore, Write};
use layerstore_record::{Clock, Expiry, Record, RecordValue, Version};
use layerstore_record_store::{RecordErrorKind, RecordStore, WriteOptions};
use layerstore_testkit::doubles::Call;

use crate::p::{at, below, foreign, foreign_with, forget, or_map, read, told, writes};
use crate::stage::{Plan, Rig, Stage, key, kind, map, ttl};

const OPTIONS: &WriteOptions = &WriteOptions::DEFAULT;

/// The verbs that load.
const WAYS: [&str; 5] = ["get", "get_all", "contains", "load", "preload"];

async fn load(stage: &Stage, way: &str) {
    let (store, a) = (&stage.store, key("a"));
    match way {
        "get" => drop(store.get(&a).await.unwrap()),
        "get_all" => drop(store.get_all(&[a]).await.unwrap()),
        "contains" => drop(store.contains(&a).await.unwrap()),
        "load" => drop(store.load(&a).await.unwrap()),
        _ => drop(store.preload(10).await.unwrap()),
    }
}

/// Writes to the data store behind the record store's back.
async fn write_below(stage: &Stage, record: Arc<Record>) {
    let write = Write::new(map(), key("a"), record);
    assert!(stage.below.apply(vec![write]).await[0].is_applied());
}

#[tokio::test]
async fn p_load_keeps_the_stores_version_and_expiry_writes_nothing_and_is_told_as_a_load() {
    for way in WAYS {
        let rig = Rig::new().await;
        let written = rig.store.set(&key("a"), 1.into(), &ttl(1_000)).await.unwrap();
        let version = written.version.unwrap();
        let ends = rig.clock.now().plus(1_000);
        assert!(rig.store.evict(&key("a")).await.unwrap());
        rig.advance(400);
        forget(&rig);
        load(&rig, way).await;
        let resident = rig.resident("a").unwrap();
        assert_eq!(resident.version(), version, "{way}");
        assert_eq!(resident.expiry().deadline, Some(ends), "{way}");
        assert_eq!(told(&rig), ["load 1 by load as owner"], "{way}");
        assert_eq!(writes(&rig), 0, "{way}");
        assert_eq!(below(&rig, "a").await, Some(("1".to_owned(), version)));
        // What is written next is above what was loaded.
        assert!(rig.set("a", 2).await > version);
    }
}

#[tokio::test]
async fn p_load_of_what_memory_has_as_new_or_newer_changes_nothing() {
    let rig = Rig::new().await;
    rig.set("a", 1).await;
    let same = rig.resident("a").unwrap();
    forget(&rig);
    let loaded = rig.store.load(&key("a")).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&same, &loaded) && Arc::ptr_eq(&same, &rig.resident("a").unwrap()));
    // A backup is newer than what the data store has.
    let backup = foreign(&rig, 2, 5);
    rig.store.put_backup(&key("a"), backup.clone()).await.unwrap();
    forget(&rig);
    let loaded = rig.store.load(&key("a")).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&backup, &loaded) && Arc::ptr_eq(&backup, &rig.resident("a").unwrap()));
    assert_eq!((told(&rig), writes(&rig)), (vec![], 0));
    assert_eq!(
        (rig.recording.count(Call::Load), rig.store.stats().backups),
        (1, 1)
    );
}

#[tokio::test]
async fn p_load_replaces_an_older_record() {
    let rig = Rig::new().await;
    rig.set("a", 1).await;
    let newer = foreign(&rig, 2, 5);
    write_below(&rig, newer.clone()).await;
    forget(&rig);
    assert_eq!(
        rig.get("a").await,
        Some(1),
        "memory does not know, and is not asked to find out"
    );
    rig.store.load(&key("a")).await.unwrap();
    assert_eq!(read(&rig, "a").await, Some(("2".to_owned(), newer.version())));
    assert_eq!(
        (told(&rig), writes(&rig)),
        (vec!["load 2 by load as owner".to_owned()], 0)
    );
}

#[tokio::test]
async fn p_load_of_an_absent_a_removed_and_an_ended_record_installs_nothing() {
    for way in WAYS {
        let rig = Rig::new().await;
        load(&rig, way).await;
        rig.set("a", 1).await;
        rig.store.remove(&key("a")).await.unwrap();
        rig.advance(10_000);
        forget(&rig);
        load(&rig, way).await;
        rig.store.set(&key("a"), 2.into(), &ttl(10)).await.unwrap();
        rig.store.evict(&key("a")).await.unwrap();
        rig.advance(10_000);
        let _ = rig.observer.take();
        load(&rig, way).await;
        assert_eq!((told(&rig), rig.store.resident_len()), (vec![], 0), "{way}");
        assert_eq!(rig.get("a").await, None, "{way}");
    }
}

#[tokio::test]
async fn p_load_settles_the_kind_of_the_map_and_installs_or_maps_as_they_are() {
    let early = Stage::with(Plan::default(), |below| below).await;
    let value = or_map(&[1, 2], &[3]);
    let set = early.store.set(&key("a"), value.clone().into(), OPTIONS).await;
    let version = set.unwrap().version.unwrap();
    let late = early.restarted(Plan::default()).await;
    let _ = late.observer.take();
    let mixed = late.store.set(&key("b"), 1.into(), OPTIONS).await;
    assert_eq!(kind(mixed), RecordErrorKind::KindMismatch);
    let loaded = late.store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((loaded.value(), loaded.version()), (&value, version));
    assert_eq!(told(&late), ["load {1 2} by load as owner"]);
}

#[tokio::test]
async fn p_load_takes_a_version_of_another_clock_as_it_is() {
    let stage = Stage::new().await;
    let ahead = Version::new(at(&stage, 60_000));
    let value = RecordValue::lww(1, at(&stage, 0));
    write_below(&stage, Arc::new(Record::builder(value, ahead).build())).await;
    assert_eq!(read(&stage, "a").await, Some(("1".to_owned(), ahead)));
    assert!(stage.set("a", 2).await > ahead);
}

#[tokio::test]
async fn p_load_of_what_is_newer_than_a_backup_leaves_no_backup() {
    let rig = Rig::new().await;
    let backup = foreign(&rig, 1, 5);
    rig.store.put_backup(&key("a"), backup).await.unwrap();
    let newer = foreign(&rig, 2, 10);
    write_below(&rig, newer.clone()).await;
    rig.store.load(&key("a")).await.unwrap();
    assert_eq!(read(&rig, "a").await, Some(("2".to_owned(), newer.version())));
    assert_eq!(rig.store.stats().backups, 0);
    assert!(rig.store.evict(&key("a")).await.unwrap(), "the data store has it");
}

#[tokio::test]
async fn p_load_of_a_newer_removal_leaves_nothing_older_behind() {
    for backup in [false, true] {
        let rig = Rig::new().await;
        if backup {
            rig.store
                .put_backup(&key("a"), foreign(&rig, 1, 5))
                .await
                .unwrap();
        } else {
            rig.set("a", 1).await;
        }
        let gone = foreign_with(
            &rig,
            RecordValue::Tombstone {
                timestamp: at(&rig, 10),
            },
            10,
            Expiry::NEVER,
        );
        write_below(&rig, gone).await;
        forget(&rig);
        assert_eq!(rig.store.load(&key("a")).await.unwrap(), None);
        assert_eq!(rig.get("a").await, None, "what was loaded says that it is gone");
        assert_eq!((rig.store.resident_len(), rig.store.stats().backups), (0, 0));
        let owned_as = if backup { "backup" } else { "owner" };
        assert_eq!(told(&rig), [format!("evict by load as {owned_as}")]);
    }
}
