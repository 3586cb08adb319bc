//! Opening, restarting, expiry, purging, closing, dropping.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use layerstore::data_store::{ErrorKind, InMemoryDataStore, MapDataStore};
use layerstore::{DataStoreKind, Error, Key, Layerstore, TryGet};
use layerstore_testkit::clock::ManualClock;

use super::{DEADLINE, User, close, on_both_flavours, user};

#[test]
fn records_are_there_after_a_restart() {
    on_both_flavours(|| {
        async {
            let dir = tempfile::tempdir().unwrap();
            let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
            let users = store.map::<User>("users").unwrap();
            let version = users.set("alice", &user("Alice", 1)).await.unwrap();
            users
                .set("bob", &user("Bob", 2))
                .ttl(Duration::from_secs(3_600))
                .await
                .unwrap();
            let ends = users.record("bob").await.unwrap().unwrap().expiry();
            close(store).await;

            let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
            let users = store.map::<User>("users").unwrap();
            assert_eq!(users.try_get("alice").unwrap(), TryGet::NeedsLoad);
            assert_eq!(users.get("alice").await.unwrap(), Some(user("Alice", 1)));
            assert_eq!(users.try_get("alice").unwrap(), TryGet::Hit(user("Alice", 1)));
            assert_eq!(users.record("alice").await.unwrap().unwrap().version(), version);
            assert_eq!(users.record("bob").await.unwrap().unwrap().expiry(), ends);
            assert_eq!(users.get("carol").await.unwrap(), None);
            assert_eq!(store.list_maps().await.unwrap().len(), 1);
            close(store).await;
        }
        .boxed()
    });
}

#[tokio::test]
async fn keys_and_names_of_any_content_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a", "a/b", "a\0b", "../a", "😀", "a b"];
    let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
    for map in names {
        for key in names {
            store
                .map::<String>(map)
                .unwrap()
                .set(key, &format!("{map}|{key}"))
                .await
                .unwrap();
        }
    }
    close(store).await;
    let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
    for map in names {
        for key in names {
            let found = store.map::<String>(map).unwrap().get(key).await.unwrap();
            assert_eq!(found, Some(format!("{map}|{key}")));
        }
    }
    let map = store.map::<String>("a").unwrap();
    assert!(matches!(map.get("").await, Err(Error::InvalidKey(_))));
    assert!(matches!(
        map.set("k".repeat(1_025), &String::new()).await,
        Err(Error::InvalidKey(_))
    ));
    assert!(matches!(store.map::<String>(""), Err(Error::InvalidMapName(_))));
    close(store).await;
}

#[tokio::test]
async fn an_expired_record_is_not_returned_and_what_remains_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let open = || {
        Layerstore::builder()
            .embedded(dir.path())
            .clock(clock.shared())
            .build()
    };
    let store = open().await.unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("short", &1).ttl(Duration::from_secs(10)).await.unwrap();
    map.set("long", &2).ttl(Duration::from_secs(100)).await.unwrap();
    clock.advance(Duration::from_secs(6));
    close(store).await;
    let store = open().await.unwrap();
    let map = store.map::<u64>("m").unwrap();
    assert_eq!(map.get("short").await.unwrap(), Some(1));
    clock.advance(Duration::from_secs(5));
    assert_eq!(map.get("short").await.unwrap(), None);
    assert_eq!(map.get("long").await.unwrap(), Some(2));
    let overflow = map.set("never", &3).ttl(Duration::MAX).await.unwrap_err();
    assert!(overflow.to_string().contains("expiry"), "{overflow}");
    assert!(!map.contains("never").await.unwrap());
    close(store).await;
}

#[tokio::test]
async fn a_second_opener_of_a_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Layerstore::builder().embedded(dir.path()).build().await.unwrap();
    let Err(error) = Layerstore::builder().embedded(dir.path()).build().await else {
        panic!("opened twice")
    };
    assert_eq!(error.store_error().unwrap().kind(), ErrorKind::AlreadyOpen);
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    close(store).await;
    close(Layerstore::builder().embedded(dir.path()).build().await.unwrap()).await;
}

#[tokio::test]
async fn a_closed_store_refuses_and_closing_twice_is_harmless() {
    let store = Layerstore::builder().in_memory().build().await.unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("k", &1).await.unwrap();
    let report = store.close(DEADLINE).await;
    assert!(report.is_complete(), "{report:?}");
    assert!(map.set("k", &2).await.is_err());
    assert!(map.get("k").await.is_err());
    assert!(matches!(store.map::<u64>("other"), Err(Error::Closed)));
    assert!(store.close(DEADLINE).await.is_complete());
}

#[tokio::test]
async fn f3_a_dropped_store_lets_go_of_its_data_store() {
    let below: Arc<dyn MapDataStore> = Arc::new(InMemoryDataStore::new(Arc::new(layerstore::SystemClock)));
    let store = Layerstore::builder()
        .data_store(Arc::clone(&below))
        .build()
        .await
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("k", &1).await.unwrap();
    // The task in the background has run, and waits.
    tokio::task::yield_now().await;
    drop(store);
    // A map keeps the store alive.
    assert_eq!(map.get("k").await.unwrap(), Some(1));
    drop(map);
    let let_go = async {
        while Arc::strong_count(&below) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, let_go)
        .await
        .expect("something still holds the data store");
}

#[test]
fn a_map_is_opened_outside_of_the_runtime_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime
        .block_on(Layerstore::builder().in_memory().build())
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    runtime.block_on(async { map.set("k", &1).await }).unwrap();
    assert_eq!(map.try_get("k").unwrap(), TryGet::Hit(1));
}

#[tokio::test]
async fn old_tombstones_are_purged() {
    let clock = ManualClock::new();
    let store = Layerstore::builder()
        .data_store_kind(DataStoreKind::Memory)
        .clock(clock.shared())
        .tombstone_horizon(Duration::from_secs(60))
        .build()
        .await
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("k", &1).await.unwrap();
    map.remove("k").await.unwrap();
    let below = || async {
        let found = store
            .data_store()
            .load(map.name(), &Key::new("k").unwrap())
            .await
            .unwrap();
        found.map(|record| record.is_tombstone())
    };
    clock.advance(Duration::from_secs(59));
    store.purge().await;
    assert_eq!(below().await, Some(true));
    clock.advance(Duration::from_secs(2));
    store.purge().await;
    assert_eq!(below().await, None);
}

#[tokio::test(start_paused = true)]
async fn tombstones_are_purged_in_the_background() {
    let clock = ManualClock::new();
    let store = Layerstore::builder()
        .data_store_kind(DataStoreKind::Memory)
        .clock(clock.shared())
        .purge_interval(Duration::from_secs(5))
        .tombstone_horizon(Duration::from_secs(60))
        .build()
        .await
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("k", &1).await.unwrap();
    map.remove("k").await.unwrap();
    clock.advance(Duration::from_secs(61));
    let key = Key::new("k").unwrap();
    let purged = async {
        while store.data_store().load(map.name(), &key).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, purged)
        .await
        .expect("nothing was purged");
}
