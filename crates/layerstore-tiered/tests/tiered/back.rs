//! T-back: whatever lies in cold, and whoever comes late, nothing old is read again.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    ErrorKind, Expect, MapDataStore, MapDataStoreExt, StoreError, Write, WriteResult,
};
use layerstore_record::{Clock, Expiry, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Fault, Side};
use layerstore_testkit::records::{key, record, version};
use layerstore_tiered::{Promotion, TieredDataStore, TieredOptions};

use crate::support::{Pair, everything, tombstone};

#[tokio::test]
async fn t_back_what_was_overwritten_removed_or_cleared_stays_so_while_its_copy_lies_in_cold() {
    let pair = Pair::new().await;
    pair.archived([1, 2, 3, 4]).await;
    pair.put(1, 11).await;
    pair.remove(2, 12).await;
    let copies = pair.cold.keys(&pair.map).await;
    assert_eq!(
        copies,
        [key(1), key(2), key(3), key(4)],
        "cold is not touched by writes"
    );
    pair.assert_held(1, Some(11)).await;
    pair.assert_held(2, None).await;
    pair.assert_held(3, Some(3)).await;
    // What a write finds is what was archived, though its value lies elsewhere.
    let write = |number, at| Write::new(pair.map.clone(), key(number), record(at));
    let stale = pair.store.apply_one(write(3, 2)).await;
    assert!(
        matches!(stale, WriteResult::Stale { current } if current == version(3)),
        "{stale:?}"
    );
    assert!(
        pair.store.apply_one(write(3, 3)).await.is_applied(),
        "a repeated write"
    );
    let there = pair.store.apply_one(write(3, 13).expecting(Expect::Absent)).await;
    assert!(
        matches!(there, WriteResult::Conflict { current } if current == Some(version(3))),
        "{there:?}"
    );
    pair.applied(write(3, 13).expecting(Expect::Version(version(3))))
        .await;
    pair.assert_held(3, Some(13)).await;
    pair.store.clear(&pair.map, version(13)).await.unwrap();
    for number in 1..=4 {
        pair.assert_held(number, None).await;
    }
}

#[tokio::test]
async fn t_back_a_record_that_was_read_while_it_was_overwritten_is_not_brought_back() {
    let pair = Pair::with(Promotion::OnRead).await;
    pair.archived([1]).await;
    pair.cold.slow.shut(Call::Load, Side::After);
    pair.cold.slow.shut(Call::LoadAll, Side::After);
    let reading = tokio::spawn({
        let (store, map) = (Arc::clone(&pair.store), pair.map.clone());
        async move { store.load(&map, &key(1)).await }
    });
    pair.cold.slow.until_waiting(Call::Load, Side::After, 1).await;
    pair.put(1, 9).await;
    pair.cold.slow.open_all();
    // The read began before the write: it may answer with either, and changes nothing.
    reading.await.unwrap().unwrap();
    pair.assert_held(1, Some(9)).await;
    assert_eq!(pair.hot.row(&pair.map, &key(1)).await.unwrap(), *record(9));
}

#[tokio::test]
async fn t_back_a_stub_that_lands_late_does_not_replace_what_was_written_since() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    pair.put(2, 2).await;
    pair.hot
        .failing
        .fail_next(Call::Restate, Fault::late(ErrorKind::Timeout));
    assert_eq!(pair.archive_batch().await.unwrap().failed, 2);
    pair.put(1, 5).await;
    pair.remove(2, 6).await;
    let landed = pair.hot.failing.land().await;
    assert!(
        landed
            .iter()
            .all(|answer| matches!(answer, WriteResult::Stale { .. })),
        "{landed:?}"
    );
    pair.assert_held(1, Some(5)).await;
    pair.assert_held(2, None).await;
}

#[tokio::test]
async fn t_back_an_older_copy_does_not_replace_a_newer_one() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    // The other archiver's clock is ahead: its version in cold would win, were it not for what it expects there.
    let ahead = ManualClock::at(pair.clock.now().plus(1_000_000));
    let options = TieredOptions::default().clock(ahead.shared());
    let other = TieredDataStore::new(pair.hot.memory.clone(), pair.cold.slow.clone(), options).unwrap();
    let other = Arc::new(other);
    other.claim(&pair.map).await.unwrap();
    pair.cold.slow.shut(Call::Apply, Side::Before);
    let archiving = tokio::spawn({
        let (other, map) = (Arc::clone(&other), pair.map.clone());
        async move { other.archive(&map, &everything()).await }
    });
    pair.cold.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    // It has read version 1. Version 2 is written and archived before it goes on, by whoever shares the claims.
    let write = Write::new(pair.map.clone(), key(1), record(2));
    assert!(pair.hot.memory.apply(vec![write]).await[0].is_applied());
    let options = TieredOptions::default().clock(pair.clock.shared());
    let direct = TieredDataStore::new(pair.hot.memory.clone(), pair.cold.memory.clone(), options).unwrap();
    direct.claim(&pair.map).await.unwrap();
    assert_eq!(
        direct.archive(&pair.map, &everything()).await.unwrap().archived,
        1
    );
    pair.cold.slow.open_all();
    let report = archiving.await.unwrap().unwrap();
    assert_eq!((report.archived, report.overtaken), (0, 1), "{report:?}");
    pair.assert_held(1, Some(2)).await;
}

