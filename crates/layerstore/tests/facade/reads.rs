//! The hot path: reads without a future, and in place.

use std::sync::Arc;
use std::time::Duration;

use layerstore::{DataStoreKind, Error, Key, Layerstore, MapSettings, TryGet, Value};
use layerstore_testkit::clock::ManualClock;

use super::{User, close, user};

#[tokio::test]
async fn a_read_in_place_sees_the_record_that_memory_holds_and_adds_no_owner() {
    let store = Layerstore::builder().in_memory().build().await.unwrap();
    let users = store.map::<User>("users").unwrap();
    let version = users.set("alice", &user("Alice", 3)).await.unwrap();
    assert_eq!(
        users.read("alice", layerstore::Record::version).unwrap(),
        TryGet::Hit(version)
    );
    let visits = users.read("alice", |record| {
        let visits = record.value().value().and_then(|value| value.at(["visits"]));
        visits.cloned()
    });
    assert_eq!(visits.unwrap(), TryGet::Hit(Some(Value::from(3_u64))));
    let held = users.record("alice").await.unwrap().unwrap();
    let owners = Arc::strong_count(&held);
    let same = users.read("alice", |record| {
        (std::ptr::eq(record, &*held), Arc::strong_count(&held))
    });
    assert_eq!(same.unwrap(), TryGet::Hit((true, owners)));
    assert!(matches!(users.read("", |_| ()), Err(Error::InvalidKey(_))));
    close(store).await;
}

#[tokio::test]
async fn a_read_in_place_counts_a_hit_and_keeps_a_record_alive_as_any_read_does() {
    let clock = ManualClock::new();
    let idle = MapSettings::new().max_idle(Duration::from_secs(60));
    let builder = Layerstore::builder().in_memory().clock(clock.shared());
    let store = builder.map("users", idle).build().await.unwrap();
    let users = store.map::<User>("users").unwrap();
    users.set("alice", &user("Alice", 1)).await.unwrap();
    clock.advance(Duration::from_secs(50));
    assert_eq!(
        users.read("alice", |record| record.access().hits()).unwrap(),
        TryGet::Hit(1)
    );
    clock.advance(Duration::from_secs(50));
    assert_eq!(
        users.read("alice", |record| record.access().hits()).unwrap(),
        TryGet::Hit(2)
    );
    assert_eq!(users.records().stats().hits, 2);
    clock.advance(Duration::from_secs(61));
    assert_eq!(users.read("alice", |_| ()).unwrap(), TryGet::Absent);
    close(store).await;
}

#[tokio::test]
async fn a_read_in_place_asks_no_data_store() {
    let memory = Layerstore::builder().data_store_kind(DataStoreKind::Memory);
    let store = memory
        .map("users", MapSettings::new().partitions(3))
        .build()
        .await
        .unwrap();
    let users = store.map::<User>("users").unwrap();
    users.set("alice", &user("Alice", 1)).await.unwrap();
    assert!(users.records().evict(&Key::new("alice").unwrap()).await.unwrap());
    assert_eq!(users.read("alice", |_| ()).unwrap(), TryGet::NeedsLoad);
    assert_eq!(users.try_get("alice").unwrap(), TryGet::NeedsLoad);
    users.get("alice").await.unwrap().unwrap();
    assert_eq!(users.read("alice", |_| ()).unwrap(), TryGet::Hit(()));
    assert_eq!(users.try_get("alice").unwrap(), TryGet::Hit(user("Alice", 1)));
    close(store).await;
}

#[tokio::test]
async fn a_write_that_waits_for_nothing_is_done_when_its_future_is_first_polled() {
    let store = Layerstore::builder().in_memory().build().await.unwrap();
    let records = store.records("users").unwrap();
    let (key, options) = (Key::new("alice").unwrap(), layerstore::WriteOptions::new());
    // The first write claims the map.
    records.set(&key, "one".into(), &options).await.unwrap();
    let set = futures::FutureExt::now_or_never(records.set(&key, "two".into(), &options));
    let version = set.unwrap().unwrap().version.unwrap();
    assert_eq!(
        records.read(&key, layerstore::Record::version),
        TryGet::Hit(version)
    );
    close(store).await;
}
