//! What opening finds out about a service.

use futures::TryStreamExt;
use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt, ScanRequest, WriteResult};
use layerstore_opendal::OpendalDataStore;
use layerstore_opendal::opendal::{Operator, services};
use layerstore_testkit::objects::{FaultRates, ObjectFaults, ObjectMemory, Quirk};

use crate::support::{apply, held, map, open, options, put, removal, scan};

#[tokio::test]
async fn conditions_that_are_kept_are_found() {
    let bucket = ObjectMemory::new();
    let store = open(&bucket, &ObjectFaults::seeded(1), options()).await;
    let report = store.report();
    assert!(report.conditional_writes && report.conditional_deletes && report.lists_from);
    assert!(store.limits().compare_and_set);
    assert_eq!(bucket.paths(), ["format"], "the probe leaves nothing behind");
}

#[tokio::test]
async fn conditions_that_are_ignored_are_found_and_the_service_refused() {
    let bucket = ObjectMemory::new().with(Quirk::IgnoresConditions);
    let operator = bucket.operator().unwrap();
    let error = OpendalDataStore::over(operator.clone(), options())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("single_writer"), "{error}");
    let store = OpendalDataStore::over(operator, options().single_writer(true))
        .await
        .unwrap();
    assert!(!store.report().conditional_writes && !store.limits().compare_and_set);
    let map = map("map");
    store.claim(&map).await.unwrap();
    assert!(apply(&store, put(&map, 1, 1)).await.is_applied());
}

#[tokio::test]
async fn a_second_writer_is_noticed_where_it_cannot_be_kept_out() {
    let bucket = ObjectMemory::new().with(Quirk::IgnoresConditions);
    let (operator, map) = (bucket.operator().unwrap(), map("map"));
    let first = OpendalDataStore::over(operator.clone(), options().single_writer(true))
        .await
        .unwrap();
    first.claim(&map).await.unwrap();
    let second = OpendalDataStore::over(operator, options().single_writer(true))
        .await
        .unwrap();
    second.claim(&map).await.unwrap();
    let answer = apply(&first, put(&map, 1, 1)).await;
    assert!(format!("{answer:?}").contains("Fenced"), "{answer:?}");
}

#[tokio::test]
async fn deletions_without_conditions_leave_voids_that_nobody_sees() {
    let bucket = ObjectMemory::new().with(Quirk::IgnoresDeleteConditions);
    let store = open(&bucket, &ObjectFaults::seeded(1), options()).await;
    assert!(store.report().conditional_writes && !store.report().conditional_deletes);
    let map = map("map");
    store.claim(&map).await.unwrap();
    assert!(apply(&store, put(&map, 1, 1)).await.is_applied());
    assert!(apply(&store, removal(&map, 2, 2)).await.is_applied());
    assert_eq!(
        store
            .purge(&map, layerstore_testkit::records::version(3))
            .await
            .unwrap(),
        1
    );
    assert_eq!(held(&store, &map, 2).await, None);
    assert_eq!(scan(&store, &map).await.len(), 1);
    let objects = bucket.paths().iter().filter(|path| path.contains("/r/")).count();
    assert_eq!(objects, 2, "the place is kept by a void");
    assert!(apply(&store, put(&map, 2, 9)).await.is_applied());
    assert_eq!(scan(&store, &map).await.len(), 2);
}

#[tokio::test]
async fn a_listing_that_begins_too_early_is_put_right() {
    let bucket = ObjectMemory::new().with(Quirk::IgnoresStartAfter);
    let store = open(&bucket, &ObjectFaults::seeded(1), options()).await;
    let map = map("map");
    store.claim(&map).await.unwrap();
    let writes = (0..250).map(|number| put(&map, number, number + 1)).collect();
    assert!(store.apply(writes).await.iter().all(WriteResult::is_applied));
    let pages = store
        .scan(&map, ScanRequest::first(20))
        .try_collect::<Vec<_>>()
        .await;
    assert_eq!(pages.unwrap().len(), 250);
}

#[tokio::test]
async fn a_service_that_fails_is_told_by_the_step_that_failed() {
    let faults = ObjectFaults::seeded(1);
    faults.set(FaultRates {
        unavailable: 1_000,
        ..FaultRates::NONE
    });
    let operator = ObjectMemory::new().operator().unwrap().layer(faults.layer());
    let error = OpendalDataStore::over(operator, options().attempts(2))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("writing"), "{error}");
}

#[tokio::test]
async fn a_place_that_is_open_is_told_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_string_lossy().into_owned();
    let settings = || [("root".to_owned(), root.clone())];
    let store = OpendalDataStore::open("fs", settings(), options()).await.unwrap();
    let error = OpendalDataStore::open("fs", settings(), options())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
    let pid = std::process::id().to_string();
    assert!(
        error.to_string().contains(&pid) && error.to_string().contains(&root),
        "{error}"
    );
    drop(store);
    OpendalDataStore::open("fs", settings(), options()).await.unwrap();

    let operator = Operator::new(services::Memory::default()).unwrap();
    let store = OpendalDataStore::over(operator.clone(), options()).await.unwrap();
    let error = OpendalDataStore::over(operator.clone(), options())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
    drop(store);
    OpendalDataStore::over(operator, options()).await.unwrap();
}
