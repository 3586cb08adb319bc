//! What the null store does, how scans read pages, and how calls are retried.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are test code")]

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use layerstore_data_store::{
    BackoffPolicy, ErrorKind, FlushError, InMemoryDataStore, MapDataStore, MapDataStoreExt, NullDataStore,
    Outcome, Pause, ScanRequest, StoreError, TryApply, Write, WriteResult, retry, retry_writes,
};
use layerstore_record::{Key, MapName};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault, RecordingDataStore};
use layerstore_testkit::records::{key, record, version};

fn map() -> MapName {
    MapName::new("map").unwrap()
}

fn write(number: u64) -> Write {
    Write::new(map(), key(number), record(number))
}

/// A store that has claimed the map and holds keys 1 to `records`.
async fn memory(records: u64) -> Arc<InMemoryDataStore> {
    let store = Arc::new(InMemoryDataStore::new(ManualClock::new().shared()));
    store.claim(&map()).await.unwrap();
    assert!(
        store
            .apply((1..=records).map(write).collect())
            .await
            .iter()
            .all(WriteResult::is_applied)
    );
    store
}

/// Time that passes only by pauses.
#[derive(Default)]
struct Pauses {
    waits: Vec<Duration>,
}

impl Pause for Pauses {
    fn elapsed(&self) -> Duration {
        self.waits.iter().sum()
    }

    async fn pause(&mut self, wait: Duration) {
        self.waits.push(wait);
    }
}

