//! No span, no event and no error ever holds a value: everything runs, and everything fails, with one that is easy to find.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::TryStreamExt;
use layerstore::data_store::{
    BackoffPolicy, Breaker, BreakerPolicy, ErrorKind, InMemoryDataStore, MapDataStore, Pause, StoreError,
    Write, WriteResult, retry, retry_writes,
};
use layerstore::engine::HashMapEngine;
use layerstore::record_store::{DefaultRecordStore, MergeSource, RecordStore, RecordStoreConfig};
use layerstore::{
    Compute, Cost, Key, Layerstore, Map, MapName, MapSettings, Millis, NodeId, Record, RecordValue,
    ScanRequest, SystemClock, Value, Version, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault};
use layerstore_testkit::log::Log;
use layerstore_testkit::observer::{FailingObserver, PanickingObserver};

/// What must never be seen.
const MARKER: &str = "s3cr3t-value";

/// Everything that was said at any level, by anybody on any thread.
static SAID: LazyLock<Log> = LazyLock::new(Log::everything);

/// Notes an error that had to come.
fn failed<T, E: Error + 'static>(result: Result<T, E>) {
    let error = result.err().unwrap();
    SAID.note_error(&error);
}

/// Notes the error, where there is one.
fn maybe<T, E: Error + 'static>(result: Result<T, E>) {
    if let Err(error) = result {
        SAID.note_error(&error);
    }
}

fn secret() -> String {
    MARKER.to_owned()
}

/// A value that is nested too deep, with the marker at the bottom.
fn too_deep() -> Value {
    (0..70).fold(Value::from(MARKER), |inner, _| Value::from(vec![inner]))
}

/// Every verb of the facade over the embedded store, and every error that a caller can make.
async fn facade() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Layerstore::builder().embedded(dir.path());
    let builder = builder.observer(Arc::new(FailingObserver::new("failing")));
    let builder = builder.map("small", MapSettings::new().max_cost(Cost(300)));
    let store = builder.build().await.unwrap();
    let map: Map<String> = store.map("vault").unwrap();
    map.set("k", &secret()).await.unwrap();
    map.put("k", &secret()).await.unwrap();
    map.put_many([("a", &secret()), ("b", &secret())]).await.unwrap();
    map.update("k", |old| old).await.unwrap();
    let make = async { Ok::<_, layerstore::Error>(secret()) };
    map.get_or_insert_with("made", make).await.unwrap();
    assert_eq!(map.get("k").await.unwrap(), Some(secret()));
    map.get_many(["a", "b"]).await.unwrap();
    assert_eq!(map.entries().try_collect::<Vec<_>>().await.unwrap().len(), 4);
    map.records().clear_memory().await.unwrap();
    map.records().preload(10).await.unwrap();
    let k = Key::new("k").unwrap();
    let options = WriteOptions::new();
    map.records()
        .set_expiry(&k, &options.ttl(Duration::from_secs(9)))
        .await
        .unwrap();
    map.remove("a").await.unwrap();

    // The value is of another type, too deep, too large; a condition does not hold.
    failed(store.map::<u64>("vault").unwrap().get("k").await);
    failed(store.map::<Vec<u64>>("vault").unwrap().get("k").await);
    failed(
        store
            .map::<std::collections::BTreeMap<String, u64>>("vault")
            .unwrap()
            .get("k")
            .await,
    );
    failed(
        map.records()
            .set(&k, too_deep().into(), &WriteOptions::new())
            .await,
    );
    failed(store.map("vault").unwrap().set("k", &too_deep()).await);
    let long: Map<String> = store.map("small").unwrap();
    failed(long.set("k", &secret().repeat(100)).await);
    let none = Version::new(layerstore::record::Timestamp::new(Millis(1), 0, NodeId(1)));
    failed(
        map.records()
            .replace(&k, none, MARKER.into(), &WriteOptions::new())
            .await,
    );
    let or_map = RecordValue::or_map(
        layerstore::record::OrEntries::default(),
        layerstore::record::Tags::default(),
    );
    failed(
        map.records()
            .merge(&k, or_map, MergeSource::Crdt, &WriteOptions::new())
            .await,
    );
    map.clear().await.unwrap();
    assert!(store.close(Duration::from_secs(20)).await.is_complete());
    failed(map.set("k", &secret()).await);
}

/// Every verb of a record store whose data store fails in every way.
async fn record_store() {
    let below = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
    let failing = Arc::new(FailingDataStore::new(below));
    let engine = Arc::new(HashMapEngine::new());
    let mut config = RecordStoreConfig::default();
    config.put_deadline = Duration::from_millis(20);
    config.store_deadline = Duration::from_millis(20);
    let data_store = Arc::clone(&failing) as Arc<dyn MapDataStore>;
    let store = DefaultRecordStore::builder(MapName::new("vault").unwrap(), engine, data_store)
        .observer(Arc::new(PanickingObserver::new("panicking")))
        .config(config)
        .build()
        .unwrap();
    store.init().await.unwrap();
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Throttled,
        ErrorKind::Rejected,
        ErrorKind::TooLarge,
        ErrorKind::Corrupt,
        ErrorKind::Forbidden,
    ];
    let faults = kinds.into_iter().flat_map(|kind| {
        [
            Fault::before(kind),
            Fault::after(kind),
            Fault::lost(kind),
            Fault::late(kind),
        ]
    });
    for fault in faults.map(Some).chain([None]) {
        failing.heal();
        let calls = [
            Call::Apply,
            Call::Load,
            Call::LoadAll,
            Call::ScanPage,
            Call::Clear,
            Call::HardFlush,
        ];
        for call in calls {
            fault
                .into_iter()
                .for_each(|fault| failing.fail_always(call, fault));
        }
        every_verb(&store).await;
    }
    maybe(store.compute(&key(), Box::new(|_| panic!("{MARKER}"))).await);
    assert!(store.close(Duration::from_secs(20)).await.is_complete());
    failed(store.set(&key(), MARKER.into(), &WriteOptions::new()).await);
}

