//! Places: their layout, their name, and what is refused.

use layerstore_data_store::{ErrorKind, MapDataStore};
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_slatedb::{SlateDataStore, SlateOptions};
use layerstore_testkit::objects::{ObjectMemory, Quirk};
use layerstore_testkit::services::s3;

use crate::support::{apply, held, map, open, put};

#[tokio::test]
async fn a_place_keeps_the_layout_that_it_was_first_opened_with() {
    let (packed, objects) = (ObjectMemory::new(), ObjectMemory::new());
    drop(open(&packed).await);
    let way = objects.operator().unwrap();
    drop(
        OpendalDataStore::over(way, OpendalOptions::default())
            .await
            .unwrap(),
    );
    let refused = [
        SlateDataStore::over(objects.operator().unwrap(), SlateOptions::default())
            .await
            .err(),
        OpendalDataStore::over(packed.operator().unwrap(), OpendalOptions::default())
            .await
            .err(),
    ];
    for error in refused {
        let error = error.expect("the layouts do not mix");
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("layout"), "{error}");
    }
}

#[tokio::test]
async fn a_service_that_keeps_no_conditions_is_refused_unless_there_is_a_single_writer() {
    let careless = ObjectMemory::new().with(Quirk::IgnoresConditions);
    let opened = SlateDataStore::over(careless.operator().unwrap(), SlateOptions::default()).await;
    let error = opened.err().expect("a second writer could not be kept out");
    assert_eq!((error.kind(), error.store()), (ErrorKind::Rejected, "slatedb"));
    assert!(error.to_string().contains("single_writer"), "{error}");
    let alone = SlateOptions::default().requests(OpendalOptions::default().single_writer(true));
    SlateDataStore::over(careless.operator().unwrap(), alone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_directory_is_open_once_and_what_it_holds_is_there_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_string_lossy().into_owned();
    let open = async || {
        let settings = [("root".to_owned(), root.clone())];
        SlateDataStore::open("fs", settings, SlateOptions::default()).await
    };
    let map = map("a/b");
    let store = open().await.unwrap();
    store.claim(&map).await.unwrap();
    assert!(apply(&store, put(&map, 1, 1)).await.is_applied());
    assert_eq!(
        open().await.err().map(|error| error.kind()),
        Some(ErrorKind::AlreadyOpen)
    );
    let report = store.close(std::time::Duration::from_secs(30)).await;
    assert!(report.is_complete(), "{report:?}");
    let store = open().await.unwrap();
    assert!(held(&store, &map, 1).await.is_some(), "read without a claim");
    assert_eq!(store.list_maps().await.unwrap(), [map]);
    assert!(store.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let bucket = s3().await.unwrap();
    let mut settings = bucket.settings("some/place");
    for (name, value) in &mut settings {
        if name == "secret_access_key" {
            *value = "hunter2".to_owned();
        }
    }
    let refused = SlateDataStore::open("s3", settings, SlateOptions::default()).await;
    let error = refused.err().expect("the key is wrong");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
