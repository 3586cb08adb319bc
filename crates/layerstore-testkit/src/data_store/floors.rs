//! D2: removals leave tombstones, and two floors fence what they no longer do.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, ScanRequest, WriteResult};
use layerstore_record::{Expiry, Key, MapName, Version};

use super::fixture::Subject;
use super::steps::{
    answer, applied, assert_held, assert_rejected, assert_stale, ending, held, keys, load, map, put, removal,
    scanned, tombstone,
};
use crate::records::{key, version};

async fn clear(store: &Arc<dyn MapDataStore>, map: &MapName, number: u64) {
    store
        .clear(map, version(number))
        .await
        .expect("a claimed map can be cleared");
}

async fn purge(store: &Arc<dyn MapDataStore>, map: &MapName, number: u64) -> u64 {
    store
        .purge(map, version(number))
        .await
        .expect("a claimed map can be purged")
}

async fn floors(store: &Arc<dyn MapDataStore>, map: &MapName) -> (Version, Version) {
    let claim = store.claim(map).await.expect("a map can be claimed");
    (claim.cleared, claim.purged)
}

/// Checks that a removal is remembered, of a value and of nothing.
pub async fn d2_a_removal_leaves_a_tombstone(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 1), put(&map, &key(3), 1)]).await;
    applied(&store, vec![removal(&map, &key(1), 2), removal(&map, &key(2), 3)]).await;
    assert_eq!(
        load(&store, &map, &key(1)).await,
        Some(tombstone(2)),
        "D2: a removal leaves a tombstone"
    );
    assert_eq!(
        load(&store, &map, &key(2)).await,
        Some(tombstone(3)),
        "D2: so does the removal of nothing"
    );
    assert_eq!(
        keys(&store, &map).await,
        [key(3)],
        "D2: a removed record is not scanned"
    );
    let all = scanned(&store, &map, ScanRequest::first(10).with_tombstones()).await;
    let all: Vec<_> = all
        .into_iter()
        .map(|(key, record)| (key, record.is_tombstone()))
        .collect();
    assert_eq!(
        all,
        [(key(1), true), (key(2), true), (key(3), false)],
        "D2: a scan that asks for tombstones returns them"
    );
}

/// Checks what a clear drops and what it leaves, over more records than a batch has.
pub async fn d2_a_clear_drops_what_is_not_newer(subject: &Subject) {
    let (cleared, other) = (map("cleared"), map("other"));
    let store = subject.open_for(&[&cleared, &other]).await;
    let many: Vec<_> = (1..=2_500)
        .map(|number| put(&cleared, &key(number), number))
        .collect();
    applied(&store, many).await;
    applied(
        &store,
        vec![put(&other, &key(1), 1), removal(&cleared, &key(5), 2_600)],
    )
    .await;
    applied(&store, vec![removal(&cleared, &key(3_000), 2)]).await;
    clear(&store, &cleared, 2_400).await;
    let left: Vec<Key> = keys(&store, &cleared).await;
    assert_eq!(
        left.len(),
        100,
        "D2: a clear drops what is not newer, and nothing else"
    );
    assert_held(
        &store,
        &cleared,
        &key(2_400),
        None,
        "D2: a record of the very version is cleared",
    )
    .await;
    assert_held(
        &store,
        &cleared,
        &key(2_401),
        Some(2_401),
        "D2: a newer record stays",
    )
    .await;
    assert_eq!(
        load(&store, &cleared, &key(3_000)).await,
        None,
        "D2: a clear drops tombstones too"
    );
    assert_eq!(
        load(&store, &cleared, &key(5)).await,
        Some(tombstone(2_600)),
        "D2: a newer tombstone stays"
    );
    assert_held(
        &store,
        &other,
        &key(1),
        Some(1),
        "D2: a clear of one map leaves the others alone",
    )
    .await;
    // Everything gone: the floor alone keeps the map in the list.
    clear(&store, &cleared, 9_000).await;
    assert!(
        keys(&store, &cleared).await.is_empty(),
        "D2: a clear above every version leaves nothing"
    );
    let maps = store.list_maps().await.expect("maps are listed");
    assert_eq!(
        maps,
        [cleared, other],
        "D2: a map with a floor alone is still listed"
    );
}

