//! A database of its own for each test.

use layerstore_postgres::{PostgresBuilder, PostgresDataStore};
use layerstore_testkit::services::{PostgresDatabase, postgres};
use tokio::sync::OnceCell;

/// A database that is made at its first use, and dropped with this.
#[derive(Default)]
pub(crate) struct Database {
    made: OnceCell<PostgresDatabase>,
}

impl Database {
    /// Returns the database.
    pub(crate) async fn get(&self) -> &PostgresDatabase {
        let make = || async { postgres().await.expect("a test needs a server") };
        self.made.get_or_init(make).await
    }

    /// Starts a store in it, with few connections: many tests share the server.
    pub(crate) async fn builder(&self) -> PostgresBuilder {
        Self::builder_at(self.get().await.url())
    }

    /// Does the same by an address that leads there.
    pub(crate) fn builder_at(url: &str) -> PostgresBuilder {
        PostgresDataStore::builder(url).pool_size(4)
    }
}
