//! The guide's own data store, taken through the same suite as ours.
#![expect(
    clippy::expect_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

#[path = "../examples/own_data_store/main.rs"]
mod own;

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use tempfile::TempDir;

struct InFolder {
    folder: TempDir,
    clock: ManualClock,
}

impl InFolder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            clock: ManualClock::new(),
        }
    }
}

#[async_trait]
impl TestStore for InFolder {
    async fn open(&self) -> Opening {
        let store = own::FolderDataStore::open(self.folder.path(), self.clock.shared());
        Ok(Arc::new(store.expect("the folder is ours")))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

layerstore_testkit::data_store_conformance!(folder, InFolder::new());

#[test]
fn the_example_of_an_own_data_store_runs() {
    assert!(own::main().is_ok());
}
