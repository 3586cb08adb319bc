//! W2: of each key the final store is given versions that rise.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore};
use layerstore_testkit::doubles::{Call, Fault, Side};
use layerstore_write_behind::Coalescing;

use crate::support::{Behind, applied, key, map, put_at, quick, version};

#[tokio::test(start_paused = true)]
async fn w2_a_failed_older_write_never_comes_after_a_newer() {
    let behind = Behind::new();
    let store = Arc::new(behind.open(quick()).await);
    store.claim(&map()).await.unwrap();
    // The first is on its way when the second comes, and fails afterwards.
    behind.slow.shut(Call::Apply, Side::Before);
    behind
        .failing
        .fail_next(Call::Apply, Fault::lost(ErrorKind::Timeout));
    applied(&store, put_at(1, 1)).await;
    behind.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    applied(&store, put_at(1, 2)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        behind.slow.waiting(Call::Apply, Side::Before),
        1,
        "one write of a key is on its way at a time"
    );
    behind.slow.open_all();
    store.hard_flush().await.unwrap();
    assert_eq!(
        behind.recording.versions(&map(), &key(1)),
        [version(2)],
        "the older is not tried again"
    );
}

#[tokio::test(start_paused = true)]
async fn w2_each_write_goes_in_order_where_none_replaces_another() {
    let behind = Behind::new();
    let store = behind.open(quick().coalescing(Coalescing::Each)).await;
    store.claim(&map()).await.unwrap();
    behind
        .failing
        .fail_next(Call::Apply, Fault::after(ErrorKind::Timeout));
    behind
        .failing
        .fail_next(Call::Apply, Fault::before(ErrorKind::Unavailable));
    for at in 1..=4 {
        applied(&store, put_at(1, at)).await;
    }
    store.hard_flush().await.unwrap();
    let seen = behind.recording.versions(&map(), &key(1));
    assert_eq!(
        seen,
        [1, 1, 2, 3, 4].map(version),
        "what may have been made is made again before the next"
    );
}

#[tokio::test(start_paused = true)]
async fn w2_a_busy_key_is_written_once_for_many_writes() {
    let behind = Behind::new();
    let store = behind.open(quick().delay(Duration::from_secs(1))).await;
    store.claim(&map()).await.unwrap();
    for at in 1..=100 {
        applied(&store, put_at(1, at)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    assert_eq!(behind.recording.versions(&map(), &key(1)), [version(100)]);
    assert_eq!(store.pending_operation_count(), 0);
}
