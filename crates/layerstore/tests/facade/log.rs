//! What a store says in the log, and to observers, when it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use layerstore::data_store::{InMemoryDataStore, MapDataStore};
use layerstore::observer::{FnObserver, MutationEvent};
use layerstore::{Layerstore, MapSettings};
use layerstore_testkit::log::Log;
use tracing::Level;

use super::close;

#[tokio::test]
async fn a_store_that_is_dropped_without_close_says_so_and_one_that_was_closed_says_nothing() {
    let log = Log::events("layerstore::").from_level(Level::INFO);
    let _logging = tracing::subscriber::set_default(log.clone());
    let open = || async {
        let below = InMemoryDataStore::new(Arc::new(layerstore::SystemClock));
        let below: Arc<dyn MapDataStore> = Arc::new(below);
        let store = Layerstore::builder().data_store(below).build().await.unwrap();
        store.map::<u64>("m").unwrap().set("k", &1).await.unwrap();
        store
    };
    close(open().await).await;
    assert_eq!(log.text(), "");
    drop(open().await);
    let said = log.text();
    assert!(
        said.contains("dropped without close") && said.contains("pending=0") && said.contains("maps=1"),
        "{said}"
    );
}

#[tokio::test]
async fn f3_observers_are_told_of_the_end_of_every_partition_once_and_last() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let observer = FnObserver::new("ends", move |mutation| {
        let is_end = matches!(mutation.event, MutationEvent::Destroy { shutdown: true });
        seen.lock().unwrap().push((is_end, mutation.partition));
        Ok(())
    });
    let store = Layerstore::builder()
        .in_memory()
        .map("m", MapSettings::new().partitions(3))
        .observer(Arc::new(observer))
        .build()
        .await
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("k", &1).ttl(Duration::from_secs(60)).await.unwrap();
    close(store.clone()).await;
    close(store).await;
    let told = told.lock().unwrap();
    let ends: Vec<_> = told[1..].to_vec();
    assert_eq!(ends, [(true, 0), (true, 1), (true, 2)]);
    assert!(!told[0].0);
}
