//! The shortest way through: set, get, remove, scan, restart.

use layerstore_data_store::ScanRequest;
use layerstore_record_store::RecordStore;

use crate::stage::{Plan, Stage, key, number};

#[tokio::test]
async fn what_is_set_is_read_scanned_removed_and_survives_a_restart() {
    let stage = Stage::new().await;
    for (at, name) in ["b", "a", "c"].into_iter().enumerate() {
        stage.set(name, at as u64).await;
    }
    assert_eq!(stage.get("a").await, Some(1));
    let removed = stage.store.remove(&key("c")).await.unwrap();
    assert_eq!(removed.value.map(|record| number(&record)), Some(2));
    assert_eq!(stage.get("c").await, None);

    let again = stage.restarted(Plan::default()).await;
    let page = again.store.scan_page(ScanRequest::first(10)).await.unwrap();
    let found: Vec<_> = page
        .records
        .iter()
        .map(|(key, record)| (key.as_str(), number(record)))
        .collect();
    assert_eq!(found, [("a", 1), ("b", 0)]);
    assert_eq!((again.get("b").await, again.get("c").await), (Some(0), None));
    assert_eq!(again.store.count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_store_without_a_data_store_does_the_same_in_memory() {
    let stage = Stage::pure(crate::stage::config()).await;
    for (at, name) in ["b", "a", "c"].into_iter().enumerate() {
        stage.set(name, at as u64).await;
    }
    stage.store.remove(&key("b")).await.unwrap();
    let page = stage.store.scan_page(ScanRequest::first(10)).await.unwrap();
    let found: Vec<_> = page
        .records
        .iter()
        .map(|(key, record)| (key.as_str(), number(record)))
        .collect();
    assert_eq!(found, [("a", 1), ("c", 2)]);
    assert_eq!(
        (stage.store.count().await.unwrap(), stage.store.resident_len()),
        (2, 2)
    );
}
