//! Ends: what is queued is done, files are closed, later calls are refused, waiting has a deadline.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore};
use layerstore_kv::MemoryKv;
use layerstore_testkit::kv::DoubleKv;

use crate::support::{apply, apply_one, key, map, open, over, put, rejected_kind, scan};

#[tokio::test]
async fn closing_does_what_is_queued_and_refuses_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let (store, map) = (open(dir.path()).await, map("m"));
    store.claim(&map).await.unwrap();
    let (answers, report) = tokio::join!(
        store.apply((0..3_000).map(|n| put(&map, n, 1)).collect()),
        store.close(Duration::from_secs(30))
    );
    assert!(answers.iter().all(layerstore_data_store::WriteResult::is_applied));
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(
        rejected_kind(apply_one(&store, put(&map, 1, 2)).await),
        ErrorKind::Closed
    );
    assert_eq!(
        store.load(&map, &key(1)).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(store.claim(&map).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(
        store.close(Duration::ZERO).await.is_complete(),
        "closing twice is closing once"
    );
    // The files are closed, though the store is still in scope.
    let again = open(dir.path()).await;
    assert_eq!(scan(&again, &map).await.len(), 3_000);
}

#[tokio::test]
async fn a_stuck_disk_holds_closing_up_to_its_deadline() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    let hold = kv.hold_commits();
    let mut stuck = pin!(store.apply(vec![put(&map, 1, 1)]));
    assert!(futures::poll!(stuck.as_mut()).is_pending());
    let report = store.close(Duration::from_millis(50)).await;
    assert_eq!(
        report.error.expect("it cannot have ended").kind(),
        ErrorKind::Timeout
    );
    drop(hold);
    assert!(stuck.await[0].is_applied(), "who waited is answered all the same");
}

#[tokio::test]
async fn dropping_waits_for_the_committer_so_that_the_directory_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let map = map("m");
    for round in 0..5 {
        let store = open(dir.path()).await;
        store.claim(&map).await.unwrap();
        apply(&store, vec![put(&map, round, round + 1)]).await;
        drop(store);
    }
    assert_eq!(scan(&open(dir.path()).await, &map).await.len(), 5);
}

#[tokio::test]
async fn closing_waits_for_a_verification_under_way() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    apply(&store, vec![put(&map, 1, 1)]).await;
    let hold = kv.hold_snapshots();
    let mut verifying = pin!(store.verify());
    assert!(futures::poll!(verifying.as_mut()).is_pending());
    let report = store.close(Duration::from_millis(50)).await;
    assert_eq!(
        report.error.expect("it reads still").kind(),
        ErrorKind::Timeout,
        "the files are not closed"
    );
    drop(hold);
    let report = verifying.await.unwrap();
    assert!(
        report.is_sound() && report.maps[0].live == 1,
        "it reads to the end: {report:?}"
    );
}
