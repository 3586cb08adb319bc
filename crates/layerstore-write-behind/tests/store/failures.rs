//! W5: a key that the store does not take delays no other, and nothing is given up.

use std::time::Duration;

use layerstore_data_store::{BackoffPolicy, BreakerState, ErrorKind, MapDataStore, MapDataStoreExt};
use layerstore_testkit::disk::SimulatedDisk;
use layerstore_testkit::doubles::{Call, Fault};

use crate::support::{Behind, DEADLINE, applied, held, key, lingering, map, put, put_at, quick, version};

/// How long a tick of the worker may be late.
const TICK: Duration = Duration::from_millis(2);

async fn a_healthy_key_is_in_time(fault: Fault) {
    let behind = Behind::new();
    let delay = Duration::from_secs(1);
    let store = behind.open(quick().delay(delay)).await;
    store.claim(&map()).await.unwrap();
    for number in 1..=1_000 {
        behind.failing.fail_key(&key(number), fault);
        applied(&store, put(number)).await;
    }
    // Fifty healthy ones while the others fail and fail again.
    for healthy in 2_001..2_050 {
        applied(&store, put(healthy)).await;
        tokio::time::sleep(delay + TICK).await;
        assert!(behind.stored(healthy).await.is_some(), "key {healthy} is late");
    }
    assert_eq!(store.pending_operation_count(), 1_000);
    for number in [1, 500, 1_000] {
        assert_eq!(held(&store, &key(number)).await, Some(number));
    }
    behind.failing.heal();
    for number in 1..=1_000 {
        let _ = store.retry_dead_letter(&map(), &key(number));
    }
    store.hard_flush().await.unwrap();
    assert!(behind.stored(1_000).await.is_some() && store.pending_operation_count() == 0);
}

#[tokio::test(start_paused = true)]
async fn w5_a_healthy_key_is_in_time_while_a_thousand_others_are_refused_for_good() {
    a_healthy_key_is_in_time(Fault::before(ErrorKind::Rejected)).await;
}

#[tokio::test(start_paused = true)]
async fn w5_a_healthy_key_is_in_time_while_a_thousand_others_time_out() {
    a_healthy_key_is_in_time(Fault::lost(ErrorKind::Timeout)).await;
}

#[tokio::test(start_paused = true)]
async fn w5_what_a_retry_may_cure_is_tried_until_it_succeeds() {
    let behind = Behind::new();
    let store = behind.open(quick()).await;
    store.claim(&map()).await.unwrap();
    behind
        .failing
        .fail_key(&key(1), Fault::before(ErrorKind::Throttled));
    applied(&store, put(1)).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(
        behind.failing.injected() > 1_000,
        "{} tries in an hour",
        behind.failing.injected()
    );
    assert!(store.dead_letters().is_empty() && store.pending_operation_count() == 1);
    behind.failing.heal();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(behind.stored(1).await.is_some());
}

