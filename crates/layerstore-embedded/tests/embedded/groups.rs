//! Group commit: many callers, few syncs, each answered for itself.

use std::pin::pin;
use std::sync::Arc;

use futures::future::join_all;
use layerstore_data_store::{ErrorKind, Expect, MapDataStore, WriteResult};
use layerstore_kv::MemoryKv;
use layerstore_testkit::kv::DoubleKv;

use crate::support::{apply, apply_one, map, open, over, put, rejected_kind, version};

#[tokio::test]
async fn many_callers_share_one_sync() {
    // Fewer than what Tokio lets one task do before it yields.
    const CALLERS: u64 = 100;
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();

    let before = kv.synced_commits();
    let hold = kv.hold_commits();
    let mut calls = pin!(join_all(
        (0..CALLERS).map(|n| apply_one(&store, put(&map, n, n + 1)))
    ));
    // Polled once, every call is in the queue; the committer holds at most the first of them.
    assert!(futures::poll!(calls.as_mut()).is_pending());
    drop(hold);
    let answers = calls.await;
    assert!(answers.iter().all(WriteResult::is_applied));
    let syncs = kv.synced_commits() - before;
    assert!((1..=2).contains(&syncs), "{CALLERS} calls took {syncs} syncs");
    assert_eq!(
        store
            .load_all(&map, &[crate::support::key(0), crate::support::key(99)])
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_call_in_a_group_gets_its_own_answers_in_its_own_order() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, one, two) = (over(kv.clone()), map("one"), map("two"));
    store.claim(&one).await.unwrap();
    store.claim(&two).await.unwrap();
    apply(&store, vec![put(&one, 1, 50)]).await;

    let hold = kv.hold_commits();
    let mut first = pin!(store.apply(vec![put(&one, 1, 10), put(&two, 1, 20)]));
    let mut second = pin!(store.apply(vec![put(&two, 1, 30).expecting(Expect::Version(version(20)))]));
    let mut third = pin!(store.apply(vec![
        put(&two, 1, 25),
        put(&one, 2, 5),
        put(&map("not mine"), 1, 1)
    ]));
    assert!(futures::poll!(first.as_mut()).is_pending());
    assert!(futures::poll!(second.as_mut()).is_pending());
    assert!(futures::poll!(third.as_mut()).is_pending());
    drop(hold);
    let first = first.await;
    assert!(
        matches!(first[0], WriteResult::Stale { current } if current == version(50)),
        "{first:?}"
    );
    assert!(first[1].is_applied(), "{first:?}");
    assert!(
        second.await[0].is_applied(),
        "the condition sees the write before it"
    );
    let mut third = third.await;
    assert!(
        matches!(third[0], WriteResult::Stale { current } if current == version(30)),
        "{third:?}"
    );
    assert!(third[1].is_applied());
    assert_eq!(rejected_kind(third.remove(2)), ErrorKind::NotClaimed);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_all_of_its_writes_or_none() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    let hold = kv.hold_commits();
    {
        let mut gone = Box::pin(store.apply(vec![put(&map, 1, 1), put(&map, 2, 1)]));
        assert!(futures::poll!(gone.as_mut()).is_pending());
    }
    drop(hold);
    // Behind it in the same queue, so judged after it.
    apply(&store, vec![put(&map, 3, 1)]).await;
    let found = crate::support::scan(&store, &map).await.len();
    assert!(found == 1 || found == 3, "{found}");
}

#[test]
fn both_flavours_of_the_runtime_are_served() {
    let work = || async {
        let dir = tempfile::tempdir().unwrap();
        let (store, map) = (open(dir.path()).await, map("m"));
        store.claim(&map).await.unwrap();
        apply(&store, (0..100).map(|n| put(&map, n, 1)).collect()).await;
        assert_eq!(crate::support::scan(&store, &map).await.len(), 100);
        assert!(
            store
                .close(std::time::Duration::from_secs(10))
                .await
                .is_complete()
        );
    };
    let one = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    one.block_on(work());
    let many = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    many.block_on(work());
}
