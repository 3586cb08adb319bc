//! S3: a write that needs I/O happens whole or not at all, whoever goes away; one that needs none needs no task.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use layerstore_data_store::ErrorKind;
use layerstore_record_store::{Compute, RecordErrorKind, RecordStore, TrySet, WriteOptions};
use layerstore_testkit::doubles::{Call, Fault, Side};

use crate::stage::{Rig, Stage, config, key, kind, number, start};

#[tokio::test]
async fn s3_a_write_whose_caller_goes_away_happens_whole() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut writing = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut writing).await;
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    drop(writing);
    rig.slow.open_all();
    let report = rig.store.close(Duration::from_secs(5)).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(
        (
            rig.stored("alice").await,
            rig.resident("alice").map(|record| number(&record))
        ),
        (Some(1), Some(1))
    );
    assert_eq!(
        rig.observer.names(),
        ["update", "destroy"],
        "observers are told though nobody waits"
    );
}

#[tokio::test]
async fn s3_a_batch_whose_caller_goes_away_happens_whole() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let batch: Vec<_> = (0..50)
        .map(|number| (key(&format!("key:{number}")), number.into()))
        .collect();
    let mut writing = rig.store.put_all(batch, &WriteOptions::DEFAULT);
    start(&mut writing).await;
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    drop(writing);
    rig.slow.open_all();
    assert!(rig.store.close(Duration::from_secs(5)).await.is_complete());
    assert_eq!((rig.store.resident_len(), rig.observer.told().len()), (50, 51));
}

#[tokio::test]
async fn s3_a_write_that_needs_no_io_completes_at_once() {
    // Without a data store, and over one that takes the write synchronously.
    for stage in [Stage::pure(config()).await, Stage::new().await] {
        let done = stage
            .store
            .try_set(&key("alice"), 1.into(), &WriteOptions::DEFAULT);
        assert!(matches!(done, Ok(TrySet::Done(outcome)) if outcome.version.is_some()));
        assert_eq!(
            stage
                .store
                .try_get(&key("alice"))
                .hit()
                .map(|record| number(&record)),
            Some(1)
        );
        let alice = key("alice");
        let mut compute = stage.store.compute(
            &alice,
            Box::new(|held| Compute::Put((held.map_or(0, |held| number(held)) + 1).into())),
        );
        let first_poll = (&mut compute).now_or_never().expect("no task is waited for");
        assert_eq!(number(&first_poll.unwrap().value.unwrap()), 2);
    }
}

#[tokio::test]
async fn s3_a_write_that_needs_io_is_given_back_untouched_by_the_synchronous_try() {
    let rig = Rig::new().await;
    let tried = rig.store.try_set(&key("alice"), 1.into(), &WriteOptions::DEFAULT);
    let Ok(TrySet::NeedsIo(value)) = tried else {
        panic!("a slow data store needs I/O");
    };
    assert_eq!((rig.stored("alice").await, rig.store.resident_len()), (None, 0));
    assert!(rig.observer.told().is_empty());
    // The gate was let go: the write is made by whoever waits for it.
    rig.store
        .set(&key("alice"), value, &WriteOptions::DEFAULT)
        .await
        .unwrap();
    assert_eq!(rig.get("alice").await, Some(1));
}

#[tokio::test]
async fn s3_a_computation_is_called_once_though_its_write_needs_io() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let alice = key("alice");
    let compute = rig.store.compute(
        &alice,
        Box::new(move |held| {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Compute::Put((held.map_or(0, |held| number(held)) + 1).into())
        }),
    );
    compute.await.unwrap();
    assert_eq!(
        (
            calls.load(std::sync::atomic::Ordering::SeqCst),
            rig.stored("alice").await
        ),
        (1, Some(2))
    );
}

