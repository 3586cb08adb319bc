//! S6: sweeps do bounded work, remove through the data store and tell each end once; what has ended stays away.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, ScanRequest};
use layerstore_observer::{OwnedEvent, OwnedPrevious, RemoveReason};
use layerstore_record::{Clock, Millis, NodeId, OrEntries, Record, RecordValue, Tags, Timestamp};
use layerstore_record_store::{
    Compute, ExpiryPolicy, MergeSource, RecordErrorKind, RecordStore, WriteOptions,
};
use layerstore_testkit::doubles::{Call, Fault};

use crate::s6::set_with;
use crate::stage::{Plan, Rig, Stage, config, idle, key, kind, map, number, ttl};

/// The removals that observers were told of: key, reason, and whether a tombstone was left. Forgets them.
fn ends(stage: &Stage) -> Vec<(String, RemoveReason, bool)> {
    let told = stage.observer.take();
    let ends = told.into_iter().filter_map(|one| match one.event {
        OwnedEvent::Remove {
            key,
            reason,
            tombstone,
            ..
        } => Some((key.as_str().to_owned(), reason, tombstone.is_some())),
        _ => None,
    });
    ends.collect()
}

#[tokio::test]
async fn s6_a_sweep_does_bounded_work_and_a_round_of_sweeps_all_of_it() {
    let mut settings = config();
    settings.sweep_batch = 10;
    let rig = Rig::configured(settings).await;
    for at in 0..500 {
        set_with(
            &rig,
            &format!("key:{at}"),
            at,
            if at % 2 == 0 { ttl(10) } else { ttl(1_000) },
        )
        .await;
    }
    rig.advance(10);
    let _ = (rig.observer.take(), rig.recording.take());
    let (mut sweeps, mut expired) = (0, 0);
    while expired < 250 {
        let report = rig.store.sweep().await.unwrap();
        assert!(report.visited <= 40, "{report:?}");
        assert!(
            rig.recording.take().len() <= 1,
            "one call of the data store a sweep"
        );
        expired += report.expired;
        sweeps += 1;
        assert!(sweeps <= 600, "a round does not end: {expired} of 250");
    }
    assert!(sweeps >= 12);
    assert_eq!((expired, rig.store.resident_len()), (250, 250));
    assert_eq!(ends(&rig).len(), 250);
    assert_eq!(rig.store.stats().expirations, 250);
}

#[tokio::test]
async fn s6_a_sweep_removes_through_the_data_store_and_tells_each_end_once_with_its_reason() {
    let rig = Rig::new().await;
    set_with(&rig, "alice", 1, ttl(10)).await;
    set_with(&rig, "bob", 2, idle(10)).await;
    rig.set("carl", 3).await;
    rig.advance(10);
    let _ = (rig.observer.take(), rig.recording.take());
    let report = rig.store.sweep().await.unwrap();
    assert_eq!((report.visited, report.expired, report.failed), (3, 2, 0));
    let mut told = ends(&rig);
    told.sort_unstable_by(|one, next| one.0.cmp(&next.0));
    let expected = [
        ("alice".to_owned(), RemoveReason::Expired, true),
        ("bob".to_owned(), RemoveReason::Idle, true),
    ];
    assert_eq!(told, expected);
    assert_eq!(rig.recording.count(Call::Apply), 1);
    for name in ["alice", "bob"] {
        let below = rig.below.load(&map(), &key(name)).await.unwrap();
        assert!(below.is_some_and(|record| record.is_tombstone()), "{name}");
    }
    assert_eq!(rig.store.resident_len(), 1);
    rig.store.sweep().await.unwrap();
    for name in ["alice", "bob"] {
        assert_eq!(rig.get(name).await, None);
    }
    assert!(rig.observer.told().is_empty(), "an end is told once");
    assert_eq!(rig.store.stats().expirations, 2);
}

