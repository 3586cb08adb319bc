//! PostgreSQL against the contract of data stores, in either format of values.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

mod server;

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_postgres::{DEFAULT_STATEMENT_CACHE, PostgresBuilder, ValueFormat};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::services::{PostgresPooler, Unavailable, pooler};
use tokio::sync::OnceCell;

use server::Database;

/// A database of its own, which several stores may share.
struct InDatabase {
    /// What stands before it, if anything does; it goes before the database.
    pooler: Option<OnceCell<Result<PostgresPooler, Unavailable>>>,
    database: Database,
    format: ValueFormat,
    statement_cache: usize,
    clock: ManualClock,
}

impl InDatabase {
    fn new(format: ValueFormat) -> Self {
        Self {
            pooler: None,
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

    fn behind_a_pooler() -> Self {
        Self {
            pooler: Some(OnceCell::new()),
            ..Self::without_sessions()
        }
    }

    async fn builder(&self) -> PostgresBuilder {
        match self.pooler().await {
            Some(Ok(pooler)) => Database::builder_at(pooler.url()),
            _ => self.database.builder().await,
        }
    }

    async fn pooler(&self) -> Option<&Result<PostgresPooler, Unavailable>> {
        let pooler_of = async || pooler(self.database.get().await).await;
        Some(self.pooler.as_ref()?.get_or_init(pooler_of).await)
    }
}

#[async_trait]
impl TestStore for InDatabase {
    async fn open(&self) -> Opening {
        let builder = self.builder().await.value_format(self.format);
        let builder = builder.clock(self.clock.shared());
        let store = builder.statement_cache(self.statement_cache).connect().await?;
        Ok(Arc::new(store))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    async fn lacks(&self) -> Option<String> {
        let why = self.pooler().await?.as_ref().err()?;
        Some(why.to_string())
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

layerstore_testkit::data_store_conformance!(bytes, InDatabase::new(ValueFormat::Bytes));
layerstore_testkit::data_store_conformance!(jsonb, InDatabase::new(ValueFormat::Jsonb));
layerstore_testkit::data_store_conformance!(without_sessions, InDatabase::without_sessions());
layerstore_testkit::data_store_conformance!(behind_a_pooler, InDatabase::behind_a_pooler());
