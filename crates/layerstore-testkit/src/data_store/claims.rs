//! D8: a map is written by one store at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use layerstore_data_store::{ErrorKind, MapClaim, MapDataStore, WriteResult};
use layerstore_record::{MapName, Version};

use super::fixture::Subject;
use super::steps::{
    answer, applied, assert_held, assert_rejected, held, keys, load, map, put, refused, removal, tombstone,
};
use crate::records::{key, version};

async fn claim(store: &Arc<dyn MapDataStore>, map: &MapName) -> MapClaim {
    store.claim(map).await.expect("a map can be claimed")
}

/// Checks that reading needs no claim, and changing anything does, in every run of the process anew.
pub async fn d8_a_map_that_was_not_claimed_is_not_written(subject: &Subject) {
    let (claimed, other) = (map("claimed"), map("other"));
    let mut store = subject.open_for(&[&claimed, &other]).await;
    applied(
        &store,
        vec![
            put(&claimed, &key(1), 1),
            put(&other, &key(1), 2),
            removal(&other, &key(2), 3),
        ],
    )
    .await;
    store = subject.reopen_for(store, &[&claimed]).await;
    let why = "D8: a map that this store has not claimed is not changed";
    let kind = ErrorKind::NotClaimed;
    assert_rejected(&answer(&store, put(&other, &key(1), 9)).await, kind, why);
    assert_rejected(&answer(&store, removal(&other, &key(1), 9)).await, kind, why);
    refused(store.clear(&other, version(9)).await, kind, why);
    refused(store.purge(&other, version(9)).await, kind, why);
    assert_held(
        &store,
        &other,
        &key(1),
        Some(2),
        "D8: reading needs no claim, and what was refused left nothing",
    )
    .await;
    assert_eq!(load(&store, &other, &key(2)).await, Some(tombstone(3)), "{why}");
    let claim = claim(&store, &other).await;
    assert_eq!(
        (claim.cleared, claim.purged),
        Default::default(),
        "D8: what was refused left no floor"
    );
    applied(&store, vec![put(&claimed, &key(1), 9), put(&other, &key(1), 9)]).await;
}

/// Checks epochs within a run and across restarts.
pub async fn d8_each_claim_has_a_higher_epoch(subject: &Subject) {
    let (map, other) = (map("map"), map("other"));
    let mut store = subject.open().await;
    let mut last = 0;
    for round in 0..4 {
        for _ in 0..2 {
            let epoch = claim(&store, &map).await.epoch;
            assert!(
                epoch > last,
                "D8: each claim has a higher epoch: {epoch} came after {last} in round {round}"
            );
            last = epoch;
            claim(&store, &other).await;
        }
        applied(&store, vec![put(&map, &key(round), round + 1)]).await;
        store = subject.reopen(store).await;
    }
}

/// Checks that a later claim ends the earlier writer, in one map alone, until that claims again.
pub async fn d8_a_later_claim_fences_the_earlier(subject: &Subject) {
    let (map, other) = (map("map"), map("other"));
    let first = subject.open_for(&[&map, &other]).await;
    let Some(second) = subject.open_rival().await else {
        return;
    };
    applied(&first, vec![put(&map, &key(1), 1)]).await;
    let (mut holder, mut loser) = (&second, &first);
    for round in [10, 20, 30] {
        let taken = claim(holder, &map).await;
        assert!(
            taken.high_water >= version(1),
            "D8: a claim knows what the earlier writer wrote"
        );
        let why = "D8: a later claim fences the earlier writer, which is told";
        assert_rejected(
            &answer(loser, put(&map, &key(1), round + 5)).await,
            ErrorKind::Fenced,
            why,
        );
        assert_rejected(
            &answer(loser, removal(&map, &key(2), round + 5)).await,
            ErrorKind::Fenced,
            why,
        );
        refused(
            loser.clear(&map, version(round + 5)).await,
            ErrorKind::Fenced,
            why,
        );
        refused(
            loser.purge(&map, version(round + 5)).await,
            ErrorKind::Fenced,
            why,
        );
        applied(holder, vec![put(&map, &key(1), round)]).await;
        assert_held(
            loser,
            &map,
            &key(1),
            Some(round),
            "D8: a fenced writer still reads",
        )
        .await;
        assert_held(
            holder,
            &map,
            &key(2),
            None,
            "D8: what a fenced writer tried leaves nothing",
        )
        .await;
        applied(&first, vec![put(&other, &key(1), round)]).await;
        (holder, loser) = (loser, holder);
    }
}

