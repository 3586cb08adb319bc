//! Records from numbers, and stores to put them in.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, MapDataStore, ScanRequest, StoreError, Write, WriteResult};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::KvBackend;
use layerstore_record::{Expiry, Key, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Version};

pub(crate) fn map(name: &str) -> MapName {
    MapName::new(name).unwrap()
}

pub(crate) fn key(number: u64) -> Key {
    Key::new(format!("key:{number:08}")).unwrap()
}

pub(crate) fn version(number: u64) -> Version {
    Version::new(Timestamp::new(Millis(number), 0, NodeId(1)))
}

pub(crate) fn value(number: u64, at: u64) -> Record {
    let value = RecordValue::lww(format!("value {number} at {at}"), version(at).timestamp());
    Record::builder(value, version(at)).build()
}

pub(crate) fn tombstone(at: u64) -> Record {
    let value = RecordValue::Tombstone {
        timestamp: version(at).timestamp(),
    };
    Record::builder(value, version(at)).build()
}

pub(crate) fn expiring(number: u64, at: u64, deadline: u64) -> Record {
    let expiry = Expiry {
        deadline: Some(Millis(deadline)),
        ..Expiry::NEVER
    };
    let value = RecordValue::lww(number, version(at).timestamp());
    Record::builder(value, version(at)).expiry(expiry).build()
}

pub(crate) fn put(map: &MapName, number: u64, at: u64) -> Write {
    Write::new(map.clone(), key(number), Arc::new(value(number, at)))
}

pub(crate) fn remove(map: &MapName, number: u64, at: u64) -> Write {
    Write::new(map.clone(), key(number), Arc::new(tombstone(at)))
}

pub(crate) fn over(kv: Arc<dyn KvBackend>) -> KvDataStore {
    KvDataStore::over(kv, EmbeddedOptions::default()).unwrap()
}

pub(crate) async fn open(dir: &std::path::Path) -> KvDataStore {
    KvDataStore::open(dir, EmbeddedOptions::default()).await.unwrap()
}

pub(crate) async fn apply_one(store: &KvDataStore, write: Write) -> WriteResult {
    let mut answers = store.apply(vec![write]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Makes writes that must all be applied.
pub(crate) async fn apply(store: &KvDataStore, writes: Vec<Write>) {
    for answer in store.apply(writes).await {
        assert!(answer.is_applied(), "{answer:?}");
    }
}

pub(crate) fn rejected(answer: WriteResult) -> StoreError {
    match answer {
        WriteResult::Rejected(error) => error,
        other => panic!("expected an error, got {other:?}"),
    }
}

pub(crate) fn rejected_kind(answer: WriteResult) -> ErrorKind {
    rejected(answer).kind()
}

/// Reads a whole map with its tombstones.
pub(crate) async fn scan(store: &KvDataStore, map: &MapName) -> Vec<(Key, Record)> {
    let mut records = Vec::new();
    let mut request = ScanRequest::first(777).with_tombstones();
    loop {
        let page = store.scan_page(map, request.clone()).await.unwrap();
        records.extend(page.records);
        let Some(next) = page.next else { return records };
        request = request.from(std::ops::Bound::Excluded(next));
    }
}
