//! S2: the data store first. A rejected write leaves no trace, an unknown outcome is named, a stale one is tried again.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, MapDataStore, Write};
use layerstore_observer::OwnedEvent;
use layerstore_record::{Key, Millis, NodeId, Record, RecordKind, RecordValue, Timestamp, Version};
use layerstore_record_store::{Compute, RecordErrorKind, RecordStore, WriteOptions};
use layerstore_testkit::doubles::{Call, Fault, Side};

use crate::stage::{Plan, Rig, Stage, config, key, kind, map, number, start};

/// Puts a record into the data store behind the record store's back, as a writer with this clock would.
async fn write_below(below: &dyn MapDataStore, key: &Key, at: Millis, value: u64) -> Version {
    let version = Version::new(Timestamp::new(at, 0, NodeId(9)));
    let record = Record::builder(RecordValue::lww(value, version.timestamp()), version).build();
    let results = below
        .apply(vec![Write::new(map(), key.clone(), Arc::new(record))])
        .await;
    assert!(
        results.iter().all(layerstore_data_store::WriteResult::is_applied),
        "{results:?}"
    );
    version
}

#[tokio::test]
async fn s2_a_rejected_write_leaves_no_trace() {
    let rig = Rig::configured(config().max_count(10)).await;
    let version = rig.set("alice", 1).await;
    assert_eq!(rig.get("alice").await, Some(1));
    let (told, before) = (rig.observer.take().len(), rig.store.stats());
    assert_eq!(told, 1);
    for fault in [ErrorKind::Rejected, ErrorKind::Full, ErrorKind::Unavailable] {
        rig.failing.fail_next(Call::Apply, Fault::before(fault));
        let refused = rig
            .store
            .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), RecordErrorKind::Store);
        assert_eq!(refused.store_error().unwrap().kind(), fault);
        rig.failing.fail_next(Call::Apply, Fault::before(fault));
        assert_eq!(
            kind(rig.store.remove(&key("alice")).await),
            RecordErrorKind::Store
        );
    }
    rig.failing
        .fail_next(Call::Apply, Fault::before(ErrorKind::Rejected));
    assert_eq!(
        kind(rig.store.set(&key("bob"), 2.into(), &WriteOptions::DEFAULT).await),
        RecordErrorKind::Store
    );
    let record = rig.resident("alice").unwrap();
    assert_eq!(
        (number(&record), record.version(), record.access().hits()),
        (1, version, 1)
    );
    assert!(rig.resident("bob").is_none());
    assert!(
        rig.observer.told().is_empty(),
        "nobody is told of what did not happen"
    );
    let after = rig.store.stats();
    assert_eq!(
        (after.hits, after.writes, after.resident),
        (before.hits, before.writes, before.resident)
    );
    assert_eq!((after.cost, after.rejected), (before.cost, 7));
    assert_eq!((rig.stored("alice").await, rig.get("bob").await), (Some(1), None));
}

#[tokio::test]
async fn s2_a_rejected_first_write_does_not_decide_the_maps_kind() {
    let rig = Rig::new().await;
    let at = Timestamp::new(Millis(1), 0, NodeId(9));
    let entries = layerstore_record::OrEntries::new(vec![(at, 1_u64.into())]);
    let or_map = RecordValue::or_map(entries, layerstore_record::Tags::default());
    assert_eq!(or_map.kind(), RecordKind::OrMap);
    rig.failing
        .fail_next(Call::Apply, Fault::before(ErrorKind::Rejected));
    let first = rig
        .store
        .set(&key("a"), or_map.clone().into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(first), RecordErrorKind::Store);
    rig.set("b", 1).await;
    let mixed = rig
        .store
        .set(&key("a"), or_map.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(mixed), RecordErrorKind::KindMismatch);
}

#[tokio::test]
async fn s2_memory_and_observers_change_only_after_the_data_store() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    let _ = rig.observer.take();
    rig.slow.shut(Call::Apply, Side::After);
    let alice = key("alice");
    let mut writing = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
    start(&mut writing).await;
    rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
    assert_eq!(
        (rig.stored("alice").await, rig.get("alice").await),
        (Some(2), Some(1))
    );
    assert!(rig.observer.told().is_empty());
    rig.slow.open_all();
    writing.await.unwrap();
    assert_eq!(
        (rig.get("alice").await, rig.observer.names()),
        (Some(2), vec!["update"])
    );
}