/// Checks takeovers in the midst of writes: after the claim nothing of the earlier writer's arrives.
pub async fn d8_a_fenced_writer_amid_writes_changes_nothing_more(subject: &Subject) {
    const TAKEOVERS: u64 = 25;
    let map = map("map");
    let first = subject.open_for(&[&map]).await;
    let Some(second) = subject.open_rival().await else {
        return;
    };
    let mut last = 0;
    for _ in 0..TAKEOVERS {
        claim(&first, &map).await;
        last = take_over(&first, &second, &map, last).await;
    }
}

/// Lets the first store write on after version `last` until the second takes the map; returns the last version applied.
async fn take_over(
    first: &Arc<dyn MapDataStore>,
    second: &Arc<dyn MapDataStore>,
    map: &MapName,
    last: u64,
) -> u64 {
    let made = Arc::new(AtomicU64::new(last));
    let writer = tokio::spawn({
        let (first, map, made) = (Arc::clone(first), map.clone(), Arc::clone(&made));
        async move {
            for number in last + 1.. {
                match answer(&first, put(&map, &key(number % KEYS), number)).await {
                    WriteResult::Applied => made.store(number, Ordering::Release),
                    refused => return (number, refused),
                }
                tokio::task::yield_now().await;
            }
            unreachable!("the writer goes on until it is refused")
        }
    });
    while made.load(Ordering::Acquire) < last + KEYS && !writer.is_finished() {
        tokio::task::yield_now().await;
    }
    let taken = claim(second, map).await;
    let before = versions(second, map).await;
    let (number, answer) = writer.await.expect("the writer ends");
    assert_rejected(
        &answer,
        ErrorKind::Fenced,
        "D8: a fenced writer is told, never ignored",
    );
    let last = made.load(Ordering::Acquire);
    assert_eq!(number, last + 1, "D8: the first refusal ended the writer");
    assert!(
        taken.high_water >= version(last),
        "D8: the high-water mark covers what was applied before the claim: {} is below {}",
        taken.high_water,
        version(last)
    );
    let after = versions(second, map).await;
    assert_eq!(
        after, before,
        "D8: once a claim has returned, nothing of the earlier writer's arrives"
    );
    last
}

/// How many keys the writer that is taken over from goes round.
const KEYS: u64 = 16;

async fn versions(store: &Arc<dyn MapDataStore>, map: &MapName) -> Vec<Option<Version>> {
    let mut versions = Vec::new();
    for number in 0..KEYS {
        versions.push(held(store, map, &key(number)).await);
    }
    versions
}

/// Checks the mark after writes of all kinds, after floors, and after restarts.
pub async fn d8_the_high_water_mark_covers_every_version_and_floor(subject: &Subject) {
    let (map, other) = (map("map"), map("other"));
    let mut store = subject.open_for(&[&other]).await;
    let mut highest = 0;
    applied(&store, vec![put(&other, &key(1), 1_000)]).await;
    for step in 0..6 {
        let mark = claim(&store, &map).await.high_water;
        let why = "D8: the high-water mark is at or above every version that was applied, and both floors";
        let least = if step == 0 {
            Version::ZERO
        } else {
            version(highest)
        };
        assert!(mark >= least, "{why}: {mark} is below {least} at step {step}");
        highest += 10;
        match step {
            0 => {
                applied(
                    &store,
                    vec![put(&map, &key(1), highest), put(&map, &key(2), highest - 5)],
                )
                .await;
            }
            1 => applied(&store, vec![removal(&map, &key(1), highest)]).await,
            // What held the highest version goes; the mark stays.
            2 => {
                applied(&store, vec![removal(&map, &key(3), highest)]).await;
                store
                    .purge(&map, version(highest))
                    .await
                    .expect("a claimed map can be purged");
            }
            3 => store
                .clear(&map, version(highest))
                .await
                .expect("a claimed map can be cleared"),
            4 => drop(
                store
                    .purge(&map, version(highest))
                    .await
                    .expect("a claimed map can be purged"),
            ),
            _ => {}
        }
        store = subject.reopen(store).await;
    }
    assert!(keys(&store, &map).await.is_empty());
}