#[tokio::test]
async fn s6_a_sweep_of_memory_alone_leaves_the_data_store_as_it_is_and_brings_nothing_back() {
    let mut settings = config();
    settings.expiry = ExpiryPolicy::MemoryOnly;
    let rig = Rig::configured(settings).await;
    set_with(&rig, "alice", 1, ttl(100)).await;
    set_with(&rig, "bob", 2, idle(100)).await;
    let _ = (rig.observer.take(), rig.recording.take());
    // Bob has ended at 100; the data store, which does not know of reads, hides him from 120 on.
    rig.advance(100);
    for expired in [1, 0] {
        assert_eq!(rig.store.sweep().await.unwrap().expired, expired);
        assert_eq!((rig.get("alice").await, rig.get("bob").await), (None, None));
    }
    rig.advance(20);
    assert_eq!(rig.store.sweep().await.unwrap().expired, 1);
    assert_eq!((rig.get("alice").await, rig.get("bob").await), (None, None));
    let expected = [
        ("alice".to_owned(), RemoveReason::Expired, false),
        ("bob".to_owned(), RemoveReason::Idle, false),
    ];
    assert_eq!(ends(&rig), expected);
    assert_eq!(rig.recording.count(Call::Apply), 0);
    assert_eq!(
        (rig.store.resident_len(), rig.store.count().await.unwrap()),
        (0, 0)
    );
}

#[tokio::test]
async fn s6_a_sweep_without_a_data_store_tells_each_end_once() {
    let stage = Stage::pure(config()).await;
    set_with(&stage, "alice", 1, ttl(10)).await;
    set_with(&stage, "bob", 2, idle(10)).await;
    stage.advance(10);
    let _ = stage.observer.take();
    assert_eq!(stage.store.sweep().await.unwrap().expired, 2);
    stage.store.sweep().await.unwrap();
    let mut reasons: Vec<_> = ends(&stage).into_iter().map(|(_, reason, _)| reason).collect();
    reasons.sort_unstable_by_key(|reason| *reason == RemoveReason::Idle);
    assert_eq!(reasons, [RemoveReason::Expired, RemoveReason::Idle]);
    assert_eq!(stage.store.resident_len(), 0);
}

/// An OR-Map of one entry, added at this time by another process.
fn or_map(at: u64) -> RecordValue {
    let tag = Timestamp::new(Millis(at), 0, NodeId(9));
    RecordValue::or_map(OrEntries::new(vec![(tag, 1_u64.into())]), Tags::default())
}

#[tokio::test]
async fn s6_the_entries_of_an_or_map_that_was_swept_do_not_come_back_with_a_peers_older_state() {
    for pure in [false, true] {
        let stage = if pure {
            Stage::pure(config()).await
        } else {
            Stage::new().await
        };
        let alice = key("alice");
        let merge = async |value, options| {
            let merged = stage
                .store
                .merge(&alice, value, MergeSource::Crdt, &options)
                .await;
            merged.unwrap().value.is_some()
        };
        assert!(merge(or_map(1), ttl(10)).await);
        stage.advance(10);
        let _ = stage.observer.take();
        assert_eq!(stage.store.sweep().await.unwrap().expired, 1);
        assert_eq!(ends(&stage), [("alice".to_owned(), RemoveReason::Expired, true)]);
        assert_eq!(stage.store.resident_len(), 0);
        assert!(
            !merge(or_map(1), WriteOptions::DEFAULT).await,
            "it was seen to end"
        );
        assert!(stage.store.get(&alice).await.unwrap().is_none());
        assert!(
            merge(or_map(2), WriteOptions::DEFAULT).await,
            "what came after stays"
        );
        assert!(stage.store.remove(&alice).await.unwrap().value.is_some());
        // Beyond the horizon nothing is remembered any more.
        stage.advance(24 * 60 * 60 * 1_000);
        assert_eq!(stage.store.sweep().await.unwrap().tombstones, usize::from(pure));
    }
}

