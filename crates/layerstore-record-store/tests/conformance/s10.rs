//! S10: compute, put_if_absent and replace decide and write as one step.

use std::sync::Arc;

use layerstore_data_store::{InMemoryDataStore, Limits};
use layerstore_record_store::{Compute, RecordErrorKind, RecordStore, WriteOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Side, SlowDataStore};

use crate::stage::{Plan, Rig, Stage, config, key, number, start, ttl};

/// Stores on which every verb must be atomic: without a data store, over one that answers at once, over one that needs I/O.
async fn stages() -> Vec<Stage> {
    vec![
        Stage::pure(config()).await,
        Stage::new().await,
        Rig::new().await.stage,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s10_concurrent_computations_lose_no_step() {
    for stage in stages().await {
        let tasks = (0..8).map(|_| {
            let store = Arc::clone(&stage.store);
            tokio::spawn(async move {
                let counter = key("counter");
                for _ in 0..200 {
                    let add = store.compute(
                        &counter,
                        Box::new(|held| Compute::Put((held.map_or(0, |held| number(held)) + 1).into())),
                    );
                    add.await.unwrap();
                }
            })
        });
        for task in futures::future::join_all(tasks).await {
            task.unwrap();
        }
        assert_eq!(stage.get("counter").await, Some(1_600));
        assert_eq!(stage.observer.order_violations(), Vec::<String>::new());
    }
}

/// A store over one that does not compare before it writes: the gate alone keeps the steps apart.
async fn without_conditions() -> (Stage, Arc<SlowDataStore>) {
    let clock = ManualClock::new();
    let mut limits = Limits::default();
    limits.compare_and_set = false;
    let below = Arc::new(InMemoryDataStore::new(clock.shared()).with_limits(limits));
    let slow = Arc::new(SlowDataStore::new(Arc::clone(&below) as _));
    let stage = Stage::over(Plan::default(), clock, below, Arc::clone(&slow) as _).await;
    (stage, slow)
}

#[tokio::test]
async fn s10_who_waits_at_the_gate_decides_on_what_was_written_before_it() {
    let (stage, slow) = without_conditions().await;
    let (counter, other) = (key("counter"), key("other"));
    let version = stage.set("counter", 1).await;
    slow.shut(Call::Apply, Side::Before);
    let add = |held: Option<&Arc<_>>| Compute::Put((held.map_or(0, |held| number(held)) + 1).into());
    let mut first = stage.store.compute(&counter, Box::new(add));
    start(&mut first).await;
    slow.until_waiting(Call::Apply, Side::Before, 1).await;
    let mut second = stage.store.compute(&counter, Box::new(add));
    start(&mut second).await;
    let mut stale = stage
        .store
        .replace(&counter, version, 100.into(), &WriteOptions::DEFAULT);
    start(&mut stale).await;
    let mut put = stage.store.set(&other, 1.into(), &WriteOptions::DEFAULT);
    start(&mut put).await;
    let mut late = stage
        .store
        .put_if_absent(&other, 2.into(), &WriteOptions::DEFAULT);
    start(&mut late).await;
    slow.open_all();
    let (first, second, stale, put, late) = tokio::join!(first, second, stale, put, late);
    assert!(first.unwrap().version < second.unwrap().version);
    assert_eq!(stale.unwrap_err().kind(), RecordErrorKind::Conflict);
    assert!(put.unwrap().version.is_some() && late.unwrap().version.is_none());
    assert_eq!(
        (stage.get("counter").await, stage.get("other").await),
        (Some(3), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s10_of_many_who_put_if_absent_one_does() {
    for stage in stages().await {
        for round in 0..50 {
            let alice = key(&format!("key:{round}"));
            let tries = (0..8_u64).map(|mine| {
                let (store, alice) = (Arc::clone(&stage.store), alice.clone());
                tokio::spawn(async move {
                    let tried = store
                        .put_if_absent(&alice, mine.into(), &WriteOptions::DEFAULT)
                        .await
                        .unwrap();
                    (mine, tried.version, tried.value.map(|there| number(&there)))
                })
            });
            let tries = futures::future::join_all(tries)
                .await
                .into_iter()
                .map(Result::unwrap);
            let (winners, losers): (Vec<_>, Vec<_>) = tries.partition(|(_, version, _)| version.is_some());
            let [(winner, _, None)] = winners[..] else {
                panic!("{winners:?} put their value");
            };
            assert!(
                losers.iter().all(|(_, _, there)| *there == Some(winner)),
                "{losers:?}"
            );
            assert_eq!(stage.get(alice.as_str()).await, Some(winner));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s10_of_many_who_replace_a_version_one_does() {
    for stage in stages().await {
        for round in 0..50 {
            let alice = key(&format!("key:{round}"));
            let version = stage.set(alice.as_str(), 1_000).await;
            let tries = (0..8_u64).map(|mine| {
                let (store, alice) = (Arc::clone(&stage.store), alice.clone());
                tokio::spawn(async move {
                    store
                        .replace(&alice, version, mine.into(), &WriteOptions::DEFAULT)
                        .await
                        .map(|_| mine)
                })
            });
            let tries = futures::future::join_all(tries)
                .await
                .into_iter()
                .map(Result::unwrap);
            let (winners, losers): (Vec<_>, Vec<_>) = tries.partition(Result::is_ok);
            assert_eq!((winners.len(), losers.len()), (1, 7));
            assert_eq!(stage.get(alice.as_str()).await, winners[0].as_ref().ok().copied());
            for loser in losers {
                let loser = loser.unwrap_err();
                assert_eq!(loser.kind(), RecordErrorKind::Conflict);
                assert!(loser.current_version().is_some_and(|current| current > version));
            }
        }
    }
}

#[tokio::test]
async fn s10_replace_tells_which_version_is_there() {
    for stage in stages().await {
        let first = stage.set("alice", 1).await;
        let second = stage.set("alice", 2).await;
        let stale = stage
            .store
            .replace(&key("alice"), first, 3.into(), &WriteOptions::DEFAULT)
            .await;
        let stale = stale.unwrap_err();
        assert_eq!(
            (stale.kind(), stale.current_version()),
            (RecordErrorKind::Conflict, Some(second))
        );
        let absent = stage
            .store
            .replace(&key("bob"), second, 3.into(), &WriteOptions::DEFAULT)
            .await;
        assert_eq!(absent.unwrap_err().current_version(), None);
        assert_eq!(
            (stage.get("alice").await, stage.get("bob").await),
            (Some(2), None)
        );
        let done = stage
            .store
            .replace(&key("alice"), second, 3.into(), &WriteOptions::DEFAULT)
            .await
            .unwrap();
        assert!(done.version.unwrap() > second);
        assert_eq!(stage.get("alice").await, Some(3));
    }
}

#[tokio::test]
async fn s10_a_computation_sees_what_is_there_and_may_keep_replace_or_remove_it() {
    for stage in stages().await {
        let alice = key("alice");
        let absent = stage.store.compute(
            &alice,
            Box::new(|held| {
                assert!(held.is_none());
                Compute::Keep
            }),
        );
        let absent = absent.await.unwrap();
        assert!(absent.version.is_none() && absent.value.is_none());
        stage
            .store
            .compute(&alice, Box::new(|_| Compute::PutWith(1.into(), ttl(50))))
            .await
            .unwrap();
        let kept = stage.store.compute(
            &alice,
            Box::new(|held| {
                assert_eq!(held.map(|held| number(held)), Some(1));
                Compute::Keep
            }),
        );
        let kept = kept.await.unwrap();
        assert_eq!(
            (kept.version, kept.value.map(|held| number(&held))),
            (None, Some(1))
        );
        let removed = stage
            .store
            .compute(&alice, Box::new(|_| Compute::Remove))
            .await
            .unwrap();
        assert!(removed.version.is_some() && removed.value.is_none());
        assert_eq!(stage.get("alice").await, None);
        // What has ended is not there, swept or not.
        stage
            .store
            .compute(&alice, Box::new(|_| Compute::PutWith(2.into(), ttl(50))))
            .await
            .unwrap();
        stage.advance(50);
        let ended = stage
            .store
            .put_if_absent(&alice, 3.into(), &WriteOptions::DEFAULT)
            .await
            .unwrap();
        assert!(ended.version.is_some() && ended.value.is_none());
        assert_eq!(stage.get("alice").await, Some(3));
    }
}

#[tokio::test]
async fn s10_what_is_not_in_memory_is_loaded_once_and_judged() {
    let rig = Rig::new().await;
    let version = rig.set("alice", 1).await;
    assert!(rig.store.evict(&key("alice")).await.unwrap());
    let _ = rig.recording.take();
    let there = rig
        .store
        .put_if_absent(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
        .await
        .unwrap();
    assert_eq!(
        (there.version, there.value.map(|held| number(&held))),
        (None, Some(1))
    );
    assert_eq!(
        (rig.recording.count(Call::Load), rig.recording.count(Call::Apply)),
        (1, 0)
    );
    assert!(
        rig.resident("alice").is_some(),
        "what was loaded to be judged stays"
    );
    assert!(rig.store.evict(&key("alice")).await.unwrap());
    rig.store
        .replace(&key("alice"), version, 3.into(), &WriteOptions::DEFAULT)
        .await
        .unwrap();
    assert_eq!(
        (rig.recording.count(Call::Load), rig.stored("alice").await),
        (2, Some(3))
    );
}
