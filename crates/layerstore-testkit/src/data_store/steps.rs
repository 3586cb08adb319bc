//! What the tests of the suite do and expect, in their own words.

use std::sync::Arc;

use futures::TryStreamExt;
use layerstore_data_store::{
    ErrorKind, MapDataStore, MapDataStoreExt, Outcome, ScanRequest, StoreError, Write, WriteResult,
};
use layerstore_record::{Expiry, Key, MapName, Record, RecordValue, Version};

use crate::records::{record, version};

pub(super) fn map(name: &str) -> MapName {
    MapName::new(name).expect("a map name within bounds")
}

pub(super) fn named(key: &str) -> Key {
    Key::new(key).expect("a key within bounds")
}

/// A write of the value `number` with the version of that number.
pub(super) fn put(map: &MapName, key: &Key, number: u64) -> Write {
    Write::new(map.clone(), key.clone(), record(number))
}

/// A removal with the version of that number.
pub(super) fn removal(map: &MapName, key: &Key, number: u64) -> Write {
    Write::new(map.clone(), key.clone(), Arc::new(tombstone(number)))
}

/// A write with a number's value and version, and an end.
pub(super) fn ending(map: &MapName, key: &Key, number: u64, expiry: Expiry) -> Write {
    let value = RecordValue::lww(number, version(number).timestamp());
    let record = Record::builder(value, version(number)).expiry(expiry).build();
    Write::new(map.clone(), key.clone(), Arc::new(record))
}

pub(super) fn tombstone(number: u64) -> Record {
    let version = version(number);
    Record::builder(
        RecordValue::Tombstone {
            timestamp: version.timestamp(),
        },
        version,
    )
    .build()
}

/// Makes one write and returns its answer.
pub(super) async fn answer(store: &Arc<dyn MapDataStore>, write: Write) -> WriteResult {
    let mut answers = store.apply(vec![write]).await;
    assert_eq!(answers.len(), 1, "a batch has as many answers as writes");
    answers.remove(0)
}

/// Makes writes that must all be applied.
pub(super) async fn applied(store: &Arc<dyn MapDataStore>, writes: Vec<Write>) {
    let asked = writes.clone();
    let answers = store.apply(writes).await;
    assert_eq!(
        answers.len(),
        asked.len(),
        "a batch has as many answers as writes"
    );
    for (write, answer) in asked.iter().zip(answers) {
        assert!(
            answer.is_applied(),
            "a write that nothing stands against is applied: map {:?}, key {:?}, version {}: {answer:?}",
            write.map,
            write.key,
            write.version()
        );
    }
}

/// Expects `Stale` with the version of this number.
pub(super) fn assert_stale(answer: &WriteResult, number: u64, why: &str) {
    let expected = version(number);
    assert!(
        matches!(answer, WriteResult::Stale { current } if *current == expected),
        "{why}: expected Stale {{ current: {expected} }}, got {answer:?}"
    );
}

/// Expects `Conflict` with the version of this number.
pub(super) fn assert_conflict(answer: &WriteResult, number: Option<u64>, why: &str) {
    let expected = number.map(version);
    assert!(
        matches!(answer, WriteResult::Conflict { current } if *current == expected),
        "{why}: expected Conflict {{ current: {expected:?} }}, got {answer:?}"
    );
}

/// Expects an error of this kind, whose outcome is known, and which is not worth a retry.
pub(super) fn assert_rejected(answer: &WriteResult, kind: ErrorKind, why: &str) {
    let WriteResult::Rejected(error) = answer else {
        panic!("{why}: expected Rejected ({kind:?}), got {answer:?}");
    };
    assert_refused(error, kind, why);
}

/// Does as [`assert_rejected`], for the error itself.
pub(super) fn assert_refused(error: &StoreError, kind: ErrorKind, why: &str) {
    assert_eq!(error.kind(), kind, "{why}: {error}");
    assert_eq!(
        error.outcome(),
        Outcome::NotApplied,
        "D6: a refusal knows its outcome; {why}: {error}"
    );
}

/// Expects an error of this kind where something else might have come back.
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, StoreError>, kind: ErrorKind, why: &str) {
    match answer {
        Ok(done) => panic!("{why}: expected an error ({kind:?}), got {done:?}"),
        Err(error) => assert_refused(&error, kind, why),
    }
}

/// Reads a record that is there or not.
pub(super) async fn load(store: &Arc<dyn MapDataStore>, map: &MapName, key: &Key) -> Option<Record> {
    store
        .load(map, key)
        .await
        .expect("a load of what was written works")
}

/// Returns the version under a key.
pub(super) async fn held(store: &Arc<dyn MapDataStore>, map: &MapName, key: &Key) -> Option<Version> {
    load(store, map, key).await.map(|record| record.version())
}

/// Expects what [`put`] of this number wrote, or nothing.
pub(super) async fn assert_held(
    store: &Arc<dyn MapDataStore>,
    map: &MapName,
    key: &Key,
    number: Option<u64>,
    why: &str,
) {
    let found = load(store, map, key).await;
    let expected = number.map(record);
    assert_eq!(
        found.as_ref(),
        expected.as_deref(),
        "{why} (map {map:?}, key {key:?})"
    );
}

/// Reads all that a request asks for, page after page.
pub(super) async fn scanned(
    store: &Arc<dyn MapDataStore>,
    map: &MapName,
    request: ScanRequest,
) -> Vec<(Key, Record)> {
    store
        .scan(map, request)
        .try_collect()
        .await
        .expect("a scan of what was written works")
}

/// Reads the keys of all values of a map.
pub(super) async fn keys(store: &Arc<dyn MapDataStore>, map: &MapName) -> Vec<Key> {
    let records = scanned(store, map, ScanRequest::first(100)).await;
    records.into_iter().map(|(key, _)| key).collect()
}