#[tokio::test]
async fn s6_what_a_sweep_could_not_remove_the_next_one_does_and_tells_once() {
    let rig = Rig::new().await;
    set_with(&rig, "alice", 1, ttl(10)).await;
    rig.advance(10);
    let _ = rig.observer.take();
    rig.failing
        .fail_next(Call::Apply, Fault::before(ErrorKind::Unavailable));
    let report = rig.store.sweep().await.unwrap();
    assert_eq!((report.expired, report.failed), (0, 1));
    assert_eq!(
        rig.get("alice").await,
        None,
        "not removed, and not returned either"
    );
    assert!(rig.observer.told().is_empty());
    assert_eq!(rig.store.sweep().await.unwrap().expired, 1);
    assert_eq!(ends(&rig), [("alice".to_owned(), RemoveReason::Expired, true)]);
}

#[tokio::test]
async fn s6_what_has_ended_and_is_set_anew_ends_for_observers_first_and_is_new() {
    for pure in [false, true] {
        let stage = if pure {
            Stage::pure(config()).await
        } else {
            Stage::new().await
        };
        let first = set_with(&stage, "alice", 1, ttl(10)).await;
        assert_eq!(stage.get("alice").await, Some(1));
        stage.advance(10);
        let _ = stage.observer.take();
        let second = stage.set("alice", 2).await;
        assert!(second > first);
        let told = stage.observer.take();
        let names: Vec<_> = told.iter().map(|one| one.event.name()).collect();
        assert_eq!(names, ["remove", "put"]);
        let OwnedEvent::Remove { previous, reason, .. } = &told[0].event else {
            panic!("{:?}", told[0]);
        };
        assert_eq!(*reason, RemoveReason::Expired);
        assert!(matches!(previous, OwnedPrevious::Known(record) if number(record) == 1));
        let record = stage.resident("alice").unwrap();
        assert_eq!(record.created(), stage.clock.now(), "it is a new record");
        assert_eq!((record.access().hits(), record.expiry().deadline), (0, None));
        stage.advance(1_000);
        assert_eq!(stage.store.sweep().await.unwrap().expired, 0);
        assert_eq!(stage.get("alice").await, Some(2));
        assert!(stage.observer.take().is_empty());
        assert_eq!(stage.store.stats().expirations, 1);
    }
}

#[tokio::test]
async fn s6_an_eviction_does_not_bring_an_idle_record_back_that_has_ended() {
    let stage = Stage::new().await;
    set_with(&stage, "alice", 1, idle(100)).await;
    // Ended, though what was persisted would let the data store give it out until 120.
    stage.advance(100);
    let _ = stage.observer.take();
    stage.store.evict(&key("alice")).await.unwrap();
    assert_eq!(stage.get("alice").await, None);
    assert_eq!(stage.store.clear_memory().await.unwrap(), 0);
    assert_eq!(
        (stage.get("alice").await, stage.store.count().await.unwrap()),
        (None, 0)
    );
    assert_eq!(ends(&stage), [("alice".to_owned(), RemoveReason::Idle, true)]);
}

/// How a record comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Swept,
    Removed,
    Cleared,
}

#[tokio::test]
async fn s6_what_has_ended_does_not_come_back_by_a_late_write() {
    for end in [End::Swept, End::Removed, End::Cleared] {
        let rig = Rig::new().await;
        set_with(&rig, "alice", 1, ttl(10)).await;
        rig.failing
            .fail_next(Call::Apply, Fault::late(ErrorKind::Timeout));
        let late = rig
            .store
            .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
            .await;
        assert_eq!(kind(late), RecordErrorKind::OutcomeUnknown);
        assert_eq!(rig.get("alice").await, Some(1), "the late write has not landed");
        match end {
            End::Swept => {
                rig.advance(10);
                assert_eq!(rig.store.sweep().await.unwrap().expired, 1);
            }
            End::Removed => drop(rig.store.remove(&key("alice")).await.unwrap()),
            End::Cleared => drop(rig.store.delete_all().await.unwrap()),
        }
        assert_eq!(rig.failing.land().await.len(), 1);
        rig.store.clear_memory().await.unwrap();
        assert_eq!(rig.get("alice").await, None, "{end:?}");
        assert_eq!(rig.store.count().await.unwrap(), 0, "{end:?}");
        let again = rig.restarted(Plan::default()).await;
        assert_eq!(again.get("alice").await, None, "{end:?}");
    }
}