fn key() -> Key {
    Key::new("k").unwrap()
}

async fn every_verb(store: &DefaultRecordStore) {
    let (k, options) = (&key(), &WriteOptions::new().max_idle(Duration::from_secs(60)));
    maybe(store.set(k, MARKER.into(), options).await);
    maybe(store.put(k, MARKER.into(), options).await);
    maybe(store.get(k).await);
    maybe(store.compute(k, Box::new(|_| Compute::Put(MARKER.into()))).await);
    maybe(store.put_if_absent(k, MARKER.into(), options).await);
    for result in store.put_all(vec![(k.clone(), MARKER.into())], options).await {
        maybe(result);
    }
    maybe(store.get_all(std::slice::from_ref(k)).await);
    let stamp = layerstore::record::Timestamp::new(Millis(1), 0, NodeId(1));
    let value = RecordValue::lww(MARKER, stamp);
    maybe(
        store
            .merge(k, value.clone(), MergeSource::Replication, options)
            .await,
    );
    let copy = Arc::new(Record::builder(value, Version::new(stamp)).build());
    maybe(store.put_backup(k, copy).await);
    for (_, error) in store.promote().await.unwrap().failed {
        SAID.note_error(&error);
    }
    maybe(
        store
            .replace(k, Version::new(stamp), MARKER.into(), options)
            .await,
    );
    maybe(store.scan_page(ScanRequest::first(10)).await);
    maybe(store.count().await);
    maybe(store.evict(k).await);
    maybe(store.load(k).await);
    maybe(store.contains(k).await);
    maybe(store.sweep().await);
    maybe(store.hard_flush().await);
    maybe(store.remove(k).await);
    maybe(store.set(k, MARKER.into(), options).await);
    maybe(store.delete_all().await);
}

struct Pauses;

impl Pause for Pauses {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn pause(&mut self, _: Duration) {}
}

/// The retries and the breaker of data stores.
async fn wrappers() {
    let below = InMemoryDataStore::new(ManualClock::new().shared());
    let failing = FailingDataStore::new(Arc::new(below));
    failing.fail_always(Call::Apply, Fault::lost(ErrorKind::Unavailable));
    let stamp = layerstore::record::Timestamp::new(Millis(1), 0, NodeId(1));
    let record = Record::builder(RecordValue::lww(MARKER, stamp), Version::new(stamp)).build();
    let map = MapName::new("vault").unwrap();
    let write = Write::new(map, key(), Arc::new(record));
    let mut rng = fastrand::Rng::with_seed(layerstore_testkit::proof::seed());
    let policy = BackoffPolicy::default();
    for answer in retry_writes(&failing, vec![write], policy, &mut rng, &mut Pauses).await {
        let WriteResult::Rejected(error) = answer else {
            panic!("the data store fails")
        };
        SAID.note_error(&error);
    }
    let refuse = async || Err::<(), _>(StoreError::new(ErrorKind::Unavailable, "double", "load", "down"));
    failed(retry(policy, &mut rng, &mut Pauses, refuse).await);
    let mut breaker = Breaker::new(BreakerPolicy::default().with_threshold(1));
    breaker.failed(Millis(0));
    say_debug(&breaker);
}

fn say_debug(what: &dyn Debug) {
    SAID.note(&format!("{what:?}"));
}

/// A configuration with a password in it that cannot work.
#[cfg(feature = "toml")]
async fn configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("layerstore.toml");
    let lines = [
        format!("url = \"postgres://app:{MARKER}@db.example/records\""),
        format!("url = \"postgres://app:{MARKER}@db.example/records"),
        format!("url = postgres://app:{MARKER}@db.example/records"),
        format!("password = \"{MARKER}\"\nkind = 3"),
    ];
    for line in lines {
        let text = format!("format = 1\n[data_store]\n{line}\n");
        std::fs::write(&file, text).unwrap();
        failed(Layerstore::open(&file).await.map(drop));
    }
}

#[test]
fn no_span_no_event_and_no_error_holds_a_value() {
    tracing::subscriber::set_global_default(SAID.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        facade().await;
        record_store().await;
        wrappers().await;
        #[cfg(feature = "toml")]
        configuration().await;
    });
    let said = SAID.text();
    // It was listened to: writes have spans, observers failed, calls were retried.
    for part in [
        "verb=\"set\"",
        "observer failed",
        "is retried",
        "vault",
        "outcome",
    ] {
        assert!(said.contains(part), "nobody said {part:?}:\n{said}");
    }
    let holds: Vec<_> = said.lines().filter(|line| line.contains(MARKER)).collect();
    assert!(holds.is_empty(), "{}", holds.join("\n"));

    // And it would have been found: in a span's field, in a later one, in an event's, in its message, and in an error's source.
    let held = Value::from(MARKER);
    let finds = |speak: &dyn Fn()| {
        let _ = SAID.take();
        speak();
        SAID.take().contains(MARKER)
    };
    assert!(finds(&|| drop(tracing::trace_span!("write", value = MARKER))));
    assert!(finds(&|| {
        let span = tracing::trace_span!("write", value = tracing::field::Empty);
        span.record("value", MARKER);
    }));
    assert!(finds(&|| tracing::trace!(value = ?held)));
    assert!(finds(&|| tracing::trace!("wrote {}", MARKER)));
    assert!(finds(&|| {
        let source = StoreError::new(ErrorKind::Rejected, "double", "apply", MARKER);
        maybe(Err::<(), _>(layerstore::Error::from(source)));
    }));
}
