//! W6: a flush is a barrier, and ends.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore};
use layerstore_testkit::doubles::{Call, Fault, Side};
use layerstore_testkit::proof;

use crate::support::{Behind, DEADLINE, applied, key, lingering, map, put, put_at, quick, version};

/// Where the worker is when the flush is asked for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Waiting,
    /// A batch stands before the store.
    Sent,
    /// A batch was made, and the answer is under way.
    Answering,
    /// A batch failed, and waits to be tried again.
    BackingOff,
}

async fn flush_at(phase: Phase, records: u64) {
    let behind = Behind::new();
    let options = if matches!(phase, Phase::Waiting) {
        lingering()
    } else {
        quick()
    };
    let store = Arc::new(behind.open(options).await);
    store.claim(&map()).await.unwrap();
    let side = match phase {
        Phase::Sent => Some(Side::Before),
        Phase::Answering => Some(Side::After),
        Phase::Waiting | Phase::BackingOff => None,
    };
    if let Some(side) = side {
        behind.slow.shut(Call::Apply, side);
    }
    if matches!(phase, Phase::BackingOff) {
        behind
            .failing
            .fail_next(Call::Apply, Fault::lost(ErrorKind::Timeout));
    }
    let half = records / 2;
    store.apply((1..=half).map(put).collect()).await;
    if let Some(side) = side {
        behind.slow.until_waiting(Call::Apply, side, 1).await;
    }
    store.apply((half + 1..=records).map(put).collect()).await;
    let flush = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.hard_flush().await }
    });
    tokio::task::yield_now().await;
    if side.is_some() {
        assert!(
            !flush.is_finished(),
            "{phase:?}: what the worker has taken is waited for"
        );
        behind.slow.open_all();
    }
    flush.await.unwrap().unwrap();
    for number in 1..=records {
        let stored = behind
            .stored(number)
            .await
            .unwrap_or_else(|| panic!("{phase:?}: key {number} is not in the store"));
        assert_eq!(stored.version(), version(number));
    }
}

#[tokio::test(start_paused = true)]
async fn m7_a_flush_covers_what_was_acknowledged_before_at_every_phase_of_the_worker() {
    let records = proof::scaled(20_000).max(1_000);
    for phase in [Phase::Waiting, Phase::Sent, Phase::Answering, Phase::BackingOff] {
        flush_at(phase, records).await;
    }
    proof::report("M7", &[("phases", 4), ("records", records), ("violations", 0)]);
}

#[tokio::test(start_paused = true)]
async fn w6_a_flush_ends_in_time_and_lists_what_is_missing() {
    let behind = Behind::new();
    let store = behind.open(quick()).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put(1)).await;
    store.hard_flush().await.unwrap();
    behind
        .failing
        .fail_key(&key(2), Fault::before(ErrorKind::Throttled));
    for number in [2, 3] {
        applied(&store, put(number)).await;
    }
    let began = tokio::time::Instant::now();
    let error = store.flush(Duration::from_secs(9)).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(9));
    assert_eq!(error.pending, [(map(), key(2))]);
    let source = error.source.unwrap();
    assert_eq!(source.kind(), ErrorKind::Timeout);
    let cause = std::error::Error::source(&source).unwrap().to_string();
    assert!(
        cause.contains("throttled"),
        "the store's own reason is in it: {cause}"
    );
    store.flush_key(&map(), &key(3)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w6_closing_ends_in_time_and_reports_what_is_pending() {
    let behind = Behind::new();
    let store = behind
        .open(quick().call_timeout(Duration::from_secs(3_600)))
        .await;
    store.claim(&map()).await.unwrap();
    behind.slow.shut(Call::Apply, Side::Before);
    applied(&store, put(1)).await;
    behind.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    applied(&store, put(2)).await;
    let began = tokio::time::Instant::now();
    let report = store.close(DEADLINE).await;
    assert!(began.elapsed() <= DEADLINE, "{:?}", began.elapsed());
    assert_eq!(report.pending, [(map(), key(1)), (map(), key(2))]);
    assert_eq!(report.error.unwrap().kind(), ErrorKind::Timeout);
    assert!(
        store.close(DEADLINE).await.pending.is_empty(),
        "a second close does nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn w6_forgetting_loses_what_waits_on_purpose_and_nothing_that_is_stored() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put_at(1, 1)).await;
    store.hard_flush().await.unwrap();
    applied(&store, put_at(1, 2)).await;
    applied(&store, put_at(2, 3)).await;
    assert_eq!(store.reset(), 2);
    assert_eq!(store.pending_operation_count(), 0);
    store.hard_flush().await.unwrap();
    assert_eq!(behind.stored(1).await.unwrap().version(), version(1));
    assert!(behind.stored(2).await.is_none());
}