#[tokio::test]
async fn s3_a_write_dropped_after_any_number_of_polls_is_whole_or_never_was() {
    for polls in 0..40 {
        let rig = Rig::new().await;
        rig.set("alice", 1).await;
        let _ = rig.observer.take();
        let alice = key("alice");
        let mut ended = None;
        {
            let mut writing = rig.store.put(&alice, 2.into(), &WriteOptions::DEFAULT);
            for _ in 0..polls {
                if let std::task::Poll::Ready(result) = futures::poll!(&mut writing) {
                    ended = Some(result.is_ok());
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert!(rig.store.close(Duration::from_secs(5)).await.is_complete());
        let memory = rig.resident("alice").map(|record| number(&record));
        // The last that they were told is the end.
        let told = rig.observer.names().len() - 1;
        let whole = (Some(2), Some(2), 1);
        let nothing = (Some(1), Some(1), 0);
        let found = (rig.stored("alice").await, memory, told);
        assert!(
            found == whole || found == nothing && ended.is_none(),
            "after {polls} polls: {found:?}"
        );
        if polls == 0 {
            assert_eq!(found, nothing, "what was never polled was never begun");
        }
        if ended == Some(true) {
            assert_eq!(found, whole);
        }
    }
}

#[tokio::test]
async fn s3_close_refuses_new_work_waits_for_what_is_under_way_and_says_what_is_left() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut writing = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
    start(&mut writing).await;
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    let report = rig.store.close(Duration::from_millis(10)).await;
    assert_eq!(report.unfinished, 1);
    assert!(!report.is_complete());
    assert_eq!(
        kind(rig.store.set(&key("bob"), 1.into(), &WriteOptions::DEFAULT).await),
        RecordErrorKind::Closed
    );
    assert_eq!(kind(rig.store.get(&alice).await), RecordErrorKind::Closed);
    rig.slow.open_all();
    writing.await.unwrap();
    assert!(
        rig.store.close(Duration::from_secs(5)).await.is_complete(),
        "asking again says how it stands now"
    );
    assert_eq!(rig.stored("alice").await, Some(2));
}

#[tokio::test]
async fn s3_a_store_that_is_dropped_leaves_no_write_half_done_and_keeps_nothing_alive() {
    let rig = Rig::new().await;
    rig.slow.shut(Call::Apply, Side::Before);
    let alice = key("alice");
    let mut writing = rig.store.set(&alice, 1.into(), &WriteOptions::DEFAULT);
    start(&mut writing).await;
    rig.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    drop(writing);
    let Rig {
        stage,
        slow,
        recording,
        ..
    } = rig;
    let Stage { store, below, .. } = stage;
    drop(store);
    slow.open_all();
    // The task ends by itself and lets go of the data store; until then it is counted here.
    let patience = Duration::from_secs(10);
    let ended = async {
        while Arc::strong_count(&recording) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, ended)
        .await
        .expect("the task keeps the store alive");
    let stored = layerstore_data_store::MapDataStore::load(&*below, &crate::stage::map(), &alice).await;
    assert_eq!(stored.unwrap().map(|record| number(&record)), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_writes_are_whole_on_the_runtime_of_many_threads() {
    let rig = Rig::new().await;
    rig.failing
        .fail_next(Call::Apply, Fault::before(ErrorKind::Unavailable));
    let keys: Vec<_> = (0..100).map(|number| key(&format!("key:{number}"))).collect();
    let writers = keys
        .iter()
        .map(|key| rig.store.set(key, 1.into(), &WriteOptions::DEFAULT));
    let results = futures::future::join_all(writers).await;
    let refused = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(
        (refused, rig.store.resident_len(), rig.observer.told().len()),
        (1, 99, 99)
    );
}

#[tokio::test]
async fn s3_a_computation_that_panics_writes_nothing_and_lets_the_gate_go() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    let alice = key("alice");
    let panicking = rig
        .store
        .compute(&alice, Box::new(|_| panic!("the caller's own")));
    assert_eq!(kind(panicking.await), RecordErrorKind::Panicked);
    assert_eq!(rig.get("alice").await, Some(1));
    rig.set("alice", 2).await;
}
