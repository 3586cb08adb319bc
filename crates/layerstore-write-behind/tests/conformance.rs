//! The write-behind store against the contract of data stores: with and without a log, with writes that stay pending for as long as they
//! may, and with a queue that spills, goes through to the store, or has room for little.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{ErrorKind, InMemoryDataStore, MapDataStore, StoreError};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_write_behind::{
    Coalescing, DiskStorage, LogOptions, SyncPolicy, WhenFull, WriteBehindDataStore, WriteBehindOptions,
};
use tempfile::TempDir;

/// A store in memory, with a write-behind store before it that has it to itself.
struct Behind {
    clock: ManualClock,
    behind: InMemoryDataStore,
    options: WriteBehindOptions,
    log: Option<TempDir>,
    /// The one that was opened last: a second one is refused while it is open.
    open: Mutex<Weak<WriteBehindDataStore>>,
}

impl Behind {
    fn new(options: WriteBehindOptions) -> Self {
        let clock = ManualClock::new();
        Self {
            behind: InMemoryDataStore::new(clock.shared()),
            clock,
            options,
            log: None,
            open: Mutex::default(),
        }
    }

    fn logged(mut self) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("layerstore-write-behind-")
            .tempdir();
        self.log = Some(folder.unwrap());
        self
    }
}

#[async_trait]
impl TestStore for Behind {
    async fn open(&self) -> Opening {
        let before = self.open.lock().unwrap().upgrade();
        if let Some(before) = before
            && before.list_maps().await.is_ok()
        {
            let what = "its storage has an owner";
            return Err(StoreError::new(
                ErrorKind::AlreadyOpen,
                "write-behind",
                "open",
                what,
            ));
        }
        let mut builder = WriteBehindDataStore::builder(Arc::new(self.behind.share()), self.clock.shared())
            .options(self.options);
        if let Some(folder) = &self.log {
            let log = LogOptions::default()
                .sync(SyncPolicy::Os)
                .segment_bytes(64 << 10)
                .max_bytes(4 << 20);
            builder = builder.log(Arc::new(DiskStorage::open(folder.path()).unwrap()), log);
        }
        let store = Arc::new(builder.open().await?.0);
        *self.open.lock().unwrap() = Arc::downgrade(&store);
        Ok(store)
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        match self.log {
            None => ModelScale::IN_MEMORY,
            Some(_) => ModelScale::ON_DISK,
        }
    }
}

fn quick() -> WriteBehindOptions {
    WriteBehindOptions::default().delay(Duration::from_millis(2))
}

fn at_once() -> WriteBehindOptions {
    quick().delay(Duration::ZERO)
}

/// What is written stays pending until it is flushed.
fn lingering() -> WriteBehindOptions {
    quick().delay(Duration::from_secs(3600))
}

layerstore_testkit::data_store_conformance!(in_memory, Behind::new(quick()));
layerstore_testkit::data_store_conformance!(pending, Behind::new(lingering()));
layerstore_testkit::data_store_conformance!(logged, Behind::new(quick()).logged());
layerstore_testkit::data_store_conformance!(
    logged_and_pending,
    Behind::new(lingering().coalescing(Coalescing::Each)).logged()
);
layerstore_testkit::data_store_conformance!(
    spilling,
    Behind::new(lingering().max_records(3).when_full(WhenFull::Spill)).logged()
);
layerstore_testkit::data_store_conformance!(
    going_through,
    Behind::new(lingering().max_records(3).when_full(WhenFull::WriteThrough))
);
layerstore_testkit::data_store_conformance!(crowded, Behind::new(at_once().max_records(8).max_bytes(8_000)));
