//! S5: readers who miss the same key share one load, bounded in number and by a deadline, and poisoned by a mutation.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, Write};
use layerstore_record::{Hlc, Key, NodeId, Record, RecordValue, Version};
use layerstore_record_store::{Compute, RecordErrorKind, RecordStore, TryGet, WriteOptions};
use layerstore_testkit::doubles::{Call, Fault, Side};

use crate::stage::{Rig, config, key, kind, map, number, start};

/// A rig whose data store holds these numbers, of which memory knows nothing.
async fn below(numbers: &[(&str, u64)]) -> Rig {
    holding(Rig::new().await, numbers).await
}

async fn holding(rig: Rig, numbers: &[(&str, u64)]) -> Rig {
    for (name, number) in numbers {
        rig.set(name, *number).await;
    }
    rig.store.clear_memory().await.unwrap();
    let _ = (rig.recording.take(), rig.observer.take());
    rig
}

/// A record of another process, of this number.
fn foreign(rig: &Rig, number: u64) -> Record {
    rig.advance(1);
    let version: Version = Hlc::new(NodeId(9), rig.clock.shared()).next_version();
    let value = RecordValue::Lww {
        value: Arc::new(number.into()),
        timestamp: version.timestamp(),
    };
    Record::builder(value, version).build()
}

/// How often the data store was asked for a key.
fn asked_for(rig: &Rig, name: &str) -> usize {
    let wanted = key(name);
    let calls = rig.recording.calls();
    let loads = calls
        .iter()
        .filter(|noted| matches!(noted.call, Call::Load | Call::LoadAll));
    loads
        .flat_map(|noted| &noted.targets)
        .filter(|target| target.key.as_ref() == Some(&wanted))
        .count()
}

#[tokio::test]
async fn s5_a_thousand_readers_of_a_missing_key_share_one_load() {
    for expected in [Some(7), None] {
        let rig = below(&[("bob", 7)]).await;
        let wanted = key(if expected.is_some() { "bob" } else { "nobody" });
        rig.slow.shut(Call::Load, Side::Before);
        let mut readers: Vec<_> = (0..1_000).map(|_| rig.store.get(&wanted)).collect();
        for reader in &mut readers {
            start(reader).await;
        }
        rig.slow.until_waiting(Call::Load, Side::Before, 1).await;
        rig.slow.open_all();
        for reader in readers {
            assert_eq!(reader.await.unwrap().map(|record| number(&record)), expected);
        }
        assert_eq!(asked_for(&rig, wanted.as_str()), 1);
        assert_eq!(rig.store.stats().loads, 1);
    }
}

#[tokio::test]
async fn s5_every_way_of_reading_joins_a_load_under_way() {
    let rig = below(&[("alice", 1), ("bob", 2)]).await;
    rig.slow.shut(Call::Load, Side::Before);
    let (alice, keys) = (key("alice"), [key("alice"), key("bob"), key("alice")]);
    let mut get = rig.store.get(&alice);
    start(&mut get).await;
    rig.slow.until_waiting(Call::Load, Side::Before, 1).await;
    let mut all = rig.store.get_all(&keys);
    start(&mut all).await;
    let mut contains = rig.store.contains(&alice);
    start(&mut contains).await;
    let mut load = rig.store.load(&alice);
    start(&mut load).await;
    rig.slow.open_all();
    let all = all.await.unwrap();
    let found: Vec<_> = all.iter().flatten().map(|record| number(record)).collect();
    assert_eq!(found, [1, 2, 1]);
    assert!(contains.await.unwrap() && get.await.unwrap().is_some() && load.await.unwrap().is_some());
    assert_eq!((asked_for(&rig, "alice"), asked_for(&rig, "bob")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn s5_a_load_has_a_deadline_its_turn_included_and_is_tried_again_afterwards() {
    let mut settings = config();
    settings.load_concurrency = 1;
    settings.load_deadline = Duration::from_millis(500);
    let rig = holding(Rig::configured(settings).await, &[("alice", 1), ("bob", 2)]).await;
    rig.slow.shut(Call::Load, Side::Before);
    let (alice, bob) = (key("alice"), key("bob"));
    let began = tokio::time::Instant::now();
    let (first, second) = futures::join!(rig.store.get(&alice), rig.store.get(&bob));
    assert_eq!(kind(first), RecordErrorKind::Deadline);
    assert_eq!(kind(second), RecordErrorKind::Deadline, "it waited for its turn");
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    assert_eq!(rig.store.stats().resident, 0);
    rig.slow.open_all();
    assert_eq!((rig.get("alice").await, rig.get("bob").await), (Some(1), Some(2)));
}

#[tokio::test]
async fn s5_loads_are_bounded_in_number_and_so_are_those_that_wait() {
    let mut settings = config();
    (settings.load_concurrency, settings.load_queue) = (2, 5);
    let rig = holding(Rig::configured(settings).await, &[("key:5", 5)]).await;
    rig.slow.shut(Call::Load, Side::Before);
    let keys: Vec<_> = (0..7).map(|at| key(&format!("key:{at}"))).collect();
    let mut readers: Vec<_> = keys[..5].iter().map(|key| rig.store.get(key)).collect();
    for reader in &mut readers {
        start(reader).await;
    }
    rig.slow.until_waiting(Call::Load, Side::Before, 2).await;
    // Everybody gets a turn to run: no third load comes.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.slow.waiting(Call::Load, Side::Before), 2);
    assert_eq!(kind(rig.store.get(&keys[5]).await), RecordErrorKind::Busy);
    assert_eq!(kind(rig.store.contains(&keys[6]).await), RecordErrorKind::Busy);
    assert_eq!(kind(rig.store.get_all(&keys).await), RecordErrorKind::Busy);
    let mut joins = rig.store.get(&keys[4]);
    start(&mut joins).await;
    rig.slow.open_all();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), None);
    }
    assert_eq!(joins.await.unwrap(), None);
    assert_eq!(rig.get("key:5").await, Some(5), "there is room again");
    assert_eq!(asked_for(&rig, "key:6"), 0);
}

