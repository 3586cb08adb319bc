//! S6: an expired record is never returned, swept or not; sweeps do bounded work and tell each end once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use layerstore_data_store::{Include, MapDataStore, ScanRequest};
use layerstore_engine::Cursor;
use layerstore_record::{Hlc, NodeId, OrEntries, Record, RecordValue, Tags, Value, Version};
use layerstore_record_store::{
    Compute, MergeSource, RecordErrorKind, RecordStore, ScanPlace, TryGet, WriteOptions,
};
use layerstore_testkit::doubles::Call;

use crate::stage::{Plan, Rig, Stage, config, idle, key, kind, map, number, ttl};

/// Sets a number with options of its own.
pub(crate) async fn set_with(stage: &Stage, name: &str, number: u64, options: WriteOptions) -> Version {
    let set = stage.store.set(&key(name), number.into(), &options).await;
    set.unwrap().version.unwrap()
}

/// Stores of both flavours that hold `alice`, who has ended and whom nobody has swept.
async fn with_one_that_has_ended() -> Vec<(Stage, Version)> {
    let mut stages = Vec::new();
    for options in [ttl(10), idle(10)] {
        for stage in [Stage::new().await, Stage::pure(config()).await] {
            let version = set_with(&stage, "alice", 1, options).await;
            stage.advance(10);
            let _ = stage.observer.take();
            assert_eq!(stage.store.resident_len(), 1, "nobody has swept it");
            stages.push((stage, version));
        }
    }
    stages
}

#[tokio::test]
async fn s6_no_read_returns_what_has_ended_before_any_sweep() {
    for (stage, _) in with_one_that_has_ended().await {
        let (store, alice) = (&stage.store, key("alice"));
        assert_eq!(store.try_get(&alice), TryGet::Absent);
        let mut reader = |_: &Arc<Record>| panic!("it was read");
        assert_eq!(store.read(&alice, &mut reader), TryGet::Absent);
        assert_eq!(store.get(&alice).await.unwrap(), None);
        assert_eq!(store.get_all(std::slice::from_ref(&alice)).await.unwrap(), [None]);
        assert_eq!(store.load(&alice).await.unwrap(), None);
        assert!(!store.contains(&alice).await.unwrap());
        assert_eq!(store.count().await.unwrap(), 0);
        for include in [Include::Live, Include::Tombstones] {
            let mut request = ScanRequest::first(10);
            request.include = include;
            assert!(store.scan_page(request).await.unwrap().records.is_empty());
        }
        let anyhow = store.scan_unordered(&ScanPlace::start(), 10).await.unwrap();
        assert!(anyhow.records.is_empty());
        assert!(store.scan_resident(&Cursor::start(), 10).records.is_empty());
    }
}

#[tokio::test]
async fn s6_no_write_sees_what_has_ended_before_any_sweep() {
    let plain = WriteOptions::DEFAULT;
    let verbs = [
        "put",
        "put_if_absent",
        "replace",
        "compute",
        "remove",
        "remove_all",
        "set_expiry",
    ];
    for verb in verbs {
        for (stage, version) in with_one_that_has_ended().await {
            let (store, alice) = (&stage.store, key("alice"));
            let mut expected = None;
            match verb {
                "put" => {
                    assert_eq!(store.put(&alice, 2.into(), &plain).await.unwrap().value, None);
                    expected = Some(2);
                }
                "put_if_absent" => {
                    let put = store.put_if_absent(&alice, 2.into(), &plain).await.unwrap();
                    assert!(put.value.is_none() && put.version > Some(version));
                    expected = Some(2);
                }
                "replace" => {
                    let error = store.replace(&alice, version, 2.into(), &plain).await;
                    assert_eq!(kind(error), RecordErrorKind::Conflict);
                }
                "compute" => {
                    let seen = Arc::new(Mutex::new(Vec::new()));
                    let noted = Arc::clone(&seen);
                    let compute = move |held: Option<&Arc<Record>>| {
                        noted.lock().unwrap().push(held.is_some());
                        Compute::Keep
                    };
                    let computed = store.compute(&alice, Box::new(compute)).await.unwrap();
                    assert!(computed.value.is_none() && computed.version.is_none());
                    assert_eq!(*seen.lock().unwrap(), [false]);
                }
                "remove" => {
                    let removed = store.remove(&alice).await.unwrap();
                    assert!(removed.value.is_none() && removed.version.is_none());
                }
                "remove_all" => {
                    let removed = store.remove_all(&[alice]).await.remove(0).unwrap();
                    assert!(removed.value.is_none() && removed.version.is_none());
                }
                _ => {
                    let moved = store.set_expiry(&alice, &ttl(1_000)).await.unwrap();
                    assert!(!moved.value && moved.version.is_none());
                }
            }
            println!("{verb}");
            assert_eq!(stage.get("alice").await, expected);
        }
    }
}

