//! Provenance *backup*: the owner's version, which must rise, in memory alone until it is promoted.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::ScanRequest;
use layerstore_engine::Cursor;
use layerstore_record::{Clock, Cost, Expiry, Record, RecordValue, Value};
use layerstore_record_store::{RecordErrorKind, RecordStore, TryGet, WriteOptions};

use crate::p::{at, below, foreign, foreign_with, forget, or_map, read, told, writes};
use crate::stage::{Rig, Stage, config, key, kind};

const OPTIONS: &WriteOptions = &WriteOptions::DEFAULT;

/// Another process's record that ends so many milliseconds from now.
fn ending(stage: &Stage, number: u64, ahead: u64, millis: u64) -> Arc<Record> {
    let ttl = Some(Duration::from_millis(millis));
    let expiry = Expiry::starting(stage.clock.now(), ttl, None).unwrap();
    foreign_with(stage, RecordValue::lww(number, at(stage, ahead)), ahead, expiry)
}

async fn put(stage: &Stage, name: &str, record: &Arc<Record>) {
    let put = stage.store.put_backup(&key(name), Arc::clone(record)).await;
    assert_eq!(put.unwrap().version, Some(record.version()));
}

#[tokio::test]
async fn p_backup_keeps_the_owners_version_asks_no_data_store_and_is_told_as_a_backup() {
    let rig = Rig::new().await;
    let (first, second) = (foreign(&rig, 1, 5), foreign(&rig, 2, 6));
    put(&rig, "a", &first).await;
    assert!(Arc::ptr_eq(&first, &rig.resident("a").unwrap()));
    assert_eq!(told(&rig), ["put 1 by backup as backup"]);
    put(&rig, "a", &second).await;
    assert_eq!(read(&rig, "a").await, Some(("2".to_owned(), second.version())));
    assert_eq!(told(&rig), ["update 1 to 2 by backup as backup"]);
    let gone = RecordValue::Tombstone {
        timestamp: at(&rig, 7),
    };
    put(&rig, "a", &foreign_with(&rig, gone, 7, Expiry::NEVER)).await;
    assert_eq!(told(&rig), ["remove 2 Removed by backup as backup"]);
    assert_eq!(rig.get("a").await, None);
    assert_eq!(rig.recording.calls(), []);
    assert_eq!((rig.store.stats().backups, rig.store.resident_len()), (1, 0));
}

#[tokio::test]
async fn p_backup_must_rise() {
    let rig = Rig::new().await;
    let own = rig.set("own", 1).await;
    let version = foreign(&rig, 1, 5);
    put(&rig, "a", &version).await;
    rig.advance(5);
    let gone = RecordValue::Tombstone {
        timestamp: at(&rig, 0),
    };
    let removed = foreign_with(&rig, gone, 0, Expiry::NEVER);
    put(&rig, "removed", &removed).await;
    forget(&rig);
    let writes = rig.store.stats().writes;
    rig.clock.set(layerstore_testkit::clock::ManualClock::START);
    let same = foreign_with(&rig, RecordValue::lww(9, at(&rig, 99)), 5, Expiry::NEVER);
    assert_eq!(same.version(), version.version());
    let older = foreign(&rig, 9, 0);
    for (name, record, held) in [
        ("a", same, version.version()),
        ("a", foreign(&rig, 9, 4), version.version()),
        ("removed", foreign(&rig, 9, 4), removed.version()),
    ] {
        let refused = rig.store.put_backup(&key(name), record).await.unwrap_err();
        assert_eq!(refused.kind(), RecordErrorKind::NotNewer, "{name}");
        assert_eq!(refused.current_version(), Some(held), "{name}");
    }
    // The record of an owner, this process, counts alike.
    let below_own =
        Arc::new(Record::builder(older.value().clone(), layerstore_record::Version::ZERO).build());
    let refused = rig.store.put_backup(&key("own"), below_own).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.current_version()),
        (RecordErrorKind::NotNewer, Some(own))
    );
    assert_eq!((told(&rig), rig.recording.calls()), (vec![], vec![]));
    assert_eq!((rig.store.stats().writes, rig.store.stats().backups), (writes, 2));
    assert_eq!((rig.get("own").await, rig.get("removed").await), (Some(1), None));
}

