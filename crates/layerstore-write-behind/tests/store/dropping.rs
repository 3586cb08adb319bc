//! W8: dropping the store ends everything it started, and loses nothing that a log holds.

use std::sync::Arc;

use layerstore_data_store::MapDataStore;
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::log::Log;
use layerstore_write_behind::WriteBehindDataStore;
use tracing::Level;

use crate::support::{Behind, DEADLINE, applied, held, key, lingering, log_options, map, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w8_dropping_the_store_says_what_was_pending_and_ends_task_and_thread() {
    let log = Log::events("layerstore_write_behind").from_level(Level::WARN);
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let storage = Arc::new(disk.clone());
    let builder = WriteBehindDataStore::builder(
        Arc::clone(&behind.slow) as Arc<dyn MapDataStore>,
        behind.clock.shared(),
    );
    let builder = builder
        .options(lingering())
        .log(Arc::clone(&storage) as _, log_options());
    let store = builder.open().await.unwrap().0;
    store.claim(&map()).await.unwrap();
    for number in 1..=5 {
        applied(&store, put(number)).await;
    }
    let again = behind.restarted();
    again.is_down();
    let (task, thread) = (Arc::downgrade(&behind.slow), Arc::downgrade(&storage));
    drop((behind, storage));
    tracing::subscriber::with_default(log.clone(), || drop(store));
    let said = log.text();
    assert!(
        said.contains("dropped and not closed") && said.contains("pending=5"),
        "{said}"
    );
    // The task held the store behind, and the thread its disk: they have ended when nobody does.
    let ended = async {
        while task.upgrade().is_some() || thread.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, ended)
        .await
        .expect("the task or the thread goes on");
    let store = again
        .open_logged(lingering(), &disk.after(Restart::Keep, 1))
        .await;
    assert_eq!(
        (store.pending_operation_count(), held(&store, &key(5)).await),
        (5, Some(5))
    );
}

#[tokio::test]
async fn w8_dropping_a_store_without_a_log_says_that_what_was_pending_is_lost() {
    let log = Log::events("layerstore_write_behind").from_level(Level::WARN);
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put(1)).await;
    tracing::subscriber::with_default(log.clone(), || drop(store));
    assert!(log.text().contains("is lost"), "{}", log.text());
}
