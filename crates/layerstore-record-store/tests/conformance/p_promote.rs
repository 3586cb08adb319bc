//! Provenance *backup*, promoted: each becomes a fenced write under its owner's version.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, Write};
use layerstore_record::{Clock, Expiry, RecordValue};
use layerstore_record_store::{RecordErrorKind, RecordStore};
use layerstore_testkit::doubles::{Call, Fault};

use crate::p::{at, below, foreign, foreign_with, forget, or_map, read, told, writes};
use crate::stage::{Rig, Stage, config, key, map};

/// Keeps a number as a backup; returns its record.
async fn backup(rig: &Rig, name: &str, number: u64) -> Arc<layerstore_record::Record> {
    let record = foreign(rig, number, 5);
    rig.store.put_backup(&key(name), record.clone()).await.unwrap();
    record
}

/// Writes a number to the data store behind the record store's back, its version further ahead than that of a backup.
async fn write_below(rig: &Rig, name: &str, number: u64) -> Arc<layerstore_record::Record> {
    let record = foreign(rig, number, 9);
    let write = Write::new(map(), key(name), record.clone());
    assert!(rig.below.apply(vec![write]).await[0].is_applied());
    record
}

#[tokio::test]
async fn p_promote_writes_each_backup_under_its_owners_version_and_tells() {
    let rig = Rig::new().await;
    let (a, b) = (backup(&rig, "a", 1).await, backup(&rig, "b", 2).await);
    let gone = RecordValue::Tombstone {
        timestamp: at(&rig, 5),
    };
    rig.set("c", 3).await;
    let gone = foreign_with(&rig, gone, 5, Expiry::NEVER);
    rig.store.put_backup(&key("c"), gone.clone()).await.unwrap();
    assert_eq!(told(&rig).len(), 4);
    let _ = rig.recording.take();
    let report = rig.store.promote().await.unwrap();
    assert_eq!((report.promoted, report.stale, report.failed.len()), (3, 0, 0));
    assert_eq!(writes(&rig), 1, "one call for all");
    assert_eq!(
        told(&rig),
        [
            "put 1 by backup as owner",
            "put 2 by backup as owner",
            "remove nothing Removed by backup as owner",
        ]
    );
    for (name, record) in [("a", &a), ("b", &b), ("c", &gone)] {
        let held = below(&rig, name).await.map(|(_, version)| version);
        assert_eq!(held, Some(record.version()), "{name}");
    }
    assert!(Arc::ptr_eq(&a, &rig.resident("a").unwrap()) && a.last_stored().is_some());
    assert_eq!((rig.get("c").await, rig.store.stats().backups), (None, 0));
    // They are records like any other now.
    assert!(rig.store.evict(&key("a")).await.unwrap());
    assert_eq!(read(&rig, "a").await, Some(("1".to_owned(), a.version())));
    assert!(rig.set("b", 4).await > b.version());
    forget(&rig);
    assert_eq!(rig.store.promote().await.unwrap().promoted, 0);
    assert_eq!((told(&rig), writes(&rig)), (vec![], 0));
}

#[tokio::test]
async fn p_promote_that_is_fenced_out_says_so_and_leaves_the_newer_record() {
    let rig = Rig::new().await;
    for name in ["newer", "one", "two"] {
        backup(&rig, name, 1).await;
    }
    let newer = write_below(&rig, "newer", 2).await;
    // By now a version of our own would be above it.
    rig.advance(1_000);
    forget(&rig);
    let report = rig.store.promote().await.unwrap();
    assert_eq!((report.promoted, report.stale, report.failed.len()), (2, 1, 0));
    assert_eq!(
        told(&rig),
        ["put 1 by backup as owner", "put 1 by backup as owner"],
        "of the one that lost nobody is told that it was put"
    );
    assert_eq!(read(&rig, "newer").await, Some(("2".to_owned(), newer.version())));
    assert_eq!(rig.store.stats().backups, 0);
}

#[tokio::test]
async fn p_promote_does_not_bring_back_what_was_cleared() {
    let rig = Rig::new().await;
    let old = foreign(&rig, 1, 0);
    rig.advance(1_000);
    rig.store.delete_all().await.unwrap();
    rig.store.put_backup(&key("a"), old).await.unwrap();
    let report = rig.store.promote().await.unwrap();
    assert_eq!((report.promoted, report.stale), (0, 1));
    assert_eq!((rig.get("a").await, rig.store.count().await.unwrap()), (None, 0));
}

