//! W4: what is pending is bounded, and nothing is dropped at the bound.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt};
use layerstore_testkit::disk::SimulatedDisk;
use layerstore_testkit::doubles::{Call, Fault};
use layerstore_write_behind::{WhenFull, WriteBehindDataStore, WriteBehindOptions};

use crate::support::{
    Behind, applied, held, key, kind, lingering, map, put, put_at, quick, scanned, version,
};

/// A store with room for ten writes, all of it taken.
async fn full(options: WriteBehindOptions) -> (Behind, Arc<WriteBehindDataStore>) {
    let behind = Behind::new();
    let store = behind.open(options.max_records(10)).await;
    store.claim(&map()).await.unwrap();
    for number in 1..=10 {
        applied(&store, put(number)).await;
    }
    (behind, Arc::new(store))
}

#[tokio::test(start_paused = true)]
async fn w4_a_write_waits_for_room_and_is_refused_when_there_is_none_in_time() {
    let (_behind, store) = full(lingering()).await;
    let began = tokio::time::Instant::now();
    let answer = store.apply_one(put(11)).await;
    assert_eq!(kind(&answer), Some(ErrorKind::Throttled), "{answer:?}");
    assert_eq!(began.elapsed(), layerstore_write_behind::DEFAULT_PATIENCE);
    assert_eq!(
        (held(&*store, &key(11)).await, store.pending_operation_count()),
        (None, 10)
    );
    // What replaces a write that waits needs no room.
    applied(&store, put_at(3, 12)).await;
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.apply_one(put(13)).await }
    });
    tokio::task::yield_now().await;
    store.soft_flush();
    assert!(waiting.await.unwrap().is_applied());
    store.hard_flush().await.unwrap();
    assert_eq!(scanned(&store, 100).await.len(), 11);
}

#[tokio::test(start_paused = true)]
async fn w4_a_write_is_refused_at_once_where_that_was_chosen() {
    let (_behind, store) = full(lingering().when_full(WhenFull::Reject)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(kind(&store.apply_one(put(11)).await), Some(ErrorKind::Throttled));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn w4_a_write_goes_through_to_the_store_where_that_was_chosen() {
    let (behind, store) = full(lingering().when_full(WhenFull::WriteThrough)).await;
    applied(&store, put(11)).await;
    assert_eq!(behind.stored(11).await.unwrap().version(), version(11));
    // An older write of the key is pending: the newer one goes past it, and it is not written any more.
    applied(&store, put_at(3, 12)).await;
    assert_eq!(
        store.pending_operation_count(),
        10,
        "one of the ten was replaced in the queue"
    );
    behind
        .failing
        .fail_next(Call::Apply, Fault::before(ErrorKind::Unavailable));
    assert_eq!(
        kind(&store.apply_one(put(13)).await),
        Some(ErrorKind::Unavailable),
        "the store's own answer"
    );
    assert_eq!(held(&*store, &key(13)).await, None);
    store.hard_flush().await.unwrap();
    assert_eq!(
        (
            behind.stored(3).await.unwrap().version(),
            scanned(&store, 100).await.len()
        ),
        (version(12), 11)
    );
}

#[tokio::test]
async fn w4_values_spill_to_the_log_and_come_back_from_it() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let options = lingering().max_records(10).when_full(WhenFull::Spill);
    let store = behind.open_logged(options, &disk).await;
    store.claim(&map()).await.unwrap();
    for number in 1..=200 {
        applied(&store, put(number)).await;
    }
    let status = store.status();
    assert_eq!((status.pending, status.spilled), (200, 190));
    for number in [1, 10, 11, 200] {
        assert_eq!(held(&store, &key(number)).await, Some(number));
    }
    assert_eq!(scanned(&store, 7).await.len(), 200);
    applied(&store, put_at(150, 999)).await;
    assert_eq!(held(&store, &key(150)).await, Some(999));
    store.hard_flush().await.unwrap();
    assert_eq!(store.status().pending, 0);
    for number in 1..=200 {
        let at = if number == 150 { 999 } else { number };
        assert_eq!(behind.stored(number).await.unwrap().version(), version(at));
    }
}

#[tokio::test(start_paused = true)]
async fn w4_bytes_are_bounded_as_records_are_and_nothing_stays_counted() {
    let behind = Behind::new();
    let store = behind
        .open(lingering().max_bytes(10_000).when_full(WhenFull::Reject))
        .await;
    store.claim(&map()).await.unwrap();
    let mut taken = 0;
    while store.apply_one(put(taken + 1)).await.is_applied() {
        taken += 1;
        assert!(store.status().pending_bytes <= 10_000);
    }
    assert!(taken > 3, "{taken}");
    assert!(store.status().pending_bytes > 5_000);
    store.hard_flush().await.unwrap();
    assert_eq!(store.status().pending_bytes, 0);
    assert!(store.apply_one(put(taken + 1)).await.is_applied());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w4_a_full_log_holds_writes_back_and_one_stuck_key_does_not_fill_it() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let log = crate::support::log_options()
        .segment_bytes(4 << 10)
        .max_bytes(32 << 10);
    let store = behind.open_with(quick(), &disk, log).await;
    store.claim(&map()).await.unwrap();
    behind
        .failing
        .fail_key(&key(0), Fault::before(ErrorKind::Throttled));
    applied(&store, put_at(0, 1)).await;
    // Ten times what the log may hold goes through it beside the key that is stuck.
    for at in 2..2_000 {
        applied(&store, put_at(1 + at % 7, at)).await;
    }
    let log = store.status().log.unwrap();
    assert!(log.bytes <= 32 << 10, "{log:?}");
    assert_eq!(held(&store, &key(0)).await, Some(1));
    behind.failing.heal();
    store.hard_flush().await.unwrap();
    assert_eq!(behind.stored(0).await.unwrap().version(), version(1));
}
