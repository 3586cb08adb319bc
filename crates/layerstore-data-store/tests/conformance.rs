//! The data stores of this crate against the contract.

use std::sync::{Arc, OnceLock};

use layerstore_data_store::{InMemoryDataStore, Limits, MapDataStore};
use layerstore_testkit::data_store::{TestStore, opened_by};

/// Storage in memory that stores with these limits share.
fn memory(limits: Limits) -> impl TestStore {
    let contents = OnceLock::new();
    opened_by(move |clock| {
        let contents = contents.get_or_init(|| InMemoryDataStore::new(clock.shared()).with_limits(limits));
        let store: Arc<dyn MapDataStore> = Arc::new(contents.share());
        async { Ok(store) }
    })
}

/// Room for little, and batches that are split often.
fn small() -> Limits {
    let mut limits = Limits::default();
    limits.map_name_bytes = 64;
    limits.key_bytes = 200;
    limits.record_bytes = 10_000;
    limits.batch_records = 3;
    limits
}

layerstore_testkit::data_store_conformance!(in_memory, memory(Limits::default()));
layerstore_testkit::data_store_conformance!(in_memory_with_little_room, memory(small()));