/// Checks late writes against the cleared floor.
pub async fn d2_a_write_at_or_below_the_cleared_floor_is_stale(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 3), put(&map, &key(2), 8)]).await;
    clear(&store, &map, 5).await;
    for (number, late, current) in [(1, 3, 5), (1, 4, 5), (1, 5, 5), (9, 5, 5), (2, 5, 8)] {
        let answer = answer(&store, put(&map, &key(number), late)).await;
        let why =
            format!("D2: version {late} to key {number} is not above the cleared floor 5, so it is stale");
        assert_stale(&answer, current, &why);
    }
    let late = answer(&store, removal(&map, &key(1), 5)).await;
    assert_stale(&late, 5, "D2: a late removal is stale as well");
    assert_held(
        &store,
        &map,
        &key(1),
        None,
        "D2: a late write does not bring a cleared record back",
    )
    .await;
    let anew = answer(&store, put(&map, &key(1), 6).expecting(Expect::Absent)).await;
    assert!(
        anew.is_applied(),
        "D2: a cleared key is absent, and may be written anew: {anew:?}"
    );
}

/// Checks a clear among writers: each key is written once.
pub async fn d2_a_clear_racing_writes_leaves_only_what_is_newer(subject: &Subject) {
    const WRITES: u64 = 400;
    const FLOOR: u64 = 200;
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, map) = (Arc::clone(&store), map.clone());
            tokio::spawn(async move {
                for number in (1..=WRITES).filter(|number| number % 4 == writer) {
                    let answer = answer(&store, put(&map, &key(number), number)).await;
                    let is_late = matches!(answer, WriteResult::Stale { .. });
                    assert!(
                        answer.is_applied() || (is_late && number <= FLOOR),
                        "D2: above the floor a write is Applied, below it Applied or Stale: {number}: {answer:?}"
                    );
                }
            })
        })
        .collect();
    for _ in 0..3 {
        clear(&store, &map, FLOOR).await;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    // A write below the floor that came before the first clear was dropped by it, one that came after it was stale.
    let mut expected: Vec<Key> = (FLOOR + 1..=WRITES).map(key).collect();
    expected.sort();
    assert_eq!(
        keys(&store, &map).await,
        expected,
        "D2: after a clear nothing at or below its version is left"
    );
    let store = subject.reopen(store).await;
    assert_eq!(
        keys(&store, &map).await,
        expected,
        "D2: and nothing of it comes back"
    );
}

/// Checks that a purge drops tombstones and ended records up to the horizon, and counts them.
pub async fn d2_a_purge_drops_only_what_is_over(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let now = layerstore_record::Clock::now(&subject.clock());
    let soon = Expiry {
        deadline: Some(now.plus(1_000)),
        ..Expiry::NEVER
    };
    let later = Expiry {
        deadline: Some(now.plus(9_000)),
        ..Expiry::NEVER
    };
    applied(
        &store,
        vec![
            put(&map, &key(1), 1),
            removal(&map, &key(2), 2),
            ending(&map, &key(3), 3, soon),
            ending(&map, &key(4), 4, later),
            removal(&map, &key(5), 5),
            removal(&map, &key(6), 6),
            ending(&map, &key(7), 7, soon),
        ],
    )
    .await;
    subject.clock().advance(Duration::from_secs(1));
    assert_eq!(
        purge(&store, &map, 5).await,
        3,
        "D2: a purge up to 5 drops the tombstones 2 and 5 and the ended 3"
    );
    assert_held(
        &store,
        &map,
        &key(1),
        Some(1),
        "D2: a purge leaves values, however old",
    )
    .await;
    assert_eq!(
        held(&store, &map, &key(4)).await,
        Some(version(4)),
        "D2: a purge leaves what has not ended"
    );
    assert_eq!(
        load(&store, &map, &key(2)).await,
        None,
        "D2: a purged tombstone is gone"
    );
    assert_eq!(
        load(&store, &map, &key(5)).await,
        None,
        "D2: a tombstone of the very horizon is purged"
    );
    assert_eq!(
        load(&store, &map, &key(6)).await,
        Some(tombstone(6)),
        "D2: a tombstone above the horizon stays"
    );
    let late = answer(&store, put(&map, &key(7), 6)).await;
    assert_stale(
        &late,
        7,
        "D2: an ended record above the horizon stays, and fences",
    );
    assert_eq!(purge(&store, &map, 5).await, 0, "D2: a purge drops nothing twice");
}