#[tokio::test]
async fn p_backup_is_neither_flushed_nor_evicted_nor_written_by_a_sweep_or_a_close() {
    let rig = Rig::new().await;
    rig.set("own", 1).await;
    let idle = Expiry::starting(rig.clock.now(), None, Some(Duration::from_secs(1))).unwrap();
    let backup = foreign_with(&rig, RecordValue::lww(1, at(&rig, 5)), 5, idle);
    put(&rig, "a", &backup).await;
    rig.advance(900);
    assert_eq!(
        rig.get("a").await,
        Some(1),
        "which moves its end by nearly all of its period"
    );
    forget(&rig);
    let store = &rig.store;
    assert!(!store.evict(&key("a")).await.unwrap());
    assert_eq!(store.clear_memory().await.unwrap(), 1, "what this process owns");
    store.soft_flush();
    store.hard_flush().await.unwrap();
    let swept = store.sweep().await.unwrap();
    assert_eq!((swept.expired, swept.persisted, swept.failed), (0, 0, 0));
    assert!(Arc::ptr_eq(&backup, &rig.resident("a").unwrap()));
    assert!(store.close(Duration::from_secs(1)).await.is_complete());
    assert_eq!((writes(&rig), below(&rig, "a").await), (0, None));
    assert_eq!(
        told(&rig),
        ["evict by client as owner", "destroy by client as owner"]
    );
}

#[tokio::test]
async fn p_backup_that_has_ended_is_never_returned_and_hides_what_the_data_store_has() {
    let rig = Rig::new().await;
    rig.set("a", 1).await;
    let ended = ending(&rig, 2, 5, 10);
    put(&rig, "a", &ended).await;
    rig.advance(10);
    forget(&rig);
    // As it is, swept, and swept long after everything else would have been forgotten.
    for round in 0..3 {
        assert_eq!(rig.get("a").await, None, "round {round}");
        let (store, a) = (&rig.store, key("a"));
        assert_eq!(store.try_get(&a), TryGet::Absent);
        assert_eq!(store.read(&a, &mut |_| panic!("it has ended")), TryGet::Absent);
        assert_eq!(store.get_all(std::slice::from_ref(&a)).await.unwrap(), [None]);
        assert_eq!(store.load(&a).await.unwrap(), None);
        assert!(!store.contains(&a).await.unwrap());
        assert!(store.scan_resident(&Cursor::start(), 9).records.is_empty());
        let page = store.scan_page(ScanRequest::first(9)).await.unwrap();
        assert!(page.records.is_empty());
        assert_eq!(store.count().await.unwrap(), 0);
        assert_eq!(store.preload(9).await.unwrap(), 0);
        assert!(!store.evict(&a).await.unwrap());
        let late = rig.store.put_backup(&a, foreign_like(&ended, 9)).await;
        assert_eq!(kind(late), RecordErrorKind::NotNewer);
        let expired = store.sweep().await.unwrap().expired;
        let expected: &[&str] = if round == 0 {
            &["remove 2 Expired by backup as backup"]
        } else {
            &[]
        };
        assert_eq!(
            (told(&rig), expired),
            (expected.iter().map(ToString::to_string).collect(), expected.len())
        );
        assert_eq!((writes(&rig), rig.store.resident_len()), (0, 0));
        if round == 1 {
            rig.advance(48 * 3_600_000);
        }
    }
    assert_eq!(rig.store.stats().backups, 1, "it still has to be made true below");
    assert_eq!(rig.store.promote().await.unwrap().promoted, 1);
    assert_eq!(below(&rig, "a").await, Some(("gone".to_owned(), ended.version())));
    assert_eq!((rig.get("a").await, rig.store.stats().backups), (None, 0));
}

/// A record of another value under the same version.
fn foreign_like(record: &Record, number: u64) -> Arc<Record> {
    let value = RecordValue::lww(number, record.version().timestamp());
    Arc::new(Record::builder(value, record.version()).build())
}

#[tokio::test]
async fn p_backup_that_has_ended_gives_way_to_a_newer_one_and_to_a_client() {
    for is_swept in [false, true] {
        for stage in [Stage::pure(config()).await, Stage::new().await] {
            let ended = ending(&stage, 1, 5, 10);
            for name in ["a", "b"] {
                put(&stage, name, &ended).await;
            }
            stage.advance(10);
            if is_swept {
                assert_eq!(stage.store.sweep().await.unwrap().expired, 2);
            }
            let _ = stage.observer.take();
            let newer = foreign(&stage, 2, 5);
            put(&stage, "a", &newer).await;
            let last = told(&stage).pop();
            assert_eq!(last.as_deref(), Some("put 2 by backup as backup"));
            assert_eq!(read(&stage, "a").await, Some(("2".to_owned(), newer.version())));
            assert!(stage.set("b", 3).await > ended.version());
            assert_eq!((stage.get("b").await, stage.store.stats().backups), (Some(3), 1));
        }
    }
}