#[tokio::test]
async fn s2_an_unknown_outcome_drops_the_memory_copy_and_the_next_read_loads() {
    // What the data store did, and what is there afterwards.
    for (fault, there) in [
        (Fault::after(ErrorKind::Timeout), 2),
        (Fault::lost(ErrorKind::Timeout), 1),
    ] {
        let rig = Rig::new().await;
        rig.set("alice", 1).await;
        let _ = rig.observer.take();
        rig.failing.fail_next(Call::Apply, fault);
        let unknown = rig
            .store
            .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
            .await;
        let unknown = unknown.unwrap_err();
        assert_eq!(unknown.kind(), RecordErrorKind::OutcomeUnknown);
        assert!(!unknown.is_retryable(), "a caller reads before it writes again");
        assert!(rig.resident("alice").is_none(), "the memory copy is dropped");
        assert!(
            rig.observer.told().is_empty(),
            "nobody is told before the next read"
        );
        assert_eq!(rig.get("alice").await, Some(there));
        assert_eq!(rig.observer.names(), ["load"]);
        assert_eq!(rig.store.stats().unknown, 1);
    }
}

#[tokio::test]
async fn s2_an_unknown_removal_is_not_remembered_as_an_absence() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    rig.failing
        .fail_next(Call::Apply, Fault::lost(ErrorKind::Timeout));
    assert_eq!(
        kind(rig.store.remove(&key("alice")).await),
        RecordErrorKind::OutcomeUnknown
    );
    assert_eq!(rig.get("alice").await, Some(1));
}

#[tokio::test]
async fn s2_a_write_that_lands_late_never_replaces_a_newer_one() {
    let rig = Rig::new().await;
    rig.failing
        .fail_next(Call::Apply, Fault::late(ErrorKind::Timeout));
    let unknown = rig
        .store
        .set(&key("alice"), 1.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(unknown), RecordErrorKind::OutcomeUnknown);
    rig.set("alice", 2).await;
    let landed = rig.failing.land().await;
    assert!(
        matches!(landed[..], [layerstore_data_store::WriteResult::Stale { .. }]),
        "{landed:?}"
    );
    assert!(rig.store.evict(&key("alice")).await.unwrap());
    assert_eq!(
        (rig.get("alice").await, rig.stored("alice").await),
        (Some(2), Some(2))
    );
}

#[tokio::test]
async fn s2_a_decision_on_what_a_late_write_has_overtaken_is_taken_anew() {
    let rig = Rig::new().await;
    let first = rig.set("alice", 1).await;
    rig.failing
        .fail_next(Call::Apply, Fault::late(ErrorKind::Timeout));
    let unknown = rig
        .store
        .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(unknown), RecordErrorKind::OutcomeUnknown);
    // The read brings the older value back into memory; then the late write lands below it.
    assert_eq!(rig.get("alice").await, Some(1));
    assert!(rig.failing.land().await[0].is_applied());
    let replaced = rig
        .store
        .replace(&key("alice"), first, 3.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(
        kind(replaced),
        RecordErrorKind::Conflict,
        "the late write has taken effect"
    );
    let alice = key("alice");
    let counted = rig.store.compute(
        &alice,
        Box::new(|held| Compute::Put((held.map_or(0, |held| number(held)) + 10).into())),
    );
    assert_eq!(number(&counted.await.unwrap().value.unwrap()), 12);
    assert_eq!(
        (rig.get("alice").await, rig.stored("alice").await),
        (Some(12), Some(12))
    );
}

#[tokio::test]
async fn s2_a_stale_write_takes_note_of_the_version_and_is_made_again() {
    let rig = Rig::new().await;
    let ahead = rig.clock.clone();
    let later = layerstore_record::Clock::now(&ahead).plus(60 * 60 * 1_000);
    // An hour ahead of our clock, as of a machine whose clock was wrong.
    let newer = write_below(&*rig.below, &key("alice"), later, 7).await;
    let acknowledged = rig.set("alice", 1).await;
    assert!(acknowledged > newer, "it is acknowledged only when applied");
    assert_eq!(
        (rig.get("alice").await, rig.stored("alice").await),
        (Some(1), Some(1))
    );
    assert_eq!(rig.store.stats().stale_retries, 1);
    assert_eq!(rig.recording.versions(&map(), &key("alice")).len(), 2);
    // From now on the clock stands above: the next write passes at once.
    rig.set("alice", 2).await;
    assert_eq!(rig.store.stats().stale_retries, 1);
}

