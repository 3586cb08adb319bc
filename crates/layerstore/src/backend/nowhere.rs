//! `kind = "memory"` and `kind = "null"`: nothing that outlives the process.

use std::sync::Arc;

use layerstore_data_store::{InMemoryDataStore, NullDataStore};

use super::{Context, OpenDataStore};

#[cfg(feature = "toml")]
crate::config::section! {
    /// For `kind = "memory"` and `kind = "null"`.
    struct NowhereSection {}
}

/// Opens a store in the memory of the process, beside the records' own: for tests.
pub(super) fn memory(context: &Context) -> OpenDataStore {
    OpenDataStore::new(Arc::new(InMemoryDataStore::new(Arc::clone(&context.clock))))
        .with_note("kind = \"memory\" keeps records as long as the process: use it for tests")
}

/// Opens a store that keeps nothing.
pub(super) fn null() -> OpenDataStore {
    OpenDataStore::new(Arc::new(NullDataStore::new()))
        .with_note("kind = \"null\" keeps nothing: records are gone when the process ends")
}
