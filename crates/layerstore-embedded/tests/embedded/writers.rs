//! One writer a map: epochs, fencing, the directory's lock.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, MapDataStore, WriteResult};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::{KvBackend, MemoryKv};
use layerstore_testkit::proof;

use crate::support::{apply, apply_one, key, map, open, over, put, rejected_kind, scan, version};

#[tokio::test]
async fn a_fenced_out_writer_is_told_whatever_it_tries() {
    let kv: Arc<dyn KvBackend> = Arc::new(MemoryKv::new());
    let (old, new, map) = (over(kv.clone()), over(kv), map("m"));
    let first = old.claim(&map).await.unwrap();
    apply(&old, vec![put(&map, 1, 10)]).await;
    let second = new.claim(&map).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert!(second.high_water >= version(10));

    assert_eq!(
        rejected_kind(apply_one(&old, put(&map, 1, 20)).await),
        ErrorKind::Fenced
    );
    assert_eq!(
        rejected_kind(apply_one(&old, put(&map, 1, 5)).await),
        ErrorKind::Fenced,
        "not that it is stale"
    );
    assert_eq!(
        old.clear(&map, version(99)).await.unwrap_err().kind(),
        ErrorKind::Fenced
    );
    assert_eq!(
        old.purge(&map, version(99)).await.unwrap_err().kind(),
        ErrorKind::Fenced
    );
    assert_eq!(
        new.load(&map, &key(1)).await.unwrap().unwrap().version(),
        version(10)
    );
    apply(&new, vec![put(&map, 1, 11)]).await;
    // Reading is for everybody.
    assert_eq!(
        old.load(&map, &key(1)).await.unwrap().unwrap().version(),
        version(11)
    );
    // Who claims again has it again.
    assert!(old.claim(&map).await.unwrap().epoch > second.epoch);
    apply(&old, vec![put(&map, 1, 12)]).await;
    assert_eq!(
        rejected_kind(apply_one(&new, put(&map, 1, 13)).await),
        ErrorKind::Fenced
    );
}

#[tokio::test]
async fn losing_one_map_leaves_the_others_in_the_group() {
    let kv: Arc<dyn KvBackend> = Arc::new(MemoryKv::new());
    let (old, new) = (over(kv.clone()), over(kv));
    let (lost, kept) = (map("lost"), map("kept"));
    old.claim(&lost).await.unwrap();
    old.claim(&kept).await.unwrap();
    new.claim(&lost).await.unwrap();
    let mut answers = old
        .apply(vec![put(&kept, 1, 1), put(&lost, 1, 1), put(&kept, 2, 1)])
        .await;
    assert!(answers[0].is_applied() && answers[2].is_applied(), "{answers:?}");
    assert_eq!(rejected_kind(answers.remove(1)), ErrorKind::Fenced);
    assert_eq!(scan(&old, &kept).await.len(), 2);
    assert!(scan(&new, &lost).await.is_empty());
}

/// Two stores take one map from each other and write to the same keys: whatever was acknowledged is never undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_racing_writers_no_acknowledged_write_is_reverted() {
    let kv: Arc<dyn KvBackend> = Arc::new(MemoryKv::new());
    let map = map("m");
    let rounds = proof::scaled(20_000);
    let race = |store: KvDataStore, odd: u64| {
        let map = map.clone();
        tokio::spawn(async move {
            let mut newest = vec![0; 16];
            for round in 0..rounds {
                let at = round * 2 + odd + 1;
                let number = round % 16;
                match apply_one(&store, put(&map, number, at)).await {
                    WriteResult::Applied => newest[number as usize] = at,
                    WriteResult::Stale { current } => assert!(current > version(at)),
                    WriteResult::Rejected(error) => {
                        assert!(
                            matches!(error.kind(), ErrorKind::Fenced | ErrorKind::NotClaimed),
                            "{error}"
                        );
                        store.claim(&map).await.unwrap();
                    }
                    other @ WriteResult::Conflict { .. } => panic!("{other:?}"),
                }
            }
            newest
        })
    };
    let (one, two) = (race(over(kv.clone()), 0), race(over(kv.clone()), 1));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let store = over(kv);
    for number in 0..16 {
        let newest = one[number as usize].max(two[number as usize]);
        assert_eq!(
            store.load(&map, &key(number)).await.unwrap().unwrap().version(),
            version(newest)
        );
    }
    let high_water = store.claim(&map).await.unwrap().high_water;
    assert!(one.iter().chain(&two).all(|at| version(*at) <= high_water));
}

#[tokio::test]
async fn the_second_opener_of_a_directory_is_told_path_and_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).await;
    let refused = KvDataStore::open(dir.path(), EmbeddedOptions::default())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.kind(), ErrorKind::AlreadyOpen);
    let shown = refused.to_string();
    assert!(shown.contains(&dir.path().display().to_string()), "{shown}");
    assert!(shown.contains(&std::process::id().to_string()), "{shown}");
    drop(first);
    assert!(
        KvDataStore::open(dir.path(), EmbeddedOptions::default())
            .await
            .is_ok()
    );
}

/// A reader that never claims sees maps, and cannot write.
#[tokio::test]
async fn an_unclaimed_map_is_read_and_not_written() {
    let kv: Arc<dyn KvBackend> = Arc::new(MemoryKv::new());
    let (writer, reader, map) = (over(kv.clone()), over(kv), map("m"));
    assert!(scan(&reader, &map).await.is_empty());
    assert_eq!(reader.load(&map, &key(1)).await.unwrap(), None);
    writer.claim(&map).await.unwrap();
    apply(&writer, vec![put(&map, 1, 1)]).await;
    assert_eq!(scan(&reader, &map).await.len(), 1);
    assert_eq!(
        rejected_kind(apply_one(&reader, put(&map, 1, 2)).await),
        ErrorKind::NotClaimed
    );
    assert_eq!(
        reader.clear(&map, version(9)).await.unwrap_err().kind(),
        ErrorKind::NotClaimed
    );
}