#[tokio::test]
async fn w5_a_dead_letter_is_read_kept_over_restarts_retried_discarded_and_superseded() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(quick(), &disk).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put_at(9, 1)).await;
    store.hard_flush().await.unwrap();
    for number in [1, 2, 3, 9] {
        behind
            .failing
            .fail_key(&key(number), Fault::before(ErrorKind::Rejected));
        applied(&store, put_at(number, number + 10)).await;
    }
    let error = store.hard_flush().await.unwrap_err();
    let missing: Vec<_> = error.pending.iter().map(|(_, key)| key.clone()).collect();
    assert_eq!(missing, [1, 2, 3, 9].map(key), "a flush lists dead letters");
    assert_eq!(store.dead_letters().len(), 4);
    assert!(
        store.dead_letters()[0].reason.contains("rejected"),
        "{:?}",
        store.dead_letters()[0]
    );
    assert!(!store.close(DEADLINE).await.is_complete());
    // The next run finds them, refuses nothing, and does not try them by itself.
    let behind = behind.restarted();
    let store = behind.open_logged(quick(), &disk).await;
    store.claim(&map()).await.unwrap();
    assert_eq!(store.dead_letters().len(), 4);
    assert_eq!(
        (held(&store, &key(9)).await, behind.recording.count(Call::Apply)),
        (Some(19), 0)
    );
    assert!(store.retry_dead_letter(&map(), &key(1)) && !store.retry_dead_letter(&map(), &key(8)));
    store.flush_key(&map(), &key(1)).await.unwrap();
    assert!(store.discard_dead_letter(&map(), &key(9)) && !store.discard_dead_letter(&map(), &key(9)));
    applied(&store, put_at(2, 30)).await;
    store.flush_key(&map(), &key(2)).await.unwrap();
    let left: Vec<_> = store
        .dead_letters()
        .into_iter()
        .map(|letter| (letter.key, letter.version))
        .collect();
    assert_eq!(left, [(key(3), version(13))]);
    assert_eq!(
        (held(&store, &key(9)).await, held(&store, &key(2)).await),
        (Some(1), Some(30))
    );
    assert!(store.discard_dead_letter(&map(), &key(3)));
    assert!(store.close(DEADLINE).await.is_complete());
    let store = behind.restarted().open_logged(quick(), &disk).await;
    assert_eq!(store.pending_operation_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_a_dead_letter_that_was_discarded_or_stored_stays_gone_while_an_older_one_is_kept() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(quick(), &disk).await;
    store.claim(&map()).await.unwrap();
    for number in [1, 2, 3] {
        behind
            .failing
            .fail_key(&key(number), Fault::before(ErrorKind::Rejected));
        applied(&store, put_at(number, number)).await;
        assert!(store.hard_flush().await.is_err());
    }
    behind.failing.heal();
    assert!(store.discard_dead_letter(&map(), &key(2)));
    assert!(!store.close(DEADLINE).await.is_complete());
    let behind = behind.restarted();
    let store = behind.open_logged(quick(), &disk).await;
    let letters = store.dead_letters().into_iter().map(|letter| letter.key);
    assert_eq!(letters.collect::<Vec<_>>(), [key(1), key(3)]);
    store.claim(&map()).await.unwrap();
    assert!(store.retry_dead_letter(&map(), &key(3)));
    store.flush_key(&map(), &key(3)).await.unwrap();
    assert!(!store.close(DEADLINE).await.is_complete());
    let behind = behind.restarted();
    let store = behind.open_logged(quick(), &disk).await;
    let letters = store.dead_letters().into_iter().map(|letter| letter.key);
    assert_eq!(letters.collect::<Vec<_>>(), [key(1)]);
    store.claim(&map()).await.unwrap();
    assert_eq!(
        (
            held(&store, &key(1)).await,
            held(&store, &key(2)).await,
            held(&store, &key(3)).await
        ),
        (Some(1), None, Some(3))
    );
}

#[tokio::test(start_paused = true)]
async fn w5_a_store_that_is_down_is_left_alone_and_probed() {
    let behind = Behind::new();
    let store = behind.open(quick().backoff(BackoffPolicy::default())).await;
    store.claim(&map()).await.unwrap();
    behind.is_down();
    for number in 1..=100 {
        applied(&store, put(number)).await;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_ne!(store.status().breaker, BreakerState::Closed);
    // Batches that shrink for a second, then one probe a pause, of 1 s to 30 s.
    let tries = behind.failing.injected();
    assert!((15..400).contains(&tries), "{tries} tries in ten minutes");
    behind.failing.heal();
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(
        (store.status().breaker, store.pending_operation_count()),
        (BreakerState::Closed, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn w5_a_fenced_map_takes_no_more_and_keeps_what_is_pending() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put(1)).await;
    behind.memory.share().claim(&map()).await.unwrap();
    let error = store.hard_flush().await.unwrap_err();
    assert_eq!(error.source.unwrap().kind(), ErrorKind::Fenced);
    let refused = store.apply_one(put(2)).await;
    assert_eq!(crate::support::kind(&refused), Some(ErrorKind::Fenced));
    assert_eq!(held(&store, &key(1)).await, Some(1));
    // Claimed again, it goes on where it was.
    assert!(store.claim(&map()).await.unwrap().high_water >= version(1));
    applied(&store, put(2)).await;
    store.hard_flush().await.unwrap();
    assert!(behind.stored(1).await.is_some() && behind.stored(2).await.is_some());
}