#[tokio::test]
async fn s6_closing_persists_more_idle_deadlines_than_a_sweep_does() {
    let mut settings = config();
    settings.sweep_batch = 2;
    let stage = Stage::configured(settings).await;
    let names: Vec<_> = (0..7).map(|at| format!("key:{at}")).collect();
    for (name, held) in names.iter().zip(0..) {
        set_with(&stage, name, held, idle(100)).await;
    }
    stage.advance(50);
    for (name, held) in names.iter().zip(0..) {
        assert_eq!(stage.get(name).await, Some(held));
    }
    assert!(stage.store.close(Duration::from_secs(5)).await.is_complete());
    let stage = stage.restarted(Plan::default()).await;
    stage.advance(99);
    for (name, held) in names.iter().zip(0..) {
        assert_eq!(stage.get(name).await, Some(held), "{name} ended early");
    }
}

#[tokio::test]
async fn s6_an_idle_record_that_is_read_outlives_a_data_store_that_was_away() {
    let verbs = [
        "sweep",
        "compute",
        "put_if_absent",
        "replace",
        "set_expiry",
        "remove",
    ];
    for verb in verbs {
        let rig = Rig::new().await;
        let before = set_with(&rig, "alice", 1, idle(100)).await;
        rig.failing
            .fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));
        // The data store hears of none of these reads: to it she has ended at 120.
        for _ in 0..4 {
            rig.advance(50);
            assert_eq!(rig.get("alice").await, Some(1), "{verb}");
            assert_eq!(rig.store.sweep().await.unwrap().persisted, 0, "{verb}");
        }
        rig.failing.heal();
        assert_eq!(rig.stored("alice").await, None, "{verb}");
        let (store, alice) = (&rig.store, key("alice"));
        let left = match verb {
            "sweep" => {
                assert_eq!(store.sweep().await.unwrap().persisted, 1);
                Some(1)
            }
            "compute" => {
                let seen = |held: Option<&Arc<Record>>| {
                    Compute::PutWith((held.map_or(0, |held| number(held)) + 1).into(), idle(100))
                };
                drop(store.compute(&alice, Box::new(seen)).await.unwrap());
                Some(2)
            }
            "put_if_absent" => {
                let there = store.put_if_absent(&alice, 9.into(), &idle(100)).await.unwrap();
                assert_eq!(there.value.map(|held| number(&held)), Some(1));
                assert_eq!(store.sweep().await.unwrap().persisted, 1);
                Some(1)
            }
            "replace" => {
                store.replace(&alice, before, 3.into(), &idle(100)).await.unwrap();
                Some(3)
            }
            "set_expiry" => {
                assert!(store.set_expiry(&alice, &idle(100)).await.unwrap().value);
                Some(1)
            }
            _ => {
                let gone = store.remove(&alice).await.unwrap();
                assert_eq!(gone.value.map(|held| number(&held)), Some(1));
                None
            }
        };
        let stage = rig.restarted(Plan::default()).await;
        stage.advance(99);
        assert_eq!(stage.get("alice").await, left, "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn s6_a_burst_of_reads_is_persisted_at_once_and_not_a_batch_a_second() {
    let mut settings = config();
    (settings.sweep_interval, settings.sweep_batch) = (Some(Duration::from_secs(1)), 2);
    let stage = Stage::configured(settings).await;
    let names: Vec<_> = (0..40).map(|at| format!("key:{at}")).collect();
    for (name, held) in names.iter().zip(0..) {
        set_with(&stage, name, held, idle(1_000)).await;
    }
    stage.advance(500);
    for (name, held) in names.iter().zip(0..) {
        assert_eq!(stage.get(name).await, Some(held));
    }
    let began = tokio::time::Instant::now();
    let late = stage.clock.now().plus(1_000);
    for name in &names {
        let persisted = async || {
            let record = stage.below.load(&map(), &key(name)).await.unwrap().unwrap();
            record.expiry().idle_deadline.unwrap() == late
        };
        // Nobody waits for anything, so that the paused time stands still.
        let mut turns = 0;
        while !persisted().await {
            tokio::task::yield_now().await;
            turns += 1;
            assert!(turns < 10_000, "{name} waits for the next sweep");
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Lets reads keep records alive over a data store that takes no write: to it they have all ended.
async fn kept_by_reads(names: &[String]) -> Rig {
    let rig = Rig::new().await;
    for (name, held) in names.iter().zip(0..) {
        set_with(&rig, name, held, idle(100)).await;
    }
    rig.failing
        .fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));
    for _ in 0..4 {
        rig.advance(50);
        for (name, held) in names.iter().zip(0..) {
            assert_eq!(rig.get(name).await, Some(held));
        }
        assert_eq!(rig.store.sweep().await.unwrap().persisted, 0);
    }
    for name in names {
        assert_eq!(rig.stored(name).await, None, "to the data store {name} has ended");
    }
    rig
}

/// Reads all pages of this size; returns the numbers, in order.
async fn scanned(rig: &Rig, limit: usize) -> Vec<u64> {
    let (mut found, mut start) = (Vec::new(), Bound::Unbounded);
    loop {
        let page = rig
            .store
            .scan_page(ScanRequest::first(limit).from(start))
            .await
            .unwrap();
        assert!(page.records.len() <= limit);
        found.extend(page.records.iter().map(|(_, record)| number(record)));
        let Some(next) = page.next else { return found };
        start = Bound::Excluded(next);
    }
}

#[tokio::test]
async fn s6_scans_and_counts_have_what_reads_kept_alive_over_a_data_store_that_was_away() {
    let names: Vec<_> = (0..10).map(|at| format!("key:{at}")).collect();
    let rig = kept_by_reads(&names).await;
    for limit in [1, 2, 3, 9, 10, 11, 100] {
        assert_eq!(
            scanned(&rig, limit).await,
            (0..10).collect::<Vec<_>>(),
            "pages of {limit}"
        );
    }
    assert_eq!(rig.store.count().await.unwrap(), 10);
    let some = ScanRequest::first(100).from(Bound::Excluded(key("key:3")));
    let some = rig
        .store
        .scan_page(some.until(Bound::Included(key("key:6"))))
        .await
        .unwrap();
    assert_eq!(
        some.records
            .iter()
            .map(|(_, record)| number(record))
            .collect::<Vec<_>>(),
        [4, 5, 6]
    );

    // One by one they end, are removed, leave memory, or are written: none is counted that is not there, and none twice.
    rig.failing.heal();
    rig.store.remove(&key("key:0")).await.unwrap();
    rig.set("key:1", 1).await;
    assert!(rig.store.evict(&key("key:2")).await.unwrap());
    assert_eq!(scanned(&rig, 3).await, (1..10).collect::<Vec<_>>());
    assert!(rig.store.sweep().await.unwrap().persisted > 0);
    assert_eq!(scanned(&rig, 3).await, (1..10).collect::<Vec<_>>());
    rig.advance(1_000);
    assert_eq!(scanned(&rig, 3).await, [1], "what has ended is not returned");
    rig.store.delete_all().await.unwrap();
    assert_eq!(rig.store.count().await.unwrap(), 0);
}
