//! Records as objects against the contract of data stores: in buckets that rivals share, and in memory and in a directory, where
//! one store has the place to itself.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use layerstore_opendal::opendal::{Operator, services};
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::objects::{ObjectMemory, Quirk};
use tempfile::TempDir;

/// A place in memory.
struct InMemory {
    operator: Operator,
    clock: ManualClock,
}

impl InMemory {
    #[expect(clippy::expect_used, reason = "a test without a place cannot begin")]
    fn new() -> Self {
        Self {
            operator: Operator::new(services::Memory::default()).expect("a place in memory"),
            clock: ManualClock::new(),
        }
    }
}

#[async_trait]
impl TestStore for InMemory {
    async fn open(&self) -> Opening {
        let options = OpendalOptions::default().clock(self.clock.shared());
        Ok(Arc::new(
            OpendalDataStore::over(self.operator.clone(), options).await?,
        ))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

/// A directory.
struct InDirectory {
    directory: TempDir,
    clock: ManualClock,
}

impl InDirectory {
    #[expect(clippy::expect_used, reason = "a test without a directory cannot begin")]
    fn new() -> Self {
        Self {
            directory: scratch().expect("a temporary directory"),
            clock: ManualClock::new(),
        }
    }
}

/// Makes a directory in memory where the system has such a place: the suite asks what the store decides, and each file is synced.
fn scratch() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

#[async_trait]
impl TestStore for InDirectory {
    async fn open(&self) -> Opening {
        let root = self.directory.path().to_string_lossy().into_owned();
        let options = OpendalOptions::default().clock(self.clock.shared());
        let settings = [("root".to_owned(), root)];
        Ok(Arc::new(OpendalDataStore::open("fs", settings, options).await?))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

/// A bucket in memory that keeps conditions: rivals share it.
struct InBucket {
    bucket: ObjectMemory,
    clock: ManualClock,
}

impl InBucket {
    fn new(bucket: ObjectMemory) -> Self {
        Self {
            bucket,
            clock: ManualClock::new(),
        }
    }
}

#[async_trait]
impl TestStore for InBucket {
    #[expect(clippy::expect_used, reason = "a test without a bucket cannot begin")]
    async fn open(&self) -> Opening {
        let options = OpendalOptions::default().clock(self.clock.shared());
        let operator = self.bucket.operator().expect("a way to the bucket");
        Ok(Arc::new(OpendalDataStore::over(operator, options).await?))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

layerstore_testkit::data_store_conformance!(in_bucket, InBucket::new(ObjectMemory::new()));
layerstore_testkit::data_store_conformance!(
    without_conditional_deletes,
    InBucket::new(ObjectMemory::new().with(Quirk::IgnoresDeleteConditions))
);
layerstore_testkit::data_store_conformance!(in_memory, InMemory::new());
layerstore_testkit::data_store_conformance!(in_directory, InDirectory::new());
