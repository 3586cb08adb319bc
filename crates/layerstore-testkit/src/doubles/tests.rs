use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    ErrorKind, InMemoryDataStore, MapDataStore, MapDataStoreExt, Outcome, ScanRequest, TryApply, Write,
    WriteResult,
};
use layerstore_record::MapName;

use super::{Call, FailingDataStore, Fault, RecordingDataStore, Side, SlowDataStore};
use crate::clock::ManualClock;
use crate::records::{key, record, version};

fn map() -> MapName {
    MapName::new("map").unwrap()
}

fn write(of: u64, number: u64) -> Write {
    Write::new(map(), key(of), record(number))
}

/// A store that has claimed the map.
async fn memory() -> Arc<InMemoryDataStore> {
    let store = Arc::new(InMemoryDataStore::new(ManualClock::new().shared()));
    store.claim(&map()).await.unwrap();
    store
}

fn error_of(result: &WriteResult) -> (ErrorKind, Outcome) {
    let WriteResult::Rejected(error) = result else {
        panic!("not an error: {result:?}")
    };
    (error.kind(), error.outcome())
}

#[tokio::test]
async fn a_fault_before_leaves_nothing_and_one_after_leaves_everything() {
    let inner = memory().await;
    let store = FailingDataStore::new(inner.clone());
    store.fail_next(Call::Apply, Fault::before(ErrorKind::Rejected));
    store.fail_next(Call::Apply, Fault::after(ErrorKind::Timeout));
    let before = store.apply_one(write(1, 1)).await;
    assert_eq!(error_of(&before), (ErrorKind::Rejected, Outcome::NotApplied));
    assert!(inner.load(&map(), &key(1)).await.unwrap().is_none());
    let after = store.apply_one(write(1, 2)).await;
    assert_eq!(error_of(&after), (ErrorKind::Timeout, Outcome::Unknown));
    assert_eq!(
        inner.load(&map(), &key(1)).await.unwrap().unwrap().version(),
        version(2)
    );
    assert!(store.apply_one(write(1, 3)).await.is_applied());
    assert_eq!(store.injected(), 2);
}

#[tokio::test]
async fn a_late_write_lands_when_told_and_is_fenced_by_what_came_meanwhile() {
    let inner = memory().await;
    let store = FailingDataStore::new(inner.clone());
    store.fail_next(Call::Apply, Fault::late(ErrorKind::Timeout));
    let late = store.apply(vec![write(1, 1), write(2, 2)]).await;
    assert!(
        late.iter()
            .all(|result| error_of(result) == (ErrorKind::Timeout, Outcome::Unknown))
    );
    assert!(inner.load(&map(), &key(2)).await.unwrap().is_none());
    assert!(store.apply_one(write(1, 3)).await.is_applied());
    let landed = store.land().await;
    assert!(
        matches!(landed[0], WriteResult::Stale { current } if current == version(3)),
        "{landed:?}"
    );
    assert!(landed[1].is_applied());
    assert!(store.land().await.is_empty());
}

