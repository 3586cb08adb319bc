//! A tiered store whose hot store is the embedded one, over memory and on fjall; and an archiver that hears of what memory serves.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an unexpected answer ends the test"
)]

#[path = "../../layerstore-tiered/tests/restless/mod.rs"]
mod restless;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use layerstore::{Key, Layerstore, MapSettings, NewValue, NodeId, Value, WriteOptions};
use layerstore_data_store::{InMemoryDataStore, MapDataStoreExt, ScanRequest};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::{KvBackend, MemoryKv};
use layerstore_observer::AccessTimes;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::proof;
use layerstore_tiered::{ArchivePolicy, Archiver, Schedule, TieredDataStore, TieredOptions};
use tempfile::TempDir;

use crate::restless::{Attended, Restless};

const DEADLINE: Duration = Duration::from_secs(60);

fn everything() -> ArchivePolicy {
    let policy = ArchivePolicy::builder().age(Duration::ZERO);
    policy.batch_records(3).build().unwrap()
}

fn tiered(
    clock: &ManualClock,
    hot: KvDataStore,
    cold: &InMemoryDataStore,
) -> Result<Arc<TieredDataStore>, layerstore_data_store::StoreError> {
    let options = TieredOptions::default().clock(clock.shared()).node(NodeId(7));
    Ok(Arc::new(TieredDataStore::new(
        Arc::new(hot),
        Arc::new(cold.share()),
        options,
    )?))
}

/// Hot is embedded over a byte store in memory, which tiered stores share; a step of archiving between calls.
struct OverMemory {
    kv: Arc<dyn KvBackend>,
    cold: InMemoryDataStore,
    clock: ManualClock,
}

impl OverMemory {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            kv: Arc::new(MemoryKv::new()),
            cold: InMemoryDataStore::new(clock.shared()),
            clock,
        }
    }
}

#[async_trait]
impl TestStore for OverMemory {
    async fn open(&self) -> Opening {
        let options = EmbeddedOptions::default().clock(self.clock.shared());
        let hot = KvDataStore::over(Arc::clone(&self.kv), options)?;
        let rng = fastrand::Rng::with_seed(proof::seed());
        let store = tiered(&self.clock, hot, &self.cold)?;
        Ok(Arc::new(Restless::new(store, everything(), rng)))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale {
            cases: 4_000,
            ..ModelScale::IN_MEMORY
        }
    }
}

/// Hot is a directory that one store has to itself; an archiver at work beside the calls.
struct OnFjall {
    directory: TempDir,
    cold: InMemoryDataStore,
    clock: ManualClock,
}

impl OnFjall {
    fn new() -> Self {
        let clock = ManualClock::new();
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            directory: directory.expect("a temporary directory"),
            cold: InMemoryDataStore::new(clock.shared()),
            clock,
        }
    }
}

#[async_trait]
impl TestStore for OnFjall {
    async fn open(&self) -> Opening {
        let options = EmbeddedOptions::default().clock(self.clock.shared());
        let hot = KvDataStore::open(self.directory.path(), options).await?;
        let store = tiered(&self.clock, hot, &self.cold)?;
        let schedule = Schedule::new(everything()).pause(Duration::from_millis(1));
        let archiver = Archiver::start(Arc::clone(&store), schedule);
        Ok(Arc::new(Attended::new(store, archiver)))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale {
            cases: 2_000,
            ..ModelScale::ON_DISK
        }
    }
}

layerstore_testkit::data_store_conformance!(tiered_over_memory, OverMemory::new());
layerstore_testkit::data_store_conformance!(tiered_on_fjall, OnFjall::new());

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn open(clock: &ManualClock, store: &Arc<TieredDataStore>, times: &Arc<AccessTimes>) -> Layerstore {
    let builder = Layerstore::builder()
        .data_store(store.clone())
        .observer(times.clone());
    let builder = builder.clock(clock.shared()).map("users", MapSettings::new());
    builder.build().await.unwrap()
}

#[tokio::test]
async fn what_is_read_in_memory_is_not_archived_and_what_was_archived_is_found() {
    let clock = ManualClock::new();
    let (hot, cold) = (
        InMemoryDataStore::new(clock.shared()),
        InMemoryDataStore::new(clock.shared()),
    );
    let options = TieredOptions::default().clock(clock.shared());
    let store = TieredDataStore::new(Arc::new(hot.share()), Arc::new(cold.share()), options).unwrap();
    let store = Arc::new(store);
    let times = Arc::new(AccessTimes::new("times", clock.shared(), 1_000));
    let users = open(&clock, &store, &times).await;
    let records = users.records("users").unwrap();
    for name in ["alice", "bob", "carol"] {
        let value = NewValue::from(Value::from(name));
        records
            .set(&key(name), value, &WriteOptions::new())
            .await
            .unwrap();
    }
    // Alice is read all the while: no data store hears of that.
    for _ in 0..10 {
        clock.advance(Duration::from_secs(10));
        assert!(records.get(&key("alice")).await.unwrap().is_some());
    }
    let asked = Arc::clone(&times);
    let policy = ArchivePolicy::builder()
        .idle(Duration::from_secs(60))
        .last_use(move |map, key| asked.last_use(map, key));
    let report = store
        .archive(records.name(), &policy.build().unwrap())
        .await
        .unwrap();
    assert_eq!((report.looked_at, report.archived), (3, 2), "{report:?}");
    records.clear_memory().await.unwrap();
    for name in ["alice", "bob", "carol"] {
        let found = records.get(&key(name)).await.unwrap().unwrap();
        let found = found.value().value().map(|value| Value::clone(value));
        assert_eq!(found, Some(Value::from(name)));
    }
    let copies =
        futures::TryStreamExt::try_collect::<Vec<_>>(cold.scan(records.name(), ScanRequest::first(9)));
    assert_eq!(copies.await.unwrap().len(), 2);
    drop(records);
    assert!(users.close(DEADLINE).await.is_complete());
}
