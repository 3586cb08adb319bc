//! Stores over a bucket in memory, and short ways to write and read.

use std::sync::Arc;

use layerstore_data_store::{MapDataStore, MapDataStoreExt, Write, WriteResult};
use layerstore_record::{MapName, Version};
use layerstore_slatedb::opendal::Operator;
use layerstore_slatedb::{SlateDataStore, SlateOptions};
use layerstore_testkit::objects::{ObjectFaults, ObjectMemory};
use layerstore_testkit::records::{key, record};

pub(crate) fn map(name: &str) -> MapName {
    MapName::new(name).unwrap()
}

/// Opens a store over any place, whose requests go wrong as `faults` says.
pub(crate) async fn open_over(
    operator: Operator,
    faults: &ObjectFaults,
    options: SlateOptions,
) -> Arc<dyn MapDataStore> {
    let operator = operator.layer(faults.layer());
    Arc::new(SlateDataStore::over(operator, options).await.unwrap())
}

pub(crate) async fn open(bucket: &ObjectMemory) -> SlateDataStore {
    let operator = bucket.operator().unwrap();
    SlateDataStore::over(operator, SlateOptions::default())
        .await
        .unwrap()
}

pub(crate) fn put(map: &MapName, number: u64, at: u64) -> Write {
    Write::new(map.clone(), key(number), record(at))
}

pub(crate) async fn apply(store: &dyn MapDataStore, write: Write) -> WriteResult {
    store.apply_one(write).await
}

pub(crate) async fn held(store: &dyn MapDataStore, map: &MapName, number: u64) -> Option<Version> {
    let found = store.load(map, &key(number)).await.unwrap();
    found.map(|record| record.version())
}