#[tokio::test]
async fn p_promote_that_fails_keeps_the_backup_and_may_be_repeated() {
    let faults = [
        (Fault::before(ErrorKind::Rejected), RecordErrorKind::Store),
        (Fault::after(ErrorKind::Timeout), RecordErrorKind::OutcomeUnknown),
        (Fault::lost(ErrorKind::Timeout), RecordErrorKind::OutcomeUnknown),
    ];
    for (fault, expected) in faults {
        let rig = Rig::new().await;
        let a = backup(&rig, "a", 1).await;
        forget(&rig);
        rig.failing.fail_next(Call::Apply, fault);
        let report = rig.store.promote().await.unwrap();
        let [(name, error)] = &report.failed[..] else {
            panic!("{report:?}");
        };
        assert_eq!((name, error.kind(), report.promoted), (&key("a"), expected, 0));
        assert_eq!((told(&rig), rig.store.stats().backups), (vec![], 1));
        assert!(Arc::ptr_eq(&a, &rig.resident("a").unwrap()));
        assert_eq!(rig.store.promote().await.unwrap().promoted, 1);
        assert_eq!(told(&rig), ["put 1 by backup as owner"]);
        assert_eq!(below(&rig, "a").await, Some(("1".to_owned(), a.version())));
    }
}

#[tokio::test]
async fn p_promote_by_a_process_that_was_fenced_out_is_told() {
    let rig = Rig::new().await;
    backup(&rig, "a", 1).await;
    let other = Arc::new(rig.below.share());
    other.claim(&map()).await.unwrap();
    forget(&rig);
    let report = rig.store.promote().await;
    let kinds: Vec<_> = match &report {
        Ok(report) => report.failed.iter().map(|(_, error)| error.kind()).collect(),
        Err(error) => vec![error.kind()],
    };
    assert_eq!(kinds, [RecordErrorKind::Fenced]);
    assert_eq!(told(&rig), Vec::<String>::new());
    assert!(other.load(&map(), &key("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn p_promote_of_what_has_ended_removes_it_under_its_owners_version() {
    for is_swept in [false, true] {
        let rig = Rig::new().await;
        rig.set("a", 1).await;
        let ttl = Some(Duration::from_millis(10));
        let ends = Expiry::starting(rig.clock.now(), ttl, None).unwrap();
        let ended = foreign_with(&rig, RecordValue::lww(2, at(&rig, 5)), 5, ends);
        rig.store.put_backup(&key("a"), ended.clone()).await.unwrap();
        rig.advance(10);
        forget(&rig);
        if is_swept {
            rig.store.sweep().await.unwrap();
        }
        assert_eq!(rig.store.promote().await.unwrap().promoted, 1);
        assert_eq!(
            told(&rig),
            [
                "remove 2 Expired by backup as backup",
                "remove nothing Removed by backup as owner"
            ],
            "its end is told once, by whoever finds it"
        );
        assert_eq!(below(&rig, "a").await, Some(("gone".to_owned(), ended.version())));
        assert_eq!((rig.get("a").await, rig.store.resident_len()), (None, 0));
        rig.store.sweep().await.unwrap();
        assert_eq!(told(&rig), Vec::<String>::new());
        assert_eq!(rig.store.stats().expirations, 1);
    }
}

#[tokio::test]
async fn p_promote_of_more_than_a_batch_writes_all_of_them() {
    let rig = Rig::new().await;
    for number in 0..2_500 {
        backup(&rig, &format!("key:{number}"), number).await;
    }
    forget(&rig);
    assert_eq!(rig.store.promote().await.unwrap().promoted, 2_500);
    assert_eq!((writes(&rig), rig.store.stats().backups), (3, 0));
    assert_eq!(rig.store.count().await.unwrap(), 2_500);
}

#[tokio::test]
async fn p_promote_without_a_data_store_makes_them_records_like_any_other() {
    let stage = Stage::pure(config()).await;
    let held = foreign_with(&stage, or_map(&[1], &[2]), 5, Expiry::NEVER);
    stage.store.put_backup(&key("a"), held.clone()).await.unwrap();
    assert!(!stage.store.evict(&key("a")).await.unwrap());
    let _ = stage.observer.take();
    assert_eq!(stage.store.promote().await.unwrap().promoted, 1);
    assert_eq!(told(&stage), ["put {1} by backup as owner"]);
    assert_eq!(read(&stage, "a").await, Some(("{1}".to_owned(), held.version())));
    assert!(stage.store.evict(&key("a")).await.unwrap());
}
