//! The contract over a table with transactions, which keeps whole records: the suite as for any store, and what becomes of
//! troubles of the table.

#![cfg(feature = "table")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are test code"
)]

mod memory_table;
mod troubles;

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_data_store::{Limits, TableDataStore};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};

use memory_table::MemoryTable;

/// A table that every store which is opened shares.
struct InTable {
    table: MemoryTable,
    clock: ManualClock,
    model: ModelScale,
}

impl InTable {
    fn new(limits: Limits, model: ModelScale) -> Self {
        Self {
            table: MemoryTable::new(limits),
            clock: ManualClock::new(),
            model,
        }
    }

    /// Room for little, and transactions of few writes.
    fn with_little_room() -> Self {
        let mut limits = Limits::default();
        limits.map_name_bytes = 64;
        limits.key_bytes = 200;
        limits.record_bytes = 10_000;
        limits.batch_records = 3;
        Self::new(limits, ModelScale::NETWORK)
    }
}

#[async_trait]
impl TestStore for InTable {
    async fn open(&self) -> Opening {
        Ok(Arc::new(TableDataStore::of_maps(
            self.table.clone(),
            self.clock.shared(),
        )))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        self.model
    }
}

layerstore_testkit::data_store_conformance!(in_table, InTable::new(Limits::default(), ModelScale::IN_MEMORY));
layerstore_testkit::data_store_conformance!(in_table_with_little_room, InTable::with_little_room());
