//! T-lose: a record leaves hot only once it is in cold, and cold keeps what hot has stubs of.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, InMemoryDataStore, Limits, MapDataStore, Write, WriteResult};
use layerstore_record::{Clock, Expiry, MapName, Millis, OrEntries, Record, RecordValue, Tags, Value};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Fault, Recorded, Side};
use layerstore_testkit::records::{key, record, version};
use layerstore_tiered::{TieredDataStore, TieredOptions};

use crate::forgetful::ForgetfulDataStore;
use crate::support::{Pair, everything, unavailable};

#[tokio::test]
async fn t_lose_a_stub_is_made_only_of_what_was_read_back_from_cold() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    // Acknowledged, and not there.
    pair.cold
        .failing
        .fail_next(Call::Apply, Fault::late(ErrorKind::Timeout));
    let report = pair.archive_batch().await.unwrap();
    assert_eq!((report.archived, report.failed), (0, 1), "{report:?}");
    pair.cold
        .failing
        .fail_next(Call::LoadAll, Fault::before(ErrorKind::Unavailable));
    assert!(pair.archive_batch().await.is_err());
    assert_eq!(pair.hot.row(&pair.map, &key(1)).await.unwrap(), *record(1));
    pair.archive().await;
    assert_ne!(pair.hot.row(&pair.map, &key(1)).await.unwrap(), *record(1));
    pair.assert_held(1, Some(1)).await;
}

#[tokio::test]
async fn t_lose_a_cold_store_that_forgets_what_it_acknowledged_gets_no_stub() {
    let pair = Pair::new().await;
    let options = TieredOptions::default().clock(pair.clock.shared());
    let cold = Arc::new(ForgetfulDataStore::new(pair.cold.memory.clone()));
    let store = TieredDataStore::new(pair.hot.memory.clone(), cold, options).unwrap();
    store.claim(&pair.map).await.unwrap();
    let write = Write::new(pair.map.clone(), key(1), record(1));
    assert!(store.apply(vec![write]).await[0].is_applied());
    let report = store.archive(&pair.map, &everything()).await.unwrap();
    assert_eq!(report.archived, 0, "{report:?}");
    let found = store.load(&pair.map, &key(1)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&*record(1)));
}

/// The calls of both tiers in the order in which they came.
fn order(pair: &Pair) -> (Vec<Call>, Vec<Call>) {
    let calls = |noted: Vec<Recorded>| noted.into_iter().map(|noted| noted.call).collect();
    (
        calls(pair.hot.recording.take()),
        calls(pair.cold.recording.take()),
    )
}

#[tokio::test]
async fn t_lose_cold_is_flushed_and_read_again_before_hot_gets_its_stub() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    let _ = order(&pair);
    // Up to here nothing may have changed in hot.
    pair.hot.slow.shut(Call::Restate, Side::Before);
    let archiving = tokio::spawn({
        let store = Arc::clone(&pair.store);
        let map = pair.map.clone();
        async move { store.archive(&map, &everything()).await }
    });
    pair.hot.slow.until_waiting(Call::Restate, Side::Before, 1).await;
    let (hot, cold) = order(&pair);
    assert_eq!(cold, [Call::LoadAll, Call::Apply, Call::HardFlush, Call::LoadAll]);
    assert_eq!(hot, [Call::ScanPage, Call::Restate]);
    pair.hot.slow.open_all();
    assert_eq!(archiving.await.unwrap().unwrap().archived, 1);
    // A cold store whose queue did not drain keeps its records in hot.
    pair.put(2, 2).await;
    pair.cold
        .failing
        .fail_next(Call::HardFlush, Fault::before(ErrorKind::Unavailable));
    unavailable(pair.archive_batch().await);
    assert_eq!(pair.hot.row(&pair.map, &key(2)).await.unwrap(), *record(2));
}

