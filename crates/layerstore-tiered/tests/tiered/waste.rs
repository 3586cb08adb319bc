//! T-waste: what goes from cold is what nobody can come to need, and a tombstone goes after it.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt, Write};
use layerstore_record::{NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_testkit::doubles::{Call, Fault, Side};
use layerstore_testkit::records::{key, record, version};

use crate::support::{Pair, unavailable};

#[tokio::test]
async fn t_waste_a_tombstone_goes_only_after_cold_has_confirmed() {
    let pair = Pair::new().await;
    pair.archived([1, 2, 3, 4]).await;
    pair.remove(1, 11).await;
    pair.remove(4, 14).await;
    for fault in [
        Fault::before(ErrorKind::Unavailable),
        Fault::late(ErrorKind::Unavailable),
    ] {
        pair.cold.failing.fail_next(Call::Apply, fault);
        unavailable(pair.store.purge(&pair.map, version(12)).await);
        assert!(
            pair.hot
                .row(&pair.map, &key(1))
                .await
                .is_some_and(|row| row.is_tombstone())
        );
    }
    assert_eq!(pair.store.purge(&pair.map, version(12)).await.unwrap(), 1);
    assert_eq!(pair.hot.row(&pair.map, &key(1)).await, None);
    let left = [key(2), key(3), key(4)];
    assert_eq!(
        pair.cold.keys(&pair.map).await,
        left,
        "above the horizon nothing is touched"
    );
    pair.cold.failing.land().await;
    assert_eq!(pair.cold.keys(&pair.map).await, left);
}

#[tokio::test]
async fn t_waste_a_copy_that_comes_while_its_tombstone_is_purged_keeps_the_tombstone() {
    let pair = Pair::new().await;
    pair.archived([1]).await;
    pair.remove(1, 11).await;
    let purging = tokio::spawn({
        pair.cold.slow.shut(Call::Apply, Side::Before);
        let (store, map) = (Arc::clone(&pair.store), pair.map.clone());
        async move { store.purge(&map, version(12)).await }
    });
    pair.cold.slow.until_waiting(Call::Apply, Side::Before, 1).await;
    // Another copy lands where the purge has looked.
    let held = pair.cold.row(&pair.map, &key(1)).await.unwrap();
    let newer = Version::new(Timestamp::new(held.version().millis().plus(1), 0, NodeId(1)));
    let newer = Record::builder(held.value().clone(), newer).build();
    let write = Write::new(pair.map.clone(), key(1), Arc::new(newer));
    assert!(pair.cold.memory.apply(vec![write]).await[0].is_applied());
    pair.cold.slow.open_all();
    unavailable(purging.await.unwrap());
    assert!(
        pair.load(1)
            .await
            .unwrap()
            .is_some_and(|record| record.is_tombstone())
    );
    pair.clock.advance(Duration::from_secs(1));
    assert_eq!(pair.store.purge(&pair.map, version(12)).await.unwrap(), 1);
    assert!(pair.cold.keys(&pair.map).await.is_empty());
}

#[tokio::test]
async fn t_waste_a_sweep_removes_what_was_superseded_and_nothing_else() {
    let pair = Pair::new().await;
    pair.archived(1..=6).await;
    pair.put(1, 11).await;
    pair.remove(2, 12).await;
    pair.store.promote(&pair.map, &[key(3)]).await.unwrap();
    assert_eq!(pair.sweep().await, 2);
    assert_eq!(pair.cold.keys(&pair.map).await, [key(3), key(4), key(5), key(6)]);
    // Archived again, a record that came back costs cold nothing.
    let _ = pair.cold.recording.take();
    pair.clock.advance(Duration::from_secs(1));
    pair.archive().await;
    let written = pair.cold.recording.take();
    let copied: usize = written
        .iter()
        .filter(|noted| noted.call == Call::Apply)
        .map(|noted| noted.targets.len())
        .sum();
    assert_eq!(copied, 1, "only what was written since is copied");
    for (number, at) in [(1, 11), (3, 3), (4, 4), (5, 5), (6, 6)] {
        pair.assert_held(number, Some(at)).await;
    }
    assert_eq!(pair.sweep().await, 0);
}

#[tokio::test]
async fn t_waste_a_copy_stays_as_long_as_its_stub_may_still_land() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    pair.put(2, 2).await;
    pair.hot
        .failing
        .fail_next(Call::Restate, Fault::late(ErrorKind::Timeout));
    assert_eq!(pair.archive_batch().await.unwrap().archived, 0);
    assert_eq!(
        pair.sweep().await,
        0,
        "what hot holds whole may be about to become a stub"
    );
    pair.hot.failing.land().await;
    pair.assert_held(1, Some(1)).await;
    pair.assert_held(2, Some(2)).await;
}

