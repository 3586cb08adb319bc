//! Packed records against the contracts: the byte store in a directory, the data store in a bucket that rivals share. Over S3: `packed`.

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_slatedb::opendal::{Operator, services};
use layerstore_slatedb::{SlateDataStore, SlateKv, SlateOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::kv::KvSubject;
use layerstore_testkit::objects::ObjectMemory;

/// A bucket in memory that keeps conditions: rivals share it.
struct InBucket {
    bucket: ObjectMemory,
    clock: ManualClock,
}

impl InBucket {
    fn new() -> Self {
        Self {
            bucket: ObjectMemory::new(),
            clock: ManualClock::new(),
        }
    }
}

#[async_trait]
impl TestStore for InBucket {
    #[expect(clippy::expect_used, reason = "a test without a bucket cannot begin")]
    async fn open(&self) -> Opening {
        let operator = self.bucket.operator().expect("a way to the bucket");
        let options = SlateOptions::default().clock(self.clock.shared());
        Ok(Arc::new(SlateDataStore::over(operator, options).await?))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

layerstore_testkit::kv_conformance!(
    slatedb,
    KvSubject::persistent(|dir| {
        let root = dir.to_string_lossy().into_owned();
        let operator = Operator::new(services::Fs::default().root(&root)).expect("a directory");
        SlateKv::open(operator, "database", &SlateOptions::default())
    })
);
layerstore_testkit::data_store_conformance!(in_bucket, InBucket::new());