/// Checks late writes against the purged floor.
pub async fn d2_a_late_write_at_or_below_the_purged_floor_is_refused(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(
        &store,
        vec![
            put(&map, &key(1), 2),
            put(&map, &key(2), 3),
            removal(&map, &key(2), 4),
        ],
    )
    .await;
    assert_eq!(purge(&store, &map, 6).await, 1, "D2: a purge drops the tombstone");
    for (number, late) in [(2, 3), (2, 4), (2, 6), (9, 1)] {
        let answer = answer(&store, put(&map, &key(number), late)).await;
        let why = format!("D2: version {late} to absent key {number} is not above the purged floor 6");
        assert_rejected(&answer, ErrorKind::BelowHorizon, &why);
        assert_held(
            &store,
            &map,
            &key(number),
            None,
            "D2: what was removed does not come back",
        )
        .await;
    }
    let removal = answer(&store, removal(&map, &key(2), 5)).await;
    assert_rejected(
        &removal,
        ErrorKind::BelowHorizon,
        "D2: a late removal is refused as well",
    );
    let same = answer(&store, put(&map, &key(1), 2)).await;
    assert!(
        same.is_applied(),
        "D2: what is there can be judged below the floor, a repeated write is Applied: {same:?}"
    );
    let newer = answer(&store, put(&map, &key(1), 5)).await;
    assert!(
        newer.is_applied(),
        "D2: what is there can be judged below the floor, a newer write is Applied: {newer:?}"
    );
    applied(&store, vec![put(&map, &key(2), 7)]).await;
    assert_held(
        &store,
        &map,
        &key(2),
        Some(7),
        "D2: above the floor a key may be written anew",
    )
    .await;
}

/// Checks that a lower clear or purge does not take a floor back.
pub async fn d2_floors_only_rise(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    clear(&store, &map, 5).await;
    clear(&store, &map, 3).await;
    assert_stale(
        &answer(&store, put(&map, &key(1), 4)).await,
        5,
        "D2: the cleared floor only rises",
    );
    purge(&store, &map, 9).await;
    purge(&store, &map, 7).await;
    let late = answer(&store, put(&map, &key(1), 8)).await;
    assert_rejected(&late, ErrorKind::BelowHorizon, "D2: the purged floor only rises");
    assert_eq!(
        floors(&store, &map).await,
        (version(5), version(9)),
        "D2: a claim tells both floors"
    );
}

/// Checks that both floors are durable, and are each map's own.
pub async fn d2_floors_outlive_a_restart(subject: &Subject) {
    let (map, other) = (map("map"), map("other"));
    let store = subject.open_for(&[&map, &other]).await;
    applied(&store, vec![put(&map, &key(1), 1), removal(&map, &key(2), 7)]).await;
    clear(&store, &map, 5).await;
    purge(&store, &map, 9).await;
    let store = subject.reopen_for(store, &[&other]).await;
    assert_eq!(
        floors(&store, &map).await,
        (version(5), version(9)),
        "D2: floors outlive a restart"
    );
    assert_stale(
        &answer(&store, put(&map, &key(1), 5)).await,
        5,
        "D2: the cleared floor outlives a restart",
    );
    let late = answer(&store, put(&map, &key(2), 8)).await;
    assert_rejected(
        &late,
        ErrorKind::BelowHorizon,
        "D2: the purged floor outlives a restart",
    );
    let elsewhere = answer(&store, put(&other, &key(1), 1)).await;
    assert!(
        elsewhere.is_applied(),
        "D2: the floors of one map are not another's: {elsewhere:?}"
    );
}