#[tokio::test]
async fn s6_a_merge_does_not_bring_back_what_has_ended() {
    // Without a data store a sweep leaves nothing that could remember the end.
    for (is_pure, ending) in [
        (false, "ended"),
        (true, "ended"),
        (false, "swept"),
        (false, "removed"),
        (true, "removed"),
    ] {
        let stage = if is_pure {
            Stage::pure(config()).await
        } else {
            Stage::new().await
        };
        let peer = Hlc::new(NodeId(2), stage.clock.shared());
        let entry = |number: u64| {
            let entries = OrEntries::new(vec![(peer.tick(), number.into())]);
            RecordValue::or_map(entries, Tags::default())
        };
        let (first, alice) = (entry(1), key("alice"));
        let merge = async |value: &RecordValue, options: &WriteOptions| {
            let merged = stage
                .store
                .merge(&alice, value.clone(), MergeSource::Crdt, options)
                .await;
            let current = merged.unwrap().value;
            assert_eq!(current, stage.store.get(&alice).await.unwrap());
            current.map(|record| entries_of(&record))
        };
        assert_eq!(merge(&first, &ttl(10)).await, Some(vec![1]));
        match ending {
            "removed" => drop(stage.store.remove(&alice).await.unwrap()),
            _ => stage.advance(10),
        }
        if ending == "swept" {
            assert_eq!(stage.store.sweep().await.unwrap().expired, 1);
        }
        println!("pure: {is_pure}, {ending}");
        assert_eq!(merge(&first, &WriteOptions::DEFAULT).await, None);
        assert_eq!(merge(&entry(2), &WriteOptions::DEFAULT).await, Some(vec![2]));
        assert_eq!(merge(&first, &WriteOptions::DEFAULT).await, Some(vec![2]));
    }
}

/// The numbers in an observed-remove map.
fn entries_of(record: &Record) -> Vec<u64> {
    let RecordValue::OrMap { entries, .. } = record.value() else {
        panic!("it is {record:?}");
    };
    let numbers = entries.iter().map(|(_, value)| match value {
        Value::U64(number) => *number,
        other => panic!("the entry is {other:?}"),
    });
    numbers.collect()
}

