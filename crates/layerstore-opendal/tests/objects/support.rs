//! Stores over a bucket in memory, and short ways to write and read.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use layerstore_data_store::{MapDataStore, MapDataStoreExt, ScanRequest, Write, WriteResult};
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_record::{Key, MapName, Record, RecordValue, Version};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::objects::{ObjectFaults, ObjectMemory};
use layerstore_testkit::records::{key, record, version};

pub(crate) fn map(name: &str) -> MapName {
    MapName::new(name).unwrap()
}

pub(crate) fn options() -> OpendalOptions {
    OpendalOptions::default()
        .clock(ManualClock::new().shared())
        .backoff(Duration::from_millis(1))
}

/// Opens a store over the bucket, whose requests go wrong as `faults` says.
pub(crate) async fn open(
    bucket: &ObjectMemory,
    faults: &ObjectFaults,
    options: OpendalOptions,
) -> Arc<OpendalDataStore> {
    open_over(bucket.operator().unwrap(), faults, options).await
}

/// Opens a store over any place, whose requests go wrong as `faults` says.
pub(crate) async fn open_over(
    operator: Operator,
    faults: &ObjectFaults,
    options: OpendalOptions,
) -> Arc<OpendalDataStore> {
    let operator = operator.layer(faults.layer());
    Arc::new(OpendalDataStore::over(operator, options).await.unwrap())
}

pub(crate) fn put(map: &MapName, number: u64, at: u64) -> Write {
    Write::new(map.clone(), key(number), record(at))
}

pub(crate) fn removal(map: &MapName, number: u64, at: u64) -> Write {
    Write::new(map.clone(), key(number), Arc::new(tombstone(at)))
}

pub(crate) fn tombstone(at: u64) -> Record {
    let timestamp = version(at).timestamp();
    Record::builder(RecordValue::Tombstone { timestamp }, version(at)).build()
}

pub(crate) async fn apply(store: &OpendalDataStore, write: Write) -> WriteResult {
    store.apply_one(write).await
}

pub(crate) async fn scan(store: &OpendalDataStore, map: &MapName) -> Vec<(Key, Record)> {
    store
        .scan(map, ScanRequest::first(1_000).with_tombstones())
        .try_collect()
        .await
        .unwrap()
}

pub(crate) async fn held(store: &OpendalDataStore, map: &MapName, number: u64) -> Option<Version> {
    let found = store.load(map, &key(number)).await.unwrap();
    found.map(|record| record.version())
}