#[tokio::test]
async fn a_failing_key_fails_alone_and_in_its_place() {
    let store = FailingDataStore::new(memory().await);
    store.fail_key(&key(2), Fault::before(ErrorKind::TooLarge));
    let results = store.apply(vec![write(1, 1), write(2, 2), write(3, 3)]).await;
    assert!(results[0].is_applied() && results[2].is_applied());
    assert_eq!(error_of(&results[1]), (ErrorKind::TooLarge, Outcome::NotApplied));
    assert!(store.load(&map(), &key(2)).await.is_err());
    assert!(store.load_all(&map(), &[key(1), key(2)]).await.is_err());
    store.heal();
    assert!(store.load(&map(), &key(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn random_faults_come_back_with_their_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let store = FailingDataStore::new(memory().await);
        store.fail_randomly(
            fastrand::Rng::with_seed(7),
            300,
            &[Fault::before(ErrorKind::Throttled)],
        );
        let mut failed = Vec::new();
        for number in 1..=100 {
            failed.push(!store.apply_one(write(1, number)).await.is_applied());
        }
        runs.push(failed);
    }
    let hits = runs[0].iter().filter(|failed| **failed).count();
    assert!(
        (10..=60).contains(&hits),
        "{hits} of 100 calls failed at 300 per mille"
    );
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn every_asynchronous_method_can_fail_on_either_side() {
    for fault in [
        Fault::before(ErrorKind::Unavailable),
        Fault::after(ErrorKind::Unavailable),
    ] {
        let store = FailingDataStore::new(memory().await);
        let calls = [
            Call::Claim,
            Call::Load,
            Call::LoadAll,
            Call::ScanPage,
            Call::ListMaps,
            Call::Clear,
        ];
        let others = [Call::Purge, Call::HardFlush, Call::FlushKey, Call::Close];
        for call in calls.into_iter().chain(others) {
            store.fail_always(call, fault);
        }
        let (map, key) = (map(), key(1));
        assert!(store.claim(&map).await.is_err());
        assert!(store.load(&map, &key).await.is_err());
        assert!(store.load_all(&map, &[]).await.is_err());
        assert!(store.scan_page(&map, ScanRequest::first(1)).await.is_err());
        assert!(store.list_maps().await.is_err());
        assert!(store.clear(&map, version(1)).await.is_err());
        assert!(store.purge(&map, version(1)).await.is_err());
        assert!(store.hard_flush().await.is_err());
        assert!(store.flush_key(&map, &key).await.is_err());
        assert!(!store.close(Duration::ZERO).await.is_complete());
    }
}

#[tokio::test]
async fn a_call_waits_on_either_side_until_the_gate_opens() {
    let inner = memory().await;
    let store = Arc::new(SlowDataStore::new(inner.clone()));
    for (number, side, is_made) in [(1, Side::Before, false), (2, Side::After, true)] {
        store.shut(Call::Apply, side);
        let applied = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.apply_one(write(number, number)).await }
        });
        store.until_waiting(Call::Apply, side, 1).await;
        assert_eq!(inner.load(&map(), &key(number)).await.unwrap().is_some(), is_made);
        store.open_all();
        assert!(applied.await.unwrap().is_applied());
        assert_eq!(store.waiting(Call::Apply, side), 0);
    }
}

#[tokio::test]
async fn as_many_pass_a_shut_gate_as_were_let() {
    let store = Arc::new(SlowDataStore::new(memory().await));
    store.shut(Call::Load, Side::Before);
    let load = || {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.load(&map(), &key(1)).await })
    };
    let loads: Vec<_> = (0..5).map(|_| load()).collect();
    store.until_waiting(Call::Load, Side::Before, 5).await;
    store.let_pass(Call::Load, Side::Before, 2);
    while store.waiting(Call::Load, Side::Before) > 3 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.waiting(Call::Load, Side::Before), 3);
    loads.iter().for_each(tokio::task::JoinHandle::abort);
    for load in loads {
        let _ = load.await;
    }
    assert_eq!(
        store.waiting(Call::Load, Side::Before),
        0,
        "a dropped caller waits no more"
    );
}

#[tokio::test]
async fn calls_are_noted_in_order_with_what_they_are_about() {
    let store = RecordingDataStore::new(memory().await);
    let _ = store.try_apply(vec![write(1, 1)]);
    let _ = store.apply(vec![write(1, 2), write(2, 3)]).await;
    store.clear(&map(), version(9)).await.unwrap();
    assert_eq!(store.versions(&map(), &key(1)), [version(1), version(2)]);
    let calls: Vec<Call> = store.calls().iter().map(|noted| noted.call).collect();
    assert_eq!(calls, [Call::TryApply, Call::Apply, Call::Clear]);
    assert_eq!(store.take()[2].targets[0].version, Some(version(9)));
    assert!(store.calls().is_empty());
}

#[tokio::test]
async fn writes_given_back_are_noted_once() {
    let far = SlowDataStore::new(memory().await);
    let store = RecordingDataStore::new(Arc::new(far));
    let TryApply::NeedsIo(writes) = store.try_apply(vec![write(1, 1)]) else {
        panic!("a slow store needs I/O")
    };
    let _ = store.apply(writes).await;
    assert_eq!((store.count(Call::TryApply), store.count(Call::Apply)), (0, 1));
}
