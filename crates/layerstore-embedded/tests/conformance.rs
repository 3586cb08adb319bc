//! The embedded store against the contract of data stores: over memory, where rivals share the storage, and on fjall,
//! whose directory one store has to itself.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_kv::{KvBackend, MemoryKv};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use tempfile::TempDir;

/// A key-value store in memory that several data stores share.
struct OverMemory {
    kv: Arc<dyn KvBackend>,
    clock: ManualClock,
}

impl OverMemory {
    fn new() -> Self {
        Self {
            kv: Arc::new(MemoryKv::new()),
            clock: ManualClock::new(),
        }
    }
}

#[async_trait]
impl TestStore for OverMemory {
    async fn open(&self) -> Opening {
        let options = EmbeddedOptions::default().clock(self.clock.shared());
        Ok(Arc::new(KvDataStore::over(Arc::clone(&self.kv), options)?))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::IN_MEMORY
    }
}

/// A directory for one store at a time.
struct OnFjall {
    directory: TempDir,
    clock: ManualClock,
}

impl OnFjall {
    #[expect(clippy::expect_used, reason = "a test without a directory cannot begin")]
    fn new() -> Self {
        Self {
            directory: scratch().expect("a temporary directory"),
            clock: ManualClock::new(),
        }
    }
}

/// Makes a directory in memory where the system has such a place: the suite asks what the store decides, and each of
/// the model's millions of writes is synced. What a disk keeps is asked by the tests of crashes, which use one.
fn scratch() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

#[async_trait]
impl TestStore for OnFjall {
    async fn open(&self) -> Opening {
        let options = EmbeddedOptions::default().clock(self.clock.shared());
        Ok(Arc::new(KvDataStore::open(self.directory.path(), options).await?))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::ON_DISK
    }
}

layerstore_testkit::data_store_conformance!(over_memory, OverMemory::new());
layerstore_testkit::data_store_conformance!(on_fjall, OnFjall::new());