#[tokio::test]
async fn s6_a_record_is_over_from_its_end_on_to_the_millisecond() {
    for pure in [false, true] {
        let stage = if pure {
            Stage::pure(config()).await
        } else {
            Stage::new().await
        };
        set_with(&stage, "alice", 1, ttl(10)).await;
        set_with(&stage, "bob", 2, idle(10)).await;
        stage.advance(9);
        assert!(stage.store.contains(&key("alice")).await.unwrap());
        assert!(stage.store.contains(&key("bob")).await.unwrap());
        assert_eq!(stage.store.count().await.unwrap(), 2);
        stage.advance(1);
        assert!(!stage.store.contains(&key("alice")).await.unwrap());
        assert!(!stage.store.contains(&key("bob")).await.unwrap());
        assert_eq!(stage.store.count().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn s6_a_record_of_its_own_periods_does_not_take_the_maps() {
    let settings = config().with_ttl(Duration::from_millis(100));
    let stage = Stage::configured(settings).await;
    stage.set("default", 1).await;
    set_with(&stage, "short", 2, ttl(10)).await;
    set_with(&stage, "long", 3, ttl(1_000)).await;
    set_with(&stage, "eternal", 4, WriteOptions::unlimited()).await;
    let mut seen = Vec::new();
    for advance in [9, 1, 89, 1, 899, 1, 1_000_000] {
        stage.advance(advance);
        let page = stage.store.scan_page(ScanRequest::first(10)).await.unwrap();
        let numbers: Vec<_> = page.records.iter().map(|(_, record)| number(record)).collect();
        seen.push(numbers);
    }
    let expected: [&[u64]; 7] = [
        &[1, 4, 3, 2],
        &[1, 4, 3],
        &[1, 4, 3],
        &[4, 3],
        &[4, 3],
        &[4],
        &[4],
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn s6_the_end_of_a_record_can_be_changed_later() {
    let stage = Stage::new().await;
    let first = set_with(&stage, "alice", 1, ttl(10)).await;
    stage.advance(5);
    let moved = stage.store.set_expiry(&key("alice"), &ttl(10)).await.unwrap();
    assert!(moved.value && moved.version > Some(first));
    stage.advance(9);
    assert_eq!(stage.get("alice").await, Some(1), "it counts from the change on");
    let unlimited = WriteOptions::unlimited();
    assert!(
        stage
            .store
            .set_expiry(&key("alice"), &unlimited)
            .await
            .unwrap()
            .value
    );
    stage.advance(1_000_000);
    assert_eq!(stage.get("alice").await, Some(1));
    assert!(
        stage
            .store
            .set_expiry(&key("alice"), &ttl(5))
            .await
            .unwrap()
            .value
    );
    // The change is persisted.
    stage.store.evict(&key("alice")).await.unwrap();
    stage.advance(4);
    assert_eq!(stage.get("alice").await, Some(1));
    stage.advance(1);
    assert_eq!(stage.get("alice").await, None);
    let nobody = stage.store.set_expiry(&key("nobody"), &ttl(5)).await.unwrap();
    assert!(!nobody.value && nobody.version.is_none());
}

#[tokio::test]
async fn s6_what_remains_of_a_time_to_live_survives_eviction_and_restart() {
    for restarts in [false, true] {
        let mut stage = Stage::new().await;
        set_with(&stage, "alice", 1, ttl(100)).await;
        stage.advance(60);
        if restarts {
            stage = stage.restarted(Plan::default()).await;
        } else {
            assert!(stage.store.evict(&key("alice")).await.unwrap());
        }
        assert_eq!(stage.get("alice").await, Some(1));
        stage.advance(39);
        assert_eq!(stage.get("alice").await, Some(1));
        stage.advance(1);
        assert_eq!(stage.get("alice").await, None, "restarted: {restarts}");
    }
}

#[tokio::test]
async fn s6_reading_keeps_an_idle_record_and_asking_for_it_does_not() {
    let stage = Stage::new().await;
    set_with(&stage, "read", 1, idle(100)).await;
    set_with(&stage, "asked", 2, idle(100)).await;
    for _ in 0..10 {
        stage.advance(60);
        assert_eq!(stage.get("read").await, Some(1));
        let _ = stage.store.contains(&key("asked")).await.unwrap();
        let _ = stage.store.scan_page(ScanRequest::first(10)).await.unwrap();
        let _ = stage.store.scan_unordered(&ScanPlace::start(), 10).await.unwrap();
        let _ = stage.store.scan_resident(&Cursor::start(), 10);
    }
    assert_eq!(stage.get("asked").await, None);
    stage.advance(99);
    let mut calls = 0;
    assert_eq!(
        stage.store.read(&key("read"), &mut |_| calls += 1),
        TryGet::Hit(())
    );
    stage.advance(99);
    assert_eq!((stage.get("read").await, calls), (Some(1), 1));
    stage.advance(100);
    assert_eq!(stage.get("read").await, None);
}

#[tokio::test]
async fn s6_a_scan_has_a_record_that_being_loaded_for_a_reader_has_kept_alive() {
    let stage = Stage::new().await;
    set_with(&stage, "a", 1, idle(100)).await;
    stage.store.evict(&key("a")).await.unwrap();
    stage.advance(90);
    assert_eq!(stage.get("a").await, Some(1));
    stage.advance(60);
    // The data store, which has not heard of it, takes the record for ended since 30 ms.
    let page = stage.store.scan_page(ScanRequest::first(10)).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert_eq!(stage.store.count().await.unwrap(), 1);
    assert_eq!(stage.get("a").await, Some(1));
}

#[tokio::test]
async fn s6_what_a_reload_allows_an_idle_record_is_not_its_successors() {
    let stage = Stage::new().await;
    set_with(&stage, "a", 1, idle(100)).await;
    stage.store.evict(&key("a")).await.unwrap();
    // Reads that were not persisted may have kept it alive for another fifth of its period: it comes back as if read then.
    assert!(stage.store.contains(&key("a")).await.unwrap());
    set_with(&stage, "a", 2, idle(5)).await;
    stage.advance(5);
    assert_eq!(stage.get("a").await, None);
}

#[tokio::test]
async fn s6_an_idle_deadline_is_persisted_once_it_moved_by_a_tenth() {
    let rig = Rig::new().await;
    set_with(&rig, "alice", 1, idle(100)).await;
    let persisted = async || {
        let record = rig.below.load(&map(), &key("alice")).await.unwrap();
        record.unwrap().expiry().idle_deadline.unwrap()
    };
    let first = persisted().await;
    let _ = (rig.observer.take(), rig.recording.take());
    rig.advance(9);
    assert_eq!(rig.get("alice").await, Some(1));
    assert_eq!(rig.store.sweep().await.unwrap().persisted, 0);
    assert_eq!((persisted().await, rig.recording.count(Call::Apply)), (first, 0));
    rig.advance(1);
    assert_eq!(rig.get("alice").await, Some(1));
    assert_eq!(rig.store.sweep().await.unwrap().persisted, 1);
    assert_eq!(persisted().await, first.plus(10));
    assert_eq!(rig.store.sweep().await.unwrap().persisted, 0, "once is enough");
    assert_eq!(rig.recording.count(Call::Apply), 1);
    assert!(
        rig.observer.told().is_empty(),
        "nothing has changed for observers"
    );
}

#[tokio::test]
async fn s6_closing_persists_idle_deadlines() {
    let stage = Stage::new().await;
    set_with(&stage, "alice", 1, idle(100)).await;
    stage.advance(50);
    assert_eq!(stage.get("alice").await, Some(1));
    assert!(stage.store.close(Duration::from_secs(5)).await.is_complete());
    let stage = stage.restarted(Plan::default()).await;
    stage.advance(99);
    assert_eq!(stage.get("alice").await, Some(1));
}

#[tokio::test]
async fn s6_after_a_restart_an_idle_record_ends_late_and_never_early() {
    // Read at 9, too little to be persisted: it would have ended at 109.
    for (at, is_there) in [(108, true), (109, true), (119, true), (120, false)] {
        let stage = Stage::new().await;
        set_with(&stage, "alice", 1, idle(100)).await;
        stage.advance(9);
        assert_eq!(stage.get("alice").await, Some(1));
        let stage = stage.restarted(Plan::default()).await;
        stage.advance(at - 9);
        assert_eq!(
            stage.store.contains(&key("alice")).await.unwrap(),
            is_there,
            "at {at}"
        );
        assert_eq!(stage.get("alice").await.is_some(), is_there, "at {at}");
        if is_there {
            stage.advance(99);
            assert_eq!(stage.get("alice").await, Some(1), "that was a read");
        }
    }
}

#[tokio::test]
async fn s6_a_period_that_does_not_fit_the_calendar_is_refused_and_leaves_no_trace() {
    let stage = Stage::new().await;
    stage.set("alice", 1).await;
    let _ = stage.observer.take();
    let (alice, store) = (key("alice"), &stage.store);
    let too_long = [
        Duration::MAX,
        Duration::from_millis(u64::MAX),
        Duration::from_millis(1 << 48),
    ];
    for period in too_long.into_iter().chain([Duration::ZERO]) {
        for options in [
            WriteOptions::new().ttl(period),
            WriteOptions::new().max_idle(period),
        ] {
            let refused = RecordErrorKind::InvalidExpiry;
            assert_eq!(kind(store.set(&alice, 2.into(), &options).await), refused);
            assert_eq!(kind(store.put(&alice, 2.into(), &options).await), refused);
            assert_eq!(kind(store.set_expiry(&alice, &options).await), refused);
            assert_eq!(kind(store.try_set(&alice, 2.into(), &options)), refused);
            let all = store.put_all(vec![(alice.clone(), 2.into())], &options).await;
            assert_eq!(all.into_iter().map(kind).collect::<Vec<_>>(), [refused]);
            let put = Box::new(move |_: Option<&Arc<Record>>| Compute::PutWith(2.into(), options));
            assert_eq!(kind(store.compute(&alice, put).await), refused);
        }
    }
    assert_eq!(
        (stage.get("alice").await, stage.stored("alice").await),
        (Some(1), Some(1))
    );
    assert!(stage.observer.told().is_empty());
}

#[tokio::test]
async fn s6_random_periods_end_when_they_are_due_wherever_the_record_is() {
    let seed = layerstore_testkit::proof::seed();
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut stage = Stage::new().await;
    let (mut now, mut ends) = (0_u64, vec![0_u64; 10]);
    for step in 0..layerstore_testkit::proof::scaled(40_000) {
        let at = rng.usize(0..ends.len());
        let name = format!("key:{at}");
        match rng.u8(0..20) {
            0..5 => {
                let period = rng.u64(1..50);
                set_with(&stage, &name, step, ttl(period)).await;
                ends[at] = now + period;
            }
            5 => {
                let period = rng.u64(1..50);
                let moved = stage.store.set_expiry(&key(&name), &ttl(period)).await.unwrap();
                assert_eq!(moved.value, ends[at] > now, "step {step}");
                if moved.value {
                    ends[at] = now + period;
                }
            }
            6 => stage = stage.restarted(Plan::default()).await,
            7 => drop(stage.store.sweep().await.unwrap()),
            8 => drop(stage.store.evict(&key(&name)).await.unwrap()),
            9..14 => {
                let by = rng.u64(1..10);
                stage.advance(by);
                now += by;
            }
            14..19 => assert_eq!(stage.get(&name).await.is_some(), ends[at] > now, "step {step}"),
            _ => {
                let live = ends.iter().filter(|end| **end > now).count();
                assert_eq!(stage.store.count().await.unwrap(), live as u64, "step {step}");
            }
        }
    }
}