#[tokio::test]
async fn the_null_store_takes_everything_and_has_nothing() {
    let store = NullDataStore::new();
    assert!(store.is_null());
    let first = store.claim(&map()).await.unwrap();
    let second = store.claim(&map()).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert!(
        store
            .apply(vec![write(2), write(1)])
            .await
            .iter()
            .all(WriteResult::is_applied)
    );
    assert!(matches!(store.try_apply(vec![write(1)]), TryApply::Done(made) if made[0].is_applied()));
    assert_eq!(store.load(&map(), &key(1)).await.unwrap(), None);
    assert_eq!(
        store.load_all(&map(), &[key(1), key(2)]).await.unwrap(),
        [None, None]
    );
    let page = store.scan_page(&map(), ScanRequest::first(5)).await.unwrap();
    assert!(page.records.is_empty() && page.next.is_none());
    assert!(store.list_maps().await.unwrap().is_empty());
    store.clear(&map(), version(9)).await.unwrap();
    assert_eq!(store.purge(&map(), version(9)).await.unwrap(), 0);
    store.hard_flush().await.unwrap();
    store.flush_key(&map(), &key(1)).await.unwrap();
    assert_eq!(
        (store.pending_operation_count(), store.soft_flush(), store.reset()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_closed_null_store_answers_closed() {
    let store = NullDataStore::new();
    assert!(store.close(Duration::ZERO).await.is_complete());
    let closed = |error: StoreError| error.kind() == ErrorKind::Closed;
    assert!(store.claim(&map()).await.is_err_and(closed));
    let WriteResult::Rejected(refused) = store.apply_one(write(1)).await else {
        panic!("a closed store makes a write");
    };
    assert!(closed(refused));
    assert!(store.load(&map(), &key(1)).await.is_err_and(closed));
    assert!(store.load_all(&map(), &[]).await.is_err_and(closed));
    assert!(
        store
            .scan_page(&map(), ScanRequest::first(1))
            .await
            .is_err_and(closed)
    );
    assert!(store.list_maps().await.is_err_and(closed));
    assert!(store.clear(&map(), version(1)).await.is_err_and(closed));
    assert!(store.purge(&map(), version(1)).await.is_err_and(closed));
    let unflushed = |error: FlushError| error.source.is_some_and(closed);
    assert!(store.hard_flush().await.is_err_and(unflushed));
    assert!(store.flush_key(&map(), &key(1)).await.is_err_and(unflushed));
}

#[tokio::test]
async fn a_scan_reads_a_page_when_it_is_needed_and_no_sooner() {
    let store: Arc<dyn MapDataStore> = memory(10).await;
    let store = Arc::new(RecordingDataStore::new(store));
    let scan = store.scan(&map(), ScanRequest::first(4));
    pin_mut!(scan);
    for pages in [1, 1, 1, 1, 2, 2, 2, 2, 3, 3] {
        scan.next().await.unwrap().unwrap();
        assert_eq!(store.count(Call::ScanPage), pages);
    }
    assert!(scan.next().await.is_none());
    assert_eq!(store.count(Call::ScanPage), 3);
}

#[tokio::test]
async fn a_scan_works_through_a_trait_object_and_outlives_its_caller() {
    let store: Arc<dyn MapDataStore> = memory(10).await;
    let request = ScanRequest::first(3)
        .from(Bound::Excluded(key(1)))
        .until(Bound::Included(key(5)));
    let scan = tokio::spawn(
        Arc::clone(&store)
            .into_scan(&map(), request.clone())
            .try_collect::<Vec<_>>(),
    );
    let keys: Vec<Key> = scan
        .await
        .unwrap()
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, [key(10), key(2), key(3), key(4), key(5)]);
    let again: Vec<_> = store.scan(&map(), request).try_collect().await.unwrap();
    assert_eq!(again.len(), 5);
}

#[tokio::test]
async fn d7_a_read_error_ends_a_scan_with_an_error_and_never_quietly() {
    for failing_page in 0..3_u64 {
        let store = FailingDataStore::new(memory(10).await);
        let scan = store.scan(&map(), ScanRequest::first(4));
        pin_mut!(scan);
        for _ in 0..4 * failing_page {
            scan.next().await.unwrap().unwrap();
        }
        store.fail_next(Call::ScanPage, Fault::before(ErrorKind::Corrupt));
        let end = scan
            .next()
            .await
            .expect("an error, not the end")
            .expect_err("the page fails");
        assert_eq!(end.kind(), ErrorKind::Corrupt);
        assert!(scan.next().await.is_none(), "after an error the scan is over");
    }
}

#[tokio::test]
async fn what_a_retry_may_cure_is_tried_again_and_nothing_else() {
    let rng = &mut fastrand::Rng::with_seed(1);
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Throttled,
        ErrorKind::Full,
    ] {
        let store = FailingDataStore::new(memory(1).await);
        let mut pauses = Pauses::default();
        (0..2).for_each(|_| store.fail_next(Call::Load, Fault::before(kind)));
        let load = async || store.load(&map(), &key(1)).await;
        let found = retry(BackoffPolicy::default(), rng, &mut pauses, load)
            .await
            .unwrap();
        assert_eq!(
            (found.unwrap().version(), pauses.waits.len()),
            (version(1), 2),
            "{kind:?}"
        );
    }
    for kind in [
        ErrorKind::Rejected,
        ErrorKind::Corrupt,
        ErrorKind::Fenced,
        ErrorKind::Forbidden,
        ErrorKind::Closed,
    ] {
        let store = FailingDataStore::new(memory(1).await);
        let mut pauses = Pauses::default();
        store.fail_next(Call::Load, Fault::before(kind));
        let load = async || store.load(&map(), &key(1)).await;
        let error = retry(BackoffPolicy::default(), rng, &mut pauses, load)
            .await
            .unwrap_err();
        assert_eq!((error.kind(), pauses.waits.len()), (kind, 0));
    }
}

#[tokio::test]
async fn retries_end_and_say_whether_the_outcome_is_known() {
    let rng = &mut fastrand::Rng::with_seed(2);
    let store = FailingDataStore::new(memory(0).await);
    store.fail_next(Call::Clear, Fault::lost(ErrorKind::Timeout));
    store.fail_always(Call::Clear, Fault::before(ErrorKind::Unavailable));
    let mut pauses = Pauses::default();
    let policy = BackoffPolicy::default().with_attempts(4);
    let clear = async || store.clear(&map(), version(1)).await;
    let error = retry(policy, rng, &mut pauses, clear).await.unwrap_err();
    assert_eq!((store.injected(), pauses.waits.len()), (4, 3));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.outcome(),
        Outcome::Unknown,
        "the first try may have been made"
    );
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_resolved_by_making_it_again() {
    let rng = &mut fastrand::Rng::with_seed(3);
    for fault in [Fault::after(ErrorKind::Timeout), Fault::lost(ErrorKind::Timeout)] {
        let inner = memory(0).await;
        let store = FailingDataStore::new(inner.clone());
        store.fail_next(Call::Apply, fault);
        let expecting = write(1).expecting(layerstore_data_store::Expect::Absent);
        let policy = BackoffPolicy::default();
        let answers = retry_writes(&store, vec![expecting], policy, rng, &mut Pauses::default()).await;
        assert!(answers[0].is_applied(), "{answers:?}");
        assert_eq!(
            inner.load(&map(), &key(1)).await.unwrap().as_ref(),
            Some(&*record(1))
        );
    }
}

#[tokio::test]
async fn only_the_open_writes_of_a_batch_are_made_again_and_answers_stay_in_their_places() {
    let rng = &mut fastrand::Rng::with_seed(4);
    let inner: Arc<dyn MapDataStore> = memory(0).await;
    let inner = Arc::new(RecordingDataStore::new(inner));
    let store = FailingDataStore::new(inner.clone());
    store.fail_key(&key(2), Fault::before(ErrorKind::Throttled));
    store.fail_key(&key(3), Fault::before(ErrorKind::TooLarge));
    store.fail_key(&key(4), Fault::lost(ErrorKind::Timeout));
    let mut pauses = Pauses::default();
    let policy = BackoffPolicy::default().with_attempts(3);
    let writes = (1..=5).map(write).collect();
    let answers = retry_writes(&store, writes, policy, rng, &mut pauses).await;
    let told: Vec<Option<(ErrorKind, Outcome)>> = answers
        .iter()
        .map(|answer| match answer {
            WriteResult::Rejected(error) => Some((error.kind(), error.outcome())),
            _ => None,
        })
        .collect();
    let expected = [
        None,
        Some((ErrorKind::Throttled, Outcome::NotApplied)),
        Some((ErrorKind::TooLarge, Outcome::NotApplied)),
        Some((ErrorKind::Timeout, Outcome::Unknown)),
        None,
    ];
    assert_eq!(told, expected);
    assert_eq!(pauses.waits.len(), 2);
    assert_eq!(
        inner.versions(&map(), &key(1)).len(),
        1,
        "what was made is not made again"
    );
    // Three tries each, but one of what no retry cures.
    assert_eq!(store.injected(), 3 + 1 + 3);
}
