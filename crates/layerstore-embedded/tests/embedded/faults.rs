//! A disk that fails: named errors, unknown outcomes said so, nothing acknowledged that is not there.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, Outcome, WriteResult};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::{KvErrorKind, MemoryKv};
use layerstore_testkit::kv::{CommitFault, DoubleKv};

use crate::support::{apply, apply_one, key, map, over, put, rejected, scan};

#[tokio::test]
async fn a_full_disk_is_named_with_map_key_and_outcome() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    apply(&store, vec![put(&map, 1, 1)]).await;
    let faults = [
        (CommitFault::BeforeApply, Outcome::NotApplied, 1),
        (CommitFault::Unknown, Outcome::Unknown, 1),
        (CommitFault::AfterApply, Outcome::Unknown, 2),
    ];
    for (fault, outcome, records) in faults {
        kv.fail_next_commit(KvErrorKind::DiskFull, fault);
        let error = rejected(apply_one(&store, put(&map, 2, 2)).await);
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Full, outcome),
            "{error}"
        );
        assert_eq!((error.map(), error.key()), (Some(&map), Some(&key(2))));
        assert!(error.is_retryable());
        assert_eq!(scan(&store, &map).await.len(), records);
    }
    // Trying again is safe: what had been applied is a repetition.
    apply(&store, vec![put(&map, 2, 2), put(&map, 3, 3)]).await;
    assert_eq!(scan(&store, &map).await.len(), 3);
}

#[tokio::test]
async fn a_failed_group_acknowledges_none_of_its_writes() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    kv.fail_next_commit(KvErrorKind::Io, CommitFault::BeforeApply);
    // The second rests on the first: stale only if the first was stored.
    let answers = store
        .apply(vec![put(&map, 1, 5), put(&map, 1, 4), put(&map, 1, 5)])
        .await;
    for answer in answers {
        assert_eq!(rejected(answer).kind(), ErrorKind::Unavailable);
    }
    assert!(scan(&store, &map).await.is_empty());
    assert!(apply_one(&store, put(&map, 1, 4)).await.is_applied());
}

#[tokio::test]
async fn a_poisoned_backend_says_reopen() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let (store, map) = (over(kv.clone()), map("m"));
    store.claim(&map).await.unwrap();
    kv.fail_next_commit(KvErrorKind::Poisoned, CommitFault::BeforeApply);
    let error = rejected(apply_one(&store, put(&map, 1, 1)).await);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Closed, false));
    assert!(error.to_string().contains("open the store again"), "{error}");
}

#[tokio::test]
async fn a_disk_that_does_not_answer_is_a_timeout_of_unknown_outcome() {
    let kv = DoubleKv::new(Arc::new(MemoryKv::new()));
    let options = EmbeddedOptions::default()
        .deadline(Duration::from_millis(50))
        .queue_len(1);
    let store = KvDataStore::over(kv.clone(), options).unwrap();
    let map = map("m");
    store.claim(&map).await.unwrap();
    let hold = kv.hold_commits();
    let error = rejected(apply_one(&store, put(&map, 1, 1)).await);
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown),
        "{error}"
    );
    // The committer is stuck with the first; one more waits in the queue, and the next finds no place in it.
    let second = rejected(apply_one(&store, put(&map, 2, 1)).await);
    assert_eq!(
        (second.kind(), second.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown)
    );
    let third = rejected(apply_one(&store, put(&map, 3, 1)).await);
    assert_eq!(
        (third.kind(), third.outcome()),
        (ErrorKind::Timeout, Outcome::NotApplied),
        "it was never queued"
    );
    // Reads go on.
    assert_eq!(store.load(&map, &key(1)).await.unwrap(), None);
    drop(hold);
    assert!(matches!(
        apply_one(&store, put(&map, 3, 1)).await,
        WriteResult::Applied
    ));
    assert_eq!(scan(&store, &map).await.len(), 3);
}
