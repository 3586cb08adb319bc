//! D9: what was acknowledged outlives the process.

use std::sync::Arc;

use layerstore_data_store::{Expect, ScanRequest};

use super::fixture::Subject;
use super::steps::{answer, applied, assert_held, load, map, put, removal, scanned, tombstone};
use crate::records::{key, record, version};

/// Checks values and removals of several maps.
pub async fn d9_reopening_finds_every_applied_write(subject: &Subject) {
    const RECORDS: u64 = 1_200;
    let maps = [map("one"), map("two"), map("three")];
    let store = subject.open_for(&[&maps[0], &maps[1], &maps[2]]).await;
    for map in &maps {
        applied(
            &store,
            (1..=RECORDS)
                .map(|number| put(map, &key(number), number))
                .collect(),
        )
        .await;
        applied(
            &store,
            (1..=RECORDS / 3)
                .map(|third| removal(map, &key(3 * third), RECORDS + third))
                .collect(),
        )
        .await;
    }
    let store = subject.reopen(store).await;
    assert_eq!(
        store.list_maps().await.expect("maps are listed").len(),
        3,
        "D9: reopening finds every map"
    );
    for map in &maps {
        let found = scanned(&store, map, ScanRequest::first(500).with_tombstones()).await;
        assert_eq!(
            found.len(),
            1_200,
            "D9: reopening finds every record and tombstone of {map:?}"
        );
        for number in 1..=RECORDS {
            let expected = match number % 3 {
                0 => Arc::new(tombstone(RECORDS + number / 3)),
                _ => record(number),
            };
            let at = found.binary_search_by(|(found, _)| found.cmp(&key(number)));
            let at = at.unwrap_or_else(|_| panic!("D9: reopening finds key {number} of {map:?}"));
            assert_eq!(
                found[at].1, *expected,
                "D9: reopening finds what was applied last"
            );
        }
    }
}

/// Checks that stale and conflicting writes leave nothing behind.
pub async fn d9_reopening_finds_nothing_that_was_refused(subject: &Subject) {
    let (map, unclaimed) = (map("map"), map("unclaimed"));
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 5)]).await;
    let refused = [
        put(&map, &key(1), 4),
        put(&map, &key(1), 6).expecting(Expect::Absent),
        put(&map, &key(2), 7).expecting(Expect::Version(version(1))),
        put(&unclaimed, &key(3), 8),
    ];
    for write in refused {
        let answer = answer(&store, write).await;
        assert!(!answer.is_applied(), "this write is refused: {answer:?}");
    }
    let store = subject.reopen(store).await;
    assert_held(
        &store,
        &map,
        &key(1),
        Some(5),
        "D9: what was refused is not found after a restart",
    )
    .await;
    assert_held(
        &store,
        &map,
        &key(2),
        None,
        "D9: what was refused is not found after a restart",
    )
    .await;
    assert_held(
        &store,
        &unclaimed,
        &key(3),
        None,
        "D9: what was refused is not found after a restart",
    )
    .await;
}

/// Checks that a restart brings nothing back.
pub async fn d9_what_was_removed_or_cleared_does_not_come_back(subject: &Subject) {
    let (map, cleared) = (map("map"), map("cleared"));
    let store = subject.open_for(&[&map, &cleared]).await;
    applied(
        &store,
        vec![
            put(&map, &key(1), 1),
            put(&map, &key(2), 2),
            put(&cleared, &key(1), 3),
        ],
    )
    .await;
    // A restart in between, so that what is removed lies in the older part of whatever the store keeps.
    let store = subject.reopen_for(store, &[&map, &cleared]).await;
    applied(&store, vec![removal(&map, &key(1), 4), removal(&map, &key(2), 5)]).await;
    store
        .clear(&cleared, version(9))
        .await
        .expect("a claimed map can be cleared");
    let dropped = store
        .purge(&map, version(4))
        .await
        .expect("a claimed map can be purged");
    assert_eq!(dropped, 1, "D2: a purge drops the tombstone at the horizon");
    let mut store = store;
    for _ in 0..2 {
        store = subject.reopen(store).await;
        assert_held(
            &store,
            &map,
            &key(1),
            None,
            "D9: what was purged does not come back",
        )
        .await;
        let removed = load(&store, &map, &key(2)).await;
        assert_eq!(
            removed,
            Some(tombstone(5)),
            "D9: what was removed does not come back"
        );
        assert_held(
            &store,
            &cleared,
            &key(1),
            None,
            "D9: what was cleared does not come back",
        )
        .await;
    }
}

/// Checks several runs that each add, replace and remove.
pub async fn d9_writes_go_on_after_every_restart(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    for run in 1..=5_u64 {
        let number = run * 10;
        applied(
            &store,
            vec![put(&map, &key(0), number), put(&map, &key(run), number + 1)],
        )
        .await;
        applied(&store, vec![removal(&map, &key(run - 1), number + 2)]).await;
        store = subject.reopen_for(store, &[&map]).await;
        assert_held(
            &store,
            &map,
            &key(run),
            Some(number + 1),
            "D9: the last run's writes are there",
        )
        .await;
        if run > 1 {
            let gone = load(&store, &map, &key(run - 1)).await;
            assert_eq!(
                gone,
                Some(tombstone(number + 2)),
                "D9: the last run's removals are there"
            );
            assert_held(
                &store,
                &map,
                &key(0),
                Some(number),
                "D9: the last run's replacements are there",
            )
            .await;
        }
    }
}