#[tokio::test]
async fn s2_a_stale_decision_is_taken_anew_with_what_the_data_store_holds() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    let later = layerstore_record::Clock::now(&rig.clock).plus(60 * 60 * 1_000);
    write_below(&*rig.below, &key("alice"), later, 7).await;
    let put = rig
        .store
        .put(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
        .await
        .unwrap();
    assert_eq!(
        put.value.map(|record| number(&record)),
        Some(7),
        "what it replaced, not what memory had"
    );
    assert_eq!(rig.stored("alice").await, Some(2));
}

#[tokio::test]
async fn s2_the_clock_resumes_above_what_the_map_holds_though_the_wall_clock_was_set_back() {
    let stage = Stage::new().await;
    let before = stage.set("alice", 1).await;
    stage.set("bob", 1).await;
    let now = layerstore_record::Clock::now(&stage.clock);
    stage.clock.set(Millis(now.0 - 60 * 60 * 1_000));
    let again = stage
        .restarted(Plan {
            node: 2,
            ..Plan::default()
        })
        .await;
    let after = again.set("alice", 2).await;
    assert!(after > before);
    assert_eq!(
        again.store.stats().stale_retries,
        0,
        "no write stalls on what is there"
    );
    assert_eq!(
        (again.get("alice").await, again.get("bob").await),
        (Some(2), Some(1))
    );
    assert_eq!(again.stored("alice").await, Some(2));
}

#[tokio::test]
async fn s2_a_writer_that_was_fenced_out_is_told_and_reads_what_the_other_wrote() {
    let stage = Stage::new().await;
    stage.set("alice", 1).await;
    let other = stage
        .restarted(Plan {
            node: 2,
            ..Plan::default()
        })
        .await;
    let fenced = stage
        .store
        .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(fenced), RecordErrorKind::Fenced);
    assert_eq!(
        kind(stage.store.remove(&key("alice")).await),
        RecordErrorKind::Fenced
    );
    assert_eq!(kind(stage.store.delete_all().await), RecordErrorKind::Fenced);
    other.set("alice", 3).await;
    assert_eq!(
        stage.get("alice").await,
        Some(3),
        "memory is not the truth any more"
    );
    other.set("alice", 4).await;
    assert_eq!(
        (stage.get("alice").await, other.get("alice").await),
        (Some(4), Some(4))
    );
}

#[tokio::test]
async fn s2_one_failed_record_of_a_batch_is_that_records_alone() {
    let rig = Rig::new().await;
    rig.failing
        .fail_key(&key("b"), Fault::before(ErrorKind::Rejected));
    rig.failing.fail_key(&key("d"), Fault::after(ErrorKind::Timeout));
    let batch = ["a", "b", "c", "d"].map(|name| (key(name), 1.into())).to_vec();
    let results = rig.store.put_all(batch, &WriteOptions::DEFAULT).await;
    let kinds: Vec<_> = results
        .into_iter()
        .map(|result| result.err().map(|error| error.kind()))
        .collect();
    let (store, unknown) = (RecordErrorKind::Store, RecordErrorKind::OutcomeUnknown);
    assert_eq!(kinds, [None, Some(store), None, Some(unknown)]);
    let told = rig.observer.told();
    assert!(told.iter().all(
        |one| matches!(&one.event, OwnedEvent::Update { key, .. } if ["a", "c"].contains(&key.as_str()))
    ));
    assert_eq!(told.len(), 2);
    rig.failing.heal();
    assert_eq!((rig.get("b").await, rig.get("d").await), (None, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn s2_a_data_store_that_never_answers_is_an_unknown_outcome() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    rig.slow.shut(Call::Apply, Side::After);
    let unknown = rig
        .store
        .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(unknown), RecordErrorKind::OutcomeUnknown);
    rig.slow.open_all();
    assert_eq!(rig.get("alice").await, Some(2));
}
