//! Clearing and purging: floors before rows, late writes against them, also after a restart.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, Write, WriteResult};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::{KvBackend, KvErrorKind, MemoryKv};
use layerstore_record::{Millis, Version};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::kv::{CommitFault, DoubleKv};

use crate::support::{
    apply, apply_one, expiring, key, map, open, over, put, rejected_kind, remove, scan, version,
};

#[tokio::test]
async fn late_writes_meet_the_floors_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (cleared, purged) = (map("cleared"), map("purged"));
    {
        let store = open(dir.path()).await;
        store.claim(&cleared).await.unwrap();
        store.claim(&purged).await.unwrap();
        apply(&store, (0..2_500).map(|n| put(&cleared, n, 10)).collect()).await;
        apply(&store, (0..100).map(|n| put(&purged, n, 10)).collect()).await;
        apply(&store, (0..50).map(|n| remove(&purged, n, 20)).collect()).await;
        store.clear(&cleared, version(30)).await.unwrap();
        assert_eq!(store.purge(&purged, version(30)).await.unwrap(), 50);
        assert!(store.close(Duration::from_secs(10)).await.is_complete());
    }
    let store = open(dir.path()).await;
    let claim = store.claim(&cleared).await.unwrap();
    assert_eq!((claim.cleared, claim.purged), (version(30), Version::ZERO));
    let claim = store.claim(&purged).await.unwrap();
    assert_eq!((claim.cleared, claim.purged), (Version::ZERO, version(30)));

    for late in [5, 10, 29, 30] {
        let answer = apply_one(&store, put(&cleared, 7, late)).await;
        assert!(
            matches!(answer, WriteResult::Stale { current } if current == version(30)),
            "{answer:?}"
        );
        assert_eq!(
            rejected_kind(apply_one(&store, put(&purged, 7, late)).await),
            ErrorKind::BelowHorizon
        );
    }
    // A key that still holds something judges by it.
    assert!(apply_one(&store, put(&purged, 77, 15)).await.is_applied());
    assert!(apply_one(&store, put(&cleared, 7, 31)).await.is_applied());
    assert!(apply_one(&store, put(&purged, 7, 31)).await.is_applied());
    assert_eq!(scan(&store, &cleared).await.len(), 1);
    assert_eq!(scan(&store, &purged).await.len(), 51);
}

#[tokio::test]
async fn a_clear_that_fails_after_its_floor_hides_everything_and_can_be_repeated() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    apply(&store, (0..10).map(|n| put(&map, n, 10)).collect()).await;
    apply(&store, vec![put(&map, 10, 20)]).await;

    kv.fail_next_commit(KvErrorKind::DiskFull, CommitFault::BeforeApply);
    let error = store.clear(&map, version(15)).await.unwrap_err();
    assert_eq!((error.kind(), error.map()), (ErrorKind::Full, Some(&map)));
    assert_eq!(scan(&store, &map).await.len(), 11, "no floor, nothing is hidden");

    // As if the process had died between the floor and the rows: only the floor's commit goes through.
    kv.fail_next_commit(KvErrorKind::DiskFull, CommitFault::AfterApply);
    assert!(store.clear(&map, version(15)).await.is_err());
    assert_eq!(kv.stats().unwrap().keyspaces, 2);
    let rows = |kv: &DoubleKv| {
        use layerstore_kv::{Direction, KeyRange, KvRead};
        kv.scan(b"rm", KeyRange::all(), Direction::Forward)
            .unwrap()
            .count()
    };
    assert_eq!(rows(&kv), 11, "the rows are still there");
    assert_eq!(
        scan(&store, &map).await.len(),
        1,
        "and nobody sees those below the floor"
    );
    assert_eq!(store.load(&map, &key(3)).await.unwrap(), None);
    store.claim(&map).await.unwrap();
    store.clear(&map, version(15)).await.unwrap();
    assert_eq!(rows(&kv), 1);
}

#[tokio::test]
async fn writes_go_on_while_a_map_is_cleared() {
    let kv: Arc<dyn KvBackend> = Arc::new(MemoryKv::new());
    let (store, map) = (over(kv), map("m"));
    store.claim(&map).await.unwrap();
    apply(&store, (0..20_000).map(|n| put(&map, n, 10)).collect()).await;
    let (cleared, applied) = tokio::join!(store.clear(&map, version(15)), async {
        let mut applied = 0;
        for n in 0..50 {
            applied += usize::from(apply_one(&store, put(&map, n * 400, 20)).await.is_applied());
        }
        applied
    });
    cleared.unwrap();
    assert_eq!(applied, 50);
    let left = scan(&store, &map).await;
    assert_eq!(left.len(), 50);
    assert!(left.iter().all(|(_, record)| record.version() == version(20)));
}

#[tokio::test]
async fn purging_drops_what_has_ended_and_no_value() {
    let clock = ManualClock::at(Millis(1_000));
    let options = EmbeddedOptions::default().clock(clock.shared());
    let store = KvDataStore::over(Arc::new(MemoryKv::new()), options).unwrap();
    let map = map("m");
    store.claim(&map).await.unwrap();
    let ending =
        |n: u64, at: u64, deadline| Write::new(map.clone(), key(n), Arc::new(expiring(n, at, deadline)));
    apply(
        &store,
        vec![put(&map, 1, 10), remove(&map, 2, 10), remove(&map, 3, 99)],
    )
    .await;
    apply(
        &store,
        vec![ending(4, 10, 1_500), ending(5, 10, 3_000), ending(6, 99, 1_500)],
    )
    .await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        store.load(&map, &key(4)).await.unwrap(),
        None,
        "expired, though nobody has swept it"
    );
    assert_eq!(
        store.purge(&map, version(50)).await.unwrap(),
        2,
        "the tombstone and the ended record up to 50"
    );
    let left: Vec<_> = scan(&store, &map).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, vec![key(1), key(3), key(5)]);
    let expired = apply_one(&store, put(&map, 6, 98)).await;
    assert!(
        matches!(expired, WriteResult::Stale { .. }),
        "an ended record still fences: {expired:?}"
    );
}