#[tokio::test]
async fn t_lose_everything_about_a_record_comes_back_from_cold() {
    let pair = Pair::new().await;
    let at = |number| version(number).timestamp();
    let entries = OrEntries::new(vec![(at(1), Value::from("one")), (at(2), Value::from(2_u64))]);
    let values = [
        RecordValue::lww(Value::Null, at(1)),
        RecordValue::lww("text", at(2)),
        RecordValue::or_map(entries, Tags::new(vec![(at(3), at(4))])),
    ];
    let now = pair.clock.now();
    let mut written = Vec::new();
    for (value, number) in values.into_iter().zip(10..) {
        let expiry = Expiry {
            deadline: Some(now.plus(number * 1_000)),
            max_idle: Some(500_000),
            idle_deadline: Some(now.plus(500_000)),
        };
        let record = Record::builder(value, version(number))
            .created(Millis(number * 3))
            .updated(Millis(number * 5))
            .expiry(expiry);
        let record = Arc::new(record.build());
        written.push((number, Arc::clone(&record)));
        pair.applied(Write::new(pair.map.clone(), key(number), record))
            .await;
    }
    pair.archive().await;
    assert_eq!(pair.cold.keys(&pair.map).await.len(), 3);
    for promoted in [false, true] {
        for (number, record) in &written {
            assert_eq!(
                pair.load(*number).await.unwrap().as_ref(),
                Some(&**record),
                "promoted: {promoted}"
            );
        }
        let keys: Vec<_> = written.iter().map(|(number, _)| key(*number)).collect();
        assert_eq!(
            pair.store.promote(&pair.map, &keys).await.unwrap(),
            if promoted { 0 } else { 3 }
        );
    }
}

#[tokio::test]
async fn t_lose_a_lost_copy_is_an_error_and_never_an_absent_key() {
    let pair = Pair::new().await;
    pair.archived([1, 2]).await;
    // Somebody emptied the bucket.
    let taken = pair.cold.memory.claim(&pair.map).await.unwrap();
    pair.cold.memory.clear(&pair.map, taken.high_water).await.unwrap();
    let error = pair.load(1).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.key()),
        (ErrorKind::Corrupt, Some(&key(1))),
        "{error}"
    );
    assert!(!error.is_retryable());
    assert_eq!(pair.scan().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        pair.store
            .load_all(&pair.map, &[key(2)])
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Corrupt
    );
    // The key is not lost for ever.
    pair.put(1, 5).await;
    assert_eq!(pair.load(1).await.unwrap().as_ref(), Some(&*record(5)));
}

#[tokio::test]
async fn t_lose_records_that_cold_cannot_hold_stay_in_hot() {
    let clock = ManualClock::new();
    let mut limits = Limits::default();
    limits.record_bytes = 2_000;
    limits.key_bytes = 5;
    let memory = || InMemoryDataStore::new(clock.shared());
    let cold = Arc::new(memory().with_limits(limits));
    let options = TieredOptions::default().clock(clock.shared());
    let store = TieredDataStore::new(Arc::new(memory()), cold, options).unwrap();
    let map = MapName::new("map").unwrap();
    store.claim(&map).await.unwrap();
    let large = Record::builder(
        RecordValue::lww("x".repeat(3_000), version(1).timestamp()),
        version(1),
    );
    let large = Arc::new(large.build());
    let writes = vec![
        Write::new(map.clone(), key(1), Arc::clone(&large)),
        Write::new(map.clone(), key(2), record(2)),
        Write::new(map.clone(), key(10), record(3)),
    ];
    assert!(store.apply(writes).await.iter().all(WriteResult::is_applied));
    let report = store.archive(&map, &everything()).await.unwrap();
    assert_eq!((report.archived, report.too_large), (1, 2), "{report:?}");
    assert_eq!(store.load(&map, &key(1)).await.unwrap().as_ref(), Some(&*large));
    assert_eq!(
        store.load(&map, &key(10)).await.unwrap().as_ref(),
        Some(&*record(3))
    );
}