#[tokio::test]
async fn s5_a_get_all_of_more_keys_than_may_wait_loads_them_in_slices() {
    let mut settings = config();
    settings.load_queue = 10;
    let rig = Rig::configured(settings).await;
    let names: Vec<_> = (0..95).map(|at| format!("key:{at:02}")).collect();
    for (name, held) in names.iter().zip(0..) {
        rig.set(name, held).await;
    }
    rig.store.clear_memory().await.unwrap();
    let _ = rig.recording.take();
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let found = rig.store.get_all(&keys).await.unwrap();
    let found: Vec<_> = found.iter().flatten().map(|record| number(record)).collect();
    assert_eq!(found, (0..95).collect::<Vec<_>>());
    assert_eq!(rig.recording.count(Call::LoadAll), 10, "one call a slice");
    assert!(names.iter().all(|name| asked_for(&rig, name) == 1));
}

#[tokio::test]
async fn s5_a_get_all_that_finds_no_room_in_the_queue_leaves_none_of_its_keys_behind() {
    let mut settings = config();
    settings.load_queue = 3;
    let rig = holding(Rig::configured(settings).await, &[("a", 1), ("b", 2), ("c", 3)]).await;
    rig.slow.shut(Call::Load, Side::Before);
    let others = [key("x"), key("y")];
    let mut readers: Vec<_> = others.iter().map(|key| rig.store.get(key)).collect();
    for reader in &mut readers {
        start(reader).await;
    }
    let keys = [key("a"), key("b"), key("c")];
    // One key fits, and waits with the others; then they take its place before the next two can.
    let mut all = rig.store.get_all(&keys);
    start(&mut all).await;
    rig.slow.until_waiting(Call::Load, Side::Before, 3).await;
    rig.slow.let_pass(Call::Load, Side::Before, 3);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), None);
    }
    let taken = [key("p"), key("q"), key("r")];
    let mut takers: Vec<_> = taken.iter().map(|key| rig.store.get(key)).collect();
    while rig.resident("a").is_none() {
        tokio::task::yield_now().await;
    }
    for taker in &mut takers {
        start(taker).await;
    }
    assert_eq!(kind(all.await), RecordErrorKind::Busy);
    rig.slow.open_all();
    for taker in takers {
        assert_eq!(taker.await.unwrap(), None);
    }
    for (name, expected) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(rig.get(name).await, Some(expected));
    }
}

#[tokio::test]
async fn s5_a_failed_load_is_shared_by_who_waits_and_not_remembered() {
    let rig = below(&[("alice", 1)]).await;
    rig.failing
        .fail_next(Call::Load, Fault::before(ErrorKind::Unavailable));
    rig.slow.shut(Call::Load, Side::Before);
    let alice = key("alice");
    let mut readers: Vec<_> = (0..10).map(|_| rig.store.get(&alice)).collect();
    for reader in &mut readers {
        start(reader).await;
    }
    rig.slow.until_waiting(Call::Load, Side::Before, 1).await;
    rig.slow.open_all();
    for reader in readers {
        assert_eq!(kind(reader.await), RecordErrorKind::Store);
    }
    assert_eq!(asked_for(&rig, "alice"), 1);
    assert_eq!(
        rig.store.try_get(&alice),
        TryGet::NeedsLoad,
        "a failure is no absence"
    );
    assert_eq!(rig.get("alice").await, Some(1));
    assert_eq!(
        (asked_for(&rig, "alice"), rig.store.stats().load_failures),
        (2, 1)
    );
}