#[tokio::test]
async fn t_back_two_archivers_at_once_lose_nothing_and_bring_nothing_back() {
    let pair = Pair::new().await;
    let options = TieredOptions::default().clock(pair.clock.shared());
    let second = TieredDataStore::new(pair.hot.recording.clone(), pair.cold.recording.clone(), options);
    let second = Arc::new(second.unwrap());
    second.claim(&pair.map).await.unwrap();
    let rng = fastrand::Rng::with_seed(layerstore_testkit::proof::seed());
    pair.hot.slow.dawdle(rng.clone(), 4);
    pair.cold.slow.dawdle(rng, 3);
    let archivers = [Arc::clone(&pair.store), second].map(|store| {
        let map = pair.map.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                let report = store.archive(&map, &everything()).await.unwrap();
                // The other's floor in cold may have overtaken this one's copy, which then stays in hot.
                let is_behind = |error: &StoreError| error.kind() == ErrorKind::BelowHorizon;
                assert!(report.error.as_ref().is_none_or(is_behind), "{report:?}");
                let swept = store.sweep(&map, 2).await;
                assert!(swept.as_ref().err().is_none_or(is_behind), "{swept:?}");
            }
        })
    });
    for round in 1..=100 {
        for number in 1..=5 {
            pair.put(number, round * 10 + number).await;
        }
        pair.assert_held(round % 5 + 1, Some(round * 10 + round % 5 + 1))
            .await;
        pair.remove(3, round * 10 + 9).await;
        pair.assert_held(3, None).await;
    }
    for archiver in archivers {
        archiver.await.unwrap();
    }
    for number in [1, 2, 4, 5] {
        pair.assert_held(number, Some(1_000 + number)).await;
    }
    pair.assert_held(3, None).await;
}

#[tokio::test]
async fn t_back_what_has_ended_in_cold_is_over() {
    let pair = Pair::new().await;
    let expiry = Expiry {
        deadline: Some(pair.clock.now().plus(1_000)),
        ..Expiry::NEVER
    };
    let value = RecordValue::lww(1_u64, version(1).timestamp());
    let ending = Arc::new(Record::builder(value, version(1)).expiry(expiry).build());
    pair.applied(Write::new(pair.map.clone(), key(1), Arc::clone(&ending)))
        .await;
    pair.archive().await;
    pair.clock.advance(Duration::from_millis(999));
    assert_eq!(pair.load(1).await.unwrap().as_ref(), Some(&*ending));
    pair.clock.advance(Duration::from_millis(1));
    pair.assert_held(1, None).await;
    // A sweep leaves the copy as long as hot holds its stub: an operator may set the clock back.
    assert_eq!(pair.sweep().await, 0);
    pair.clock.set(ManualClock::START);
    assert_eq!(pair.load(1).await.unwrap().as_ref(), Some(&*ending));
    pair.clock.advance(Duration::from_secs(1));
    assert_eq!(pair.store.purge(&pair.map, version(1)).await.unwrap(), 1);
    assert_eq!(pair.sweep().await, 1);
    assert_eq!(pair.load(1).await.unwrap(), None);
}

#[tokio::test]
async fn t_back_a_cold_store_from_before_is_not_believed() {
    let pair = Pair::new().await;
    pair.archived([1]).await;
    let before = pair.cold.row(&pair.map, &key(1)).await.unwrap();
    pair.put(1, 2).await;
    pair.archive().await;
    pair.assert_held(1, Some(2)).await;
    // An older state of the bucket is restored.
    let at = Timestamp::new(pair.clock.now().plus(1_000), 0, NodeId(1));
    let restored = Record::builder(before.value().clone(), Version::new(at)).build();
    let write = Write::new(pair.map.clone(), key(1), Arc::new(restored));
    assert!(pair.cold.memory.apply(vec![write]).await[0].is_applied());
    for error in [
        pair.load(1).await.unwrap_err(),
        pair.scan().await.unwrap_err(),
        pair.store.load_all(&pair.map, &[key(1)]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[tokio::test]
async fn t_back_an_earlier_writer_archives_and_clears_nothing_more() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    let later = pair.another(&pair.clock);
    later.claim(&pair.map).await.unwrap();
    let report = pair.archive_batch().await.unwrap();
    assert_eq!((report.archived, report.failed), (0, 1), "{report:?}");
    assert_eq!(report.error.unwrap().kind(), ErrorKind::Fenced);
    // It does not take cold from the later writer either.
    assert_eq!(pair.archive_batch().await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(later.archive(&pair.map, &everything()).await.unwrap().archived, 1);
    let cleared = pair.store.clear(&pair.map, version(9)).await;
    assert_eq!(cleared.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(pair.store.sweep(&pair.map, 9).await.is_err());
    let found = later.load(&pair.map, &key(1)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&*record(1)));
    assert_eq!(
        pair.load(1).await.unwrap().as_ref(),
        Some(&*record(1)),
        "a fenced writer still reads"
    );
    assert!(
        later
            .apply(vec![Write::new(pair.map.clone(), key(1), Arc::new(tombstone(7)))])
            .await[0]
            .is_applied()
    );
    pair.assert_held(1, None).await;
}
