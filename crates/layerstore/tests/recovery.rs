//! Everything that was put is found again, exactly, whatever the number of partitions was and is.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "test code: its numbers are small, and an unexpected answer ends the test"
)]

use std::time::Duration;

use futures::TryStreamExt;
use layerstore::{
    Expiry, Key, Layerstore, MapSettings, NewValue, Period, Records, ScanRequest, Value, Version,
    WriteOptions,
};
use layerstore_testkit::proof;

const DEADLINE: Duration = Duration::from_secs(120);
const BATCH: u64 = 1_000;

async fn open(dir: &std::path::Path, partitions: u32) -> (Layerstore, Records) {
    let builder = Layerstore::builder().embedded(dir);
    let store = builder
        .map("m", MapSettings::new().partitions(partitions))
        .build()
        .await
        .unwrap();
    let records = store.records("m").unwrap();
    (store, records)
}

async fn close(store: Layerstore) {
    let report = store.close(DEADLINE).await;
    assert!(report.is_complete(), "{report:?}");
}

fn key(number: u64) -> Key {
    Key::new(format!("user:{number:08}")).unwrap()
}

/// The value of a record, drawn from seed and number alone, so that a million need not be kept to compare with.
fn value(seed: u64, number: u64) -> Value {
    let mut rng = fastrand::Rng::with_seed(seed ^ number);
    match rng.u8(..5) {
        0 => Value::from(rng.u64(..)),
        1 => Value::from(rng.i64(..)),
        2 => Value::from(f64::from_bits(rng.u64(..)) + 0.0),
        3 => Value::Bytes((0..rng.usize(..40)).map(|_| rng.u8(..)).collect()),
        _ => Value::from(vec![
            Value::Null,
            Value::from(true),
            Value::from("ü".repeat(rng.usize(..20))),
        ]),
    }
}

fn options(number: u64) -> WriteOptions {
    let mut options = WriteOptions::new();
    if number.is_multiple_of(3) {
        options.ttl = Period::Of(Duration::from_secs(86_400 + number));
    }
    options
}

/// Puts records `numbers`, and returns version and expiry of each.
async fn put(records: &Records, seed: u64, count: u64) -> Vec<(Version, Expiry)> {
    let mut known = vec![None; usize::try_from(count).unwrap()];
    for first in (0..count).step_by(BATCH as usize) {
        for third in 0..3 {
            let numbers: Vec<u64> = (first..(first + BATCH).min(count))
                .filter(|number| number % 3 == third)
                .collect();
            let batch = numbers
                .iter()
                .map(|number| (key(*number), NewValue::from(value(seed, *number))));
            let written = records
                .put_all(batch.collect(), &options(first + (3 - first % 3) % 3 + third))
                .await
                .unwrap();
            let keys: Vec<_> = numbers.iter().map(|number| key(*number)).collect();
            let stored = records.get_all(&keys).await.unwrap();
            for ((number, outcome), stored) in numbers.iter().zip(written).zip(stored) {
                let stored = stored.unwrap();
                assert_eq!(Some(stored.version()), outcome.unwrap().version);
                known[usize::try_from(*number).unwrap()] = Some((stored.version(), stored.expiry()));
            }
        }
    }
    known.into_iter().map(Option::unwrap).collect()
}

/// Reads everything and counts what is not exactly as it was put.
async fn violations(records: &Records, seed: u64, known: &[(Version, Expiry)]) -> u64 {
    let mut scan = std::pin::pin!(records.scan(&ScanRequest::first(1_000)));
    let mut violations = 0;
    let mut number = 0_u64;
    while let Some((found, record)) = scan.try_next().await.unwrap() {
        let (version, expiry) = known[usize::try_from(number).unwrap()];
        let same = found == key(number)
            && record
                .value()
                .value()
                .is_some_and(|held| **held == value(seed, number))
            && (record.version(), record.expiry()) == (version, expiry);
        violations += u64::from(!same);
        number += 1;
    }
    violations + known.len() as u64 - number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m1_every_record_is_recovered_exactly_and_partitions_may_change_between_opens() {
    let count = proof::scaled(1_000_000);
    let seed = proof::seed();
    let dir = tempfile::tempdir().unwrap();
    let (store, records) = open(dir.path(), 1).await;
    let known = put(&records, seed, count).await;
    close(store).await;

    let mut lost = 0;
    for partitions in [1, 16, 3] {
        let (store, records) = open(dir.path(), partitions).await;
        assert_eq!(records.partition_count(), usize::try_from(partitions).unwrap());
        lost += violations(&records, seed, &known).await;
        // Single reads find their partition too.
        for number in (0..count).step_by(997) {
            let found = records.get(&key(number)).await.unwrap().unwrap();
            assert_eq!(found.version(), known[usize::try_from(number).unwrap()].0);
        }
        close(store).await;
    }
    proof::report("M1", &[("records", count), ("seed", seed), ("violations", lost)]);
    assert_eq!(lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_write_under_sixteen_partitions_replaces_one_made_under_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, records) = open(dir.path(), 1).await;
    let before = put(&records, 1, 2_000).await;
    close(store).await;
    let (store, records) = open(dir.path(), 16).await;
    let after = put(&records, 2, 2_000).await;
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.0 < after.0)
    );
    close(store).await;
    let (store, records) = open(dir.path(), 1).await;
    assert_eq!(violations(&records, 2, &after).await, 0);
    close(store).await;
}