#[tokio::test]
async fn t_waste_a_clear_leaves_nothing_in_cold_that_was_cleared() {
    for (up_to, left) in [(9, 0), (2, 1)] {
        let pair = Pair::new().await;
        pair.archived([1, 2, 3]).await;
        pair.store.clear(&pair.map, version(up_to)).await.unwrap();
        assert_eq!(
            pair.cold.keys(&pair.map).await.len(),
            left,
            "cleared up to {up_to}"
        );
        pair.assert_held(1, None).await;
        pair.assert_held(3, (left > 0).then_some(3)).await;
        // What comes after a clear is archived like anything else.
        pair.put(1, 20).await;
        pair.archive().await;
        pair.assert_held(1, Some(20)).await;
        pair.assert_held(3, (left > 0).then_some(3)).await;
    }
}

#[tokio::test]
async fn t_waste_what_was_archived_after_a_long_time_is_not_below_a_floor_of_cold() {
    let pair = Pair::new().await;
    pair.archived([1]).await;
    pair.put(2, 2).await;
    pair.remove(1, 50).await;
    assert_eq!(pair.sweep().await, 1);
    assert_eq!(pair.store.purge(&pair.map, version(60)).await.unwrap(), 1);
    // Version 2 lies below every floor that a purge of the same versions would have left in cold.
    pair.archive().await;
    assert_eq!(pair.cold.keys(&pair.map).await, [key(2)]);
    pair.assert_held(2, Some(2)).await;
}

#[tokio::test]
async fn t_waste_a_row_of_cold_that_is_no_copy_is_left_alone_and_never_believed() {
    let pair = Pair::new().await;
    pair.archived([1]).await;
    let stranger = Write::new(pair.map.clone(), key(2), record(9));
    assert!(pair.cold.memory.apply(vec![stranger]).await[0].is_applied());
    let report = pair.store.sweep(&pair.map, 10).await.unwrap();
    assert_eq!(
        (report.looked_at, report.removed, report.unreadable),
        (2, 0, 1),
        "{report:?}"
    );
    pair.assert_held(2, None).await;
    pair.put(2, 3).await;
    pair.archive().await;
    pair.assert_held(2, Some(3)).await;
}

#[tokio::test]
async fn t_waste_that_a_sweep_removes_meanwhile_does_not_fail_a_purge() {
    // The sweep's removal is newer than the purge's, or older, or purged itself by now.
    for (later_by, is_purged) in [(1_000, false), (0, false), (1_000, true)] {
        let pair = Pair::new().await;
        pair.archived([1]).await;
        pair.remove(1, 2).await;
        pair.cold.slow.shut(Call::Apply, Side::Before);
        let copied = pair.cold.row(&pair.map, &key(1)).await.unwrap().version();
        let (store, map) = (Arc::clone(&pair.store), pair.map.clone());
        // Time passes between the copy and the purge, and the sweep falls in between.
        pair.clock.advance(Duration::from_millis(10));
        let purge = tokio::spawn(async move { store.purge(&map, version(2)).await });
        pair.cold.slow.until_waiting(Call::Apply, Side::Before, 1).await;
        let millis = copied.millis().plus(1 + later_by);
        let swept = Version::new(Timestamp::new(millis, 0, NodeId(7)));
        let value = RecordValue::Tombstone {
            timestamp: Timestamp::ZERO,
        };
        let removal = Arc::new(Record::builder(value, swept).build());
        let removal = Write::new(pair.map.clone(), key(1), removal);
        assert!(pair.cold.memory.apply_one(removal).await.is_applied());
        if is_purged {
            assert_eq!(pair.cold.memory.purge(&pair.map, swept).await.unwrap(), 1);
        }
        pair.cold.slow.open(Call::Apply, Side::Before);
        assert_eq!(purge.await.unwrap().unwrap(), 1, "{later_by} {is_purged}");
        assert!(pair.hot.row(&pair.map, &key(1)).await.is_none());
    }
}
