//! What can be set and swapped, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use layerstore::engine::{HashMapEngine, StorageEngine};
use layerstore::observer::{FnObserver, MutationEvent, ObserverError};
use layerstore::{
    CloseReport, DataStoreKind, Error, Key, Layerstore, Map, MapSettings, NewValue, Records, Set,
    WriteOptions,
};

use super::{User, close, user};

#[test]
fn public_types_are_send_sync_and_static() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send>(_: T) {}
    shared::<Layerstore>();
    shared::<layerstore::Builder>();
    shared::<Map<User>>();
    // A map holds no value: it is shared even where its values are not.
    shared::<Map<std::cell::RefCell<String>>>();
    shared::<Records>();
    shared::<Set<'static>>();
    shared::<Error>();
    shared::<CloseReport>();
    shared::<MapSettings>();
    let futures = |users: Map<User>| {
        sent(users.get("a"));
        sent(users.set("a", &user("a", 1)).into_future());
        sent(users.entries());
        sent(users.update("a", |old| old));
    };
    let _ = futures;
}

#[tokio::test]
async fn engine_and_observers_are_swapped_in_one_line_each() {
    let engines = Arc::new(AtomicUsize::new(0));
    let told = Arc::new(AtomicUsize::new(0));
    let (made, seen) = (Arc::clone(&engines), Arc::clone(&told));
    let store = Layerstore::builder()
        .in_memory()
        .map("m", MapSettings::new().partitions(4))
        .engine(move |_, _| {
            made.fetch_add(1, Ordering::SeqCst);
            Arc::new(HashMapEngine::new()) as Arc<dyn StorageEngine>
        })
        .observer(Arc::new(FnObserver::new("counting", move |mutation| {
            if matches!(
                mutation.event,
                MutationEvent::Put { .. } | MutationEvent::Update { .. }
            ) {
                seen.fetch_add(1, Ordering::SeqCst);
            }
            Err(ObserverError::new("counting", "it always fails"))
        })))
        .build()
        .await
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    map.set("k", &1).await.unwrap();
    assert_eq!(engines.load(Ordering::SeqCst), 4);
    assert_eq!(told.load(Ordering::SeqCst), 1);
    // The write stands though the observer failed; the untyped verb says so.
    assert_eq!(map.get("k").await.unwrap(), Some(1));
    let key = Key::new("k").unwrap();
    let outcome = map
        .records()
        .set(&key, NewValue::from(2_u64), &WriteOptions::new())
        .await
        .unwrap();
    assert!(outcome.version.is_some() && outcome.observer_error.is_some());
}

#[tokio::test]
async fn f4_what_cannot_work_is_refused_at_build_by_its_name() {
    let hour = Duration::from_secs(3_600);
    let cases = [
        (
            Layerstore::builder().map("m", MapSettings::new().partitions(0)),
            "map.m.partitions",
        ),
        (
            Layerstore::builder().map("m", MapSettings::new().partitions(1_025)),
            "map.m.partitions",
        ),
        (
            Layerstore::builder().map("m", MapSettings::new().ttl(Duration::MAX)),
            "map.m.ttl",
        ),
        (
            Layerstore::builder().map("m", MapSettings::new().max_count(0)),
            "map.m.max_count",
        ),
        (
            Layerstore::builder().map_defaults(MapSettings::new().ttl(hour).max_idle(2 * hour)),
            "map.default.max_idle",
        ),
        (
            Layerstore::builder()
                .map_defaults(MapSettings::new().ttl(hour))
                .map("m", MapSettings::new().max_idle(2 * hour)),
            "map.m.max_idle",
        ),
        (Layerstore::builder().map("", MapSettings::new()), "map."),
        (
            Layerstore::builder().purge_interval(Duration::ZERO),
            "maintenance.purge_interval",
        ),
        (
            Layerstore::builder().data_store_kind(DataStoreKind::Postgres),
            "data_store.kind",
        ),
    ];
    for (builder, key) in cases {
        // Nothing may be made on disk by a builder that is refused, nor by this test.
        let builder = if key == "data_store.kind" {
            builder
        } else {
            builder.in_memory()
        };
        match builder.build().await {
            Err(Error::Config(error)) => assert_eq!(error.key(), key, "{error}"),
            other => panic!("{key}: {:?}", other.err()),
        }
    }
}

#[tokio::test]
async fn a_configuration_file_opens_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("layerstore.toml");
    let text = "format = 1\n[data_store]\npath = \"records\"\n[map.users]\npartitions = 3\nttl = \"1h\"\n";
    std::fs::write(&file, text).unwrap();
    let store = Layerstore::open(&file).await.unwrap();
    let users = store.map::<User>("users").unwrap();
    assert_eq!(users.records().partition_count(), 3);
    users.set("alice", &user("Alice", 1)).await.unwrap();
    assert!(
        users
            .record("alice")
            .await
            .unwrap()
            .unwrap()
            .expiry()
            .deadline
            .is_some()
    );
    close(store).await;
    assert!(dir.path().join("records").is_dir());

    std::fs::write(
        &file,
        "format = 1\n[map.users]\nttl = \"1h\"\nmax_idle = \"2h\"\n",
    )
    .unwrap();
    let error = Layerstore::open(&file).await.err().unwrap().to_string();
    assert!(
        error.contains("layerstore.toml:4:12: map.users.max_idle: "),
        "{error}"
    );
    let error = Layerstore::open(dir.path().join("no.toml"))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("no.toml: it cannot be read"), "{error}");
}
