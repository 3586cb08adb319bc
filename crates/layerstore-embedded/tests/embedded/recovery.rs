//! What comes back after a restart is exactly what was put.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{MapDataStore, Write};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_record::{Expiry, Millis, Record, RecordValue, Value};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::proof;

use crate::support::{apply, key, map, scan, version};

/// A record whose value, times and expiry follow from its number.
fn record(number: u64) -> Record {
    let value = match number % 5 {
        0 => Value::U64(number),
        1 => Value::String(format!("text {number}").into()),
        2 => Value::Bytes(number.to_le_bytes().into()),
        3 => Value::Array(vec![Value::F64(number as f64), Value::Null, Value::Bool(true)].into()),
        _ => Value::I64(-(number as i64) - 1),
    };
    let at = version(1_000_000 + number);
    let expiry = Expiry {
        deadline: number.is_multiple_of(3).then_some(Millis(9_000_000_000 + number)),
        max_idle: number.is_multiple_of(7).then_some(10_000),
        idle_deadline: number.is_multiple_of(7).then_some(Millis(8_000_000_000 + number)),
    };
    Record::builder(RecordValue::lww(value, at.timestamp()), at)
        .created(Millis(number))
        .updated(Millis(number + 5))
        .expiry(expiry)
        .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m1_a_million_records_come_back_exactly() {
    const BATCH: u64 = 1_000;
    let count = proof::scaled(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let map = map("million");
    let clock = ManualClock::at(Millis(5_000_000));
    let options = EmbeddedOptions::default().clock(clock.shared());
    let store = KvDataStore::open(dir.path(), options.clone()).await.unwrap();
    store.claim(&map).await.unwrap();
    for start in (0..count).step_by(BATCH as usize) {
        let numbers = start..(start + BATCH).min(count);
        apply(
            &store,
            numbers
                .map(|n| Write::new(map.clone(), key(n), Arc::new(record(n))))
                .collect(),
        )
        .await;
    }
    assert!(store.close(Duration::from_secs(30)).await.is_complete());

    // The wall clock set back an hour changes nothing that was stored.
    clock.set(Millis(5_000_000 - 3_600_000));
    let store = KvDataStore::open(dir.path(), options).await.unwrap();
    let found = scan(&store, &map).await;
    assert_eq!(found.len() as u64, count);
    for (number, (found_key, found)) in (0..).zip(&found) {
        assert_eq!((found_key, found), (&key(number), &record(number)));
    }
    assert!(store.verify().await.unwrap().is_sound());
    let claim = store.claim(&map).await.unwrap();
    assert_eq!(claim.high_water, version(1_000_000 + count - 1));
    proof::report("M1", &[("records", count), ("violations", 0)]);
}
