//! A map that another has begun to take over.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, Outcome, WriteResult};
use layerstore_slatedb::{SlateDataStore, SlateKv, SlateOptions};
use layerstore_testkit::objects::ObjectMemory;

use crate::support::{apply, held, map, open, put};

/// Where the one database below a bucket is.
async fn database(bucket: &ObjectMemory) -> String {
    let objects = bucket
        .operator()
        .unwrap()
        .list_with("/")
        .recursive(true)
        .await
        .unwrap();
    let manifest = objects
        .iter()
        .find_map(|object| object.path().split_once("/manifest/"));
    manifest.unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_write_is_not_known_before_the_later_claim_is_durable() {
    let (bucket, map) = (ObjectMemory::new(), map("map"));
    let options = SlateOptions::default().deadline(Duration::from_secs(5));
    let earlier = SlateDataStore::over(bucket.operator().unwrap(), options)
        .await
        .unwrap();
    earlier.claim(&map).await.unwrap();
    assert!(apply(&earlier, put(&map, 1, 1)).await.is_applied());
    // Open, and not claimed: its owner may still find in the log what it has not read yet.
    let (operator, path) = (bucket.operator().unwrap(), database(&bucket).await);
    let opening = move || SlateKv::open(operator, &path, &SlateOptions::default());
    let later = tokio::task::spawn_blocking(opening).await.unwrap().unwrap();
    let WriteResult::Rejected(error) = apply(&earlier, put(&map, 1, 2)).await else {
        panic!("the database was taken over");
    };
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Fenced, Outcome::Unknown),
        "{error}"
    );
    tokio::task::spawn_blocking(move || drop(later)).await.unwrap();
    // A claim settles it.
    let later = open(&bucket).await;
    later.claim(&map).await.unwrap();
    assert!(held(&later, &map, 1).await.is_some());
}