#[tokio::test]
async fn p_backup_that_a_client_overwrites_is_the_clients() {
    let rig = Rig::new().await;
    put(&rig, "a", &foreign(&rig, 1, 5)).await;
    put(&rig, "b", &foreign(&rig, 1, 5)).await;
    forget(&rig);
    let version = rig.set("a", 2).await;
    rig.store.remove(&key("b")).await.unwrap();
    let expected = [
        "update 1 to 2 by client as owner",
        "remove 1 Removed by client as owner",
    ];
    assert_eq!(
        (told(&rig), rig.store.stats().backups),
        (expected.map(String::from).to_vec(), 0)
    );
    assert_eq!(rig.store.promote().await.unwrap().promoted, 0);
    assert_eq!(below(&rig, "a").await, Some(("2".to_owned(), version)));
    assert!(rig.store.evict(&key("a")).await.unwrap());
}

#[tokio::test]
async fn p_backup_stays_when_the_write_that_would_replace_it_fails() {
    use layerstore_data_store::ErrorKind;
    use layerstore_testkit::doubles::{Call, Fault};
    let faults = [
        Fault::before(ErrorKind::Rejected),
        Fault::lost(ErrorKind::Timeout),
    ];
    for fault in faults {
        let rig = Rig::new().await;
        let backup = foreign(&rig, 1, 5);
        put(&rig, "a", &backup).await;
        forget(&rig);
        rig.failing.fail_next(Call::Apply, fault);
        assert!(rig.store.set(&key("a"), 2.into(), OPTIONS).await.is_err());
        assert!(
            Arc::ptr_eq(&backup, &rig.resident("a").unwrap()),
            "it exists nowhere else"
        );
        assert_eq!((told(&rig), rig.store.stats().backups), (vec![], 1));
    }
}

#[tokio::test(start_paused = true)]
async fn p_backup_that_is_refused_leaves_no_trace() {
    let mut nested = Value::from(1_u64);
    for _ in 0..layerstore_record::MAX_DEPTH + 1 {
        nested = Value::Array(vec![nested].into());
    }
    let rig = Rig::configured(config().max_cost(Cost(3_000))).await;
    put(&rig, "a", &foreign(&rig, 1, 5)).await;
    forget(&rig);
    let before = rig.store.stats();
    let refused = [
        (or_map(&[1], &[]), RecordErrorKind::KindMismatch),
        (RecordValue::lww(nested, at(&rig, 6)), RecordErrorKind::TooDeep),
        (
            RecordValue::lww(Value::from("x".repeat(5_000)), at(&rig, 6)),
            RecordErrorKind::TooLarge,
        ),
    ];
    for (value, expected) in refused {
        for name in ["a", "b"] {
            let record = foreign_with(&rig, value.clone(), 6, Expiry::NEVER);
            assert_eq!(kind(rig.store.put_backup(&key(name), record).await), expected);
        }
    }
    for number in 0..100 {
        let name = format!("key:{number}");
        let put = rig.store.put_backup(&key(&name), foreign(&rig, 1, 6)).await;
        if put.is_err() {
            assert_eq!(kind(put), RecordErrorKind::OverBudget);
            break;
        }
        assert!(number < 99, "3,000 bytes do not hold 100 records");
        forget(&rig);
    }
    let after = rig.store.stats();
    assert_eq!((told(&rig), rig.recording.calls()), (vec![], vec![]));
    assert_eq!(
        after.writes - before.writes,
        (after.backups - before.backups) as u64
    );
    assert_eq!(after.resident, after.backups);
    assert!(rig.resident("a").is_some() && rig.resident("b").is_none());
}

#[tokio::test]
async fn p_backup_and_delete_all_leave_nothing_of_each_other() {
    let rig = Rig::new().await;
    rig.set("own", 1).await;
    put(&rig, "a", &foreign(&rig, 1, 5)).await;
    forget(&rig);
    assert_eq!(rig.store.delete_all().await.unwrap().value, 2);
    assert_eq!(
        told(&rig),
        ["clear by client as owner", "clear by client as backup"]
    );
    assert_eq!((rig.get("a").await, rig.store.stats().backups), (None, 0));
    assert_eq!(rig.store.promote().await.unwrap().promoted, 0);
    assert_eq!(rig.store.count().await.unwrap(), 0);
}