/// What comes between a load's reading and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Set,
    Put,
    Compute,
    Remove,
    DeleteAll,
    PutBackup,
    Unknown,
}

const MUTATIONS: [Mutation; 7] = [
    Mutation::Set,
    Mutation::Put,
    Mutation::Compute,
    Mutation::Remove,
    Mutation::DeleteAll,
    Mutation::PutBackup,
    Mutation::Unknown,
];

impl Mutation {
    /// Does it; returns what is there afterwards.
    async fn make(self, rig: &Rig, alice: &Key) -> Option<u64> {
        let plain = WriteOptions::DEFAULT;
        match self {
            Self::Set => drop(rig.store.set(alice, 2.into(), &plain).await.unwrap()),
            Self::Put => drop(rig.store.put(alice, 2.into(), &plain).await.unwrap()),
            Self::Compute => {
                let put = Box::new(|_: Option<&Arc<Record>>| Compute::Put(2.into()));
                drop(rig.store.compute(alice, put).await.unwrap());
            }
            Self::PutBackup => {
                let backup = Arc::new(foreign(rig, 2));
                drop(rig.store.put_backup(alice, backup).await.unwrap());
            }
            Self::Unknown => {
                rig.failing
                    .fail_next(Call::Apply, Fault::after(ErrorKind::Timeout));
                let set = rig.store.set(alice, 2.into(), &plain).await;
                assert_eq!(kind(set), RecordErrorKind::OutcomeUnknown);
            }
            Self::Remove => {
                drop(rig.store.remove(alice).await.unwrap());
                return None;
            }
            Self::DeleteAll => {
                drop(rig.store.delete_all().await.unwrap());
                return None;
            }
        }
        Some(2)
    }
}

#[tokio::test]
async fn s5_a_load_that_a_mutation_overtakes_installs_nothing() {
    for mutation in MUTATIONS {
        for evicts in [false, true] {
            println!("{mutation:?}, evicted before the load ends: {evicts}");
            let rig = below(&[("alice", 1), ("bob", 1)]).await;
            // Two keys are loaded by a call of their own: the mutation's own load does not wait with it.
            let (alice, keys) = (key("alice"), [key("alice"), key("bob")]);
            rig.slow.shut(Call::LoadAll, Side::After);
            let mut reader = rig.store.get_all(&keys);
            start(&mut reader).await;
            rig.slow.until_waiting(Call::LoadAll, Side::After, 1).await;
            let expected = mutation.make(&rig, &alice).await;
            if evicts {
                rig.store.evict(&alice).await.unwrap();
            }
            rig.slow.open_all();
            let read = reader.await.unwrap();
            let read = read[0].as_ref().map(|record| number(record));
            assert!(
                read == Some(1) || read == expected,
                "who came before the mutation has what was there before it or after: {read:?}"
            );
            let resident = rig.resident("alice").map(|record| number(&record));
            assert!(
                resident.is_none() || resident == expected,
                "what the load read is not in memory: {resident:?}"
            );
            assert_eq!(rig.get("alice").await, expected);
            assert!(rig.store.stats().loads_poisoned >= 1);
        }
    }
}

#[tokio::test]
async fn s5_a_load_that_found_nothing_and_that_a_write_overtakes_does_not_make_the_key_absent() {
    for mutation in [
        Mutation::Set,
        Mutation::Put,
        Mutation::Compute,
        Mutation::PutBackup,
        Mutation::Unknown,
    ] {
        println!("{mutation:?}");
        let rig = below(&[]).await;
        let (alice, keys) = (key("alice"), [key("alice"), key("bob")]);
        rig.slow.shut(Call::LoadAll, Side::After);
        let mut reader = rig.store.get_all(&keys);
        start(&mut reader).await;
        rig.slow.until_waiting(Call::LoadAll, Side::After, 1).await;
        let expected = mutation.make(&rig, &alice).await;
        rig.store.evict(&alice).await.unwrap();
        rig.slow.open_all();
        let read = reader.await.unwrap()[0].as_ref().map(|record| number(record));
        assert!(read.is_none() || read == expected, "{read:?}");
        assert_ne!(rig.store.try_get(&alice), TryGet::Absent);
        assert_eq!(rig.get("alice").await, expected);
    }
}

#[tokio::test]
async fn s5_a_load_that_ends_while_a_writer_is_at_it_installs_nothing() {
    let rig = below(&[("alice", 1)]).await;
    let alice = key("alice");
    rig.slow.shut(Call::Load, Side::After);
    rig.slow.shut(Call::Apply, Side::After);
    let mut reader = rig.store.get(&alice);
    start(&mut reader).await;
    rig.slow.until_waiting(Call::Load, Side::After, 1).await;
    let mut writer = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
    start(&mut writer).await;
    rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
    rig.slow.open(Call::Load, Side::After);
    assert_eq!(reader.await.unwrap().map(|record| number(&record)), Some(1));
    assert!(rig.resident("alice").is_none());
    rig.slow.open_all();
    writer.await.unwrap();
    assert_eq!(rig.get("alice").await, Some(2));
}

