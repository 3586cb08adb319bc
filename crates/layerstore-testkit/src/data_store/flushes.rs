//! D3: a flush is a barrier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use layerstore_data_store::{ErrorKind, FlushError};

use super::fixture::{CLOSE_DEADLINE, Subject};
use super::steps::{answer, applied, assert_held, assert_refused, map, put};
use crate::records::key;

/// Checks that what was acknowledged before a flush is in the final store after it.
pub async fn d3_hard_flush_is_a_barrier(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(
        &store,
        (1..=100).map(|number| put(&map, &key(number), number)).collect(),
    )
    .await;
    store
        .hard_flush()
        .await
        .expect("D3: a flush of a healthy store succeeds");
    assert_eq!(
        store.pending_operation_count(),
        0,
        "D3: after a flush nothing is pending"
    );
    assert_eq!(
        store.soft_flush(),
        0,
        "D3: after a flush there is nothing to flush"
    );
    assert_eq!(store.reset(), 0, "D3: after a flush there is nothing to forget");
    // Another process sees what is in the final store, where one may look; a restart shows it in any case.
    let seen = match subject.open_rival().await {
        Some(rival) => rival,
        None => subject.reopen(store).await,
    };
    for number in 1..=100 {
        let why = "D3: what was acknowledged before a flush is in the final store after it";
        assert_held(&seen, &map, &key(number), Some(number), why).await;
    }
}

/// Checks the flush of one key.
pub async fn d3_flush_key_is_a_barrier_for_the_key(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 1), put(&map, &key(2), 2)]).await;
    store
        .flush_key(&map, &key(1))
        .await
        .expect("D3: a flush of a key succeeds");
    assert!(
        store.is_loadable(&map, &key(1)),
        "D3: a flushed key can be loaded from the final store"
    );
    store
        .flush_key(&map, &key(99))
        .await
        .expect("D3: a flush of a key that was never written succeeds");
    let seen = match subject.open_rival().await {
        Some(rival) => rival,
        None => subject.reopen(store).await,
    };
    assert_held(
        &seen,
        &map,
        &key(1),
        Some(1),
        "D3: a flushed key is in the final store",
    )
    .await;
}

/// Checks a flush while others go on writing.
pub async fn d3_a_flush_amid_writers_covers_what_came_before(subject: &Subject) {
    const WRITES: u64 = 200;
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = tokio::spawn({
        let (store, map, acknowledged) = (Arc::clone(&store), map.clone(), Arc::clone(&acknowledged));
        async move {
            for number in 1..=WRITES {
                assert!(answer(&store, put(&map, &key(number), number)).await.is_applied());
                acknowledged.store(number, Ordering::Release);
            }
        }
    });
    let rival = subject.open_rival().await;
    let seen = rival.as_ref().unwrap_or(&store);
    let mut checked = 0;
    while checked < WRITES {
        let before = acknowledged.load(Ordering::Acquire);
        store
            .hard_flush()
            .await
            .expect("D3: a flush amid writers succeeds");
        for number in checked + 1..=before {
            let why = "D3: what was acknowledged before a flush is in the final store after it";
            assert_held(seen, &map, &key(number), Some(number), why).await;
        }
        checked = before;
        tokio::task::yield_now().await;
        assert!(
            !writer.is_finished() || acknowledged.load(Ordering::Acquire) == WRITES,
            "the writer ended early"
        );
    }
    writer.await.expect("the writer ends");
}

/// Checks that a store that can flush nothing any more does not say that it did.
pub async fn d3_a_flush_of_a_closed_store_is_an_error(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 1)]).await;
    assert!(
        store.close(CLOSE_DEADLINE).await.is_complete(),
        "closing leaves nothing pending"
    );
    for flushed in [store.hard_flush().await, store.flush_key(&map, &key(1)).await] {
        let Err(FlushError {
            pending,
            source: Some(error),
        }) = flushed
        else {
            panic!("D3: a flush of a closed store is an error with a source: {flushed:?}");
        };
        assert_eq!(pending, [], "D3: closing left nothing pending");
        assert_refused(
            &error,
            ErrorKind::Closed,
            "D3: a flush of a closed store says why it failed",
        );
    }
}
