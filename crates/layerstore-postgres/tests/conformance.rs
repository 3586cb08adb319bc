//! PostgreSQL against the contract of data stores, in either format of values.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

mod server;

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_postgres::{DEFAULT_STATEMENT_CACHE, ValueFormat};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};

use server::Database;

/// A database of its own, which several stores may share.
struct InDatabase {
    database: Database,
    format: ValueFormat,
    statement_cache: usize,
    clock: ManualClock,
}

impl InDatabase {
    fn new(format: ValueFormat) -> Self {
        Self {
            database: Database::default(),
            format,
            statement_cache: DEFAULT_STATEMENT_CACHE,
            clock: ManualClock::new(),
        }
    }

    /// As a pooler in transaction mode needs it.
    fn without_sessions() -> Self {
        Self {
            statement_cache: 0,
            ..Self::new(ValueFormat::Bytes)
        }
    }
}

#[async_trait]
impl TestStore for InDatabase {
    async fn open(&self) -> Opening {
        let builder = self
            .database
            .builder()
            .await
            .value_format(self.format)
            .clock(self.clock.shared());
        let store = builder.statement_cache(self.statement_cache).connect().await?;
        Ok(Arc::new(store))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

layerstore_testkit::data_store_conformance!(bytes, InDatabase::new(ValueFormat::Bytes));
layerstore_testkit::data_store_conformance!(jsonb, InDatabase::new(ValueFormat::Jsonb));
layerstore_testkit::data_store_conformance!(without_sessions, InDatabase::without_sessions());