#[tokio::test]
async fn s5_absent_keys_are_remembered_for_their_time() {
    let mut settings = config();
    settings.absent_ttl = Duration::from_millis(100);
    let rig = Rig::configured(settings).await;
    assert_eq!(rig.get("nobody").await, None);
    rig.advance(99);
    assert_eq!(rig.store.try_get(&key("nobody")), TryGet::Absent);
    assert_eq!(rig.get("nobody").await, None);
    assert_eq!(asked_for(&rig, "nobody"), 1);
    rig.advance(1);
    assert_eq!(rig.store.try_get(&key("nobody")), TryGet::NeedsLoad);
    assert_eq!(rig.get("nobody").await, None);
    assert_eq!(asked_for(&rig, "nobody"), 2);
}

#[tokio::test]
async fn s5_absent_keys_are_remembered_up_to_their_number_or_not_at_all() {
    let (some, none) = ((Duration::from_secs(1), 3), (Duration::from_secs(1), 0));
    for ((ttl, cap), expected) in [(some, 3), (none, 0), ((Duration::ZERO, 3), 0)] {
        let mut settings = config();
        (settings.absent_ttl, settings.absent_cap) = (ttl, cap);
        let rig = Rig::configured(settings).await;
        let names: Vec<_> = (0..50).map(|at| format!("nobody:{at}")).collect();
        for name in &names {
            assert_eq!(rig.get(name).await, None);
        }
        let known = names
            .iter()
            .filter(|name| rig.store.try_get(&key(name)) == TryGet::Absent);
        assert_eq!(known.count(), expected);
    }
}

#[tokio::test]
async fn s5_a_write_makes_forget_that_a_key_was_absent() {
    for mutation in [
        Mutation::Set,
        Mutation::Put,
        Mutation::Compute,
        Mutation::PutBackup,
        Mutation::Unknown,
    ] {
        println!("{mutation:?}");
        let rig = below(&[]).await;
        assert_eq!(rig.get("alice").await, None);
        assert_eq!(rig.store.try_get(&key("alice")), TryGet::Absent);
        let expected = mutation.make(&rig, &key("alice")).await;
        assert_eq!(rig.get("alice").await, expected);
        rig.store.evict(&key("alice")).await.unwrap();
        assert_eq!(rig.get("alice").await, expected);
    }
}

#[tokio::test]
async fn s5_clearing_memory_makes_forget_what_was_absent() {
    let rig = below(&[]).await;
    assert_eq!(rig.get("alice").await, None);
    let write = Write::new(map(), key("alice"), Arc::new(foreign(&rig, 3)));
    rig.below.apply(vec![write]).await;
    assert_eq!(rig.get("alice").await, None, "it is remembered as absent");
    rig.store.clear_memory().await.unwrap();
    assert_eq!(rig.get("alice").await, Some(3));
}

#[tokio::test]
async fn s5_a_reader_that_goes_away_leaves_the_others_their_load() {
    let rig = below(&[("alice", 1)]).await;
    rig.slow.shut(Call::Load, Side::Before);
    let alice = key("alice");
    let mut first = rig.store.get(&alice);
    start(&mut first).await;
    let mut second = rig.store.get(&alice);
    start(&mut second).await;
    rig.slow.until_waiting(Call::Load, Side::Before, 1).await;
    drop(first);
    rig.slow.open_all();
    assert_eq!(second.await.unwrap().map(|record| number(&record)), Some(1));
    assert_eq!(asked_for(&rig, "alice"), 1);
}

#[tokio::test]
async fn s5_a_load_that_nobody_waits_for_any_more_ends_by_itself() {
    let rig = below(&[("alice", 1)]).await;
    rig.slow.shut(Call::Load, Side::Before);
    let alice = key("alice");
    let mut readers: Vec<_> = (0..10).map(|_| rig.store.get(&alice)).collect();
    for reader in &mut readers {
        start(reader).await;
    }
    rig.slow.until_waiting(Call::Load, Side::Before, 1).await;
    drop(readers);
    rig.slow.open_all();
    // Whether it has ended by now or not, who comes needs no second load.
    assert_eq!(rig.get("alice").await, Some(1));
    assert_eq!(asked_for(&rig, "alice"), 1);
    assert_eq!(rig.observer.names(), ["load"]);
    let closed = rig.store.close(Duration::from_secs(5)).await;
    assert!(closed.is_complete(), "{closed:?}");
}
