//! Layer 3 in PostgreSQL: records as rows, fenced by their versions and by the writer epoch of their map.
//!
//! This crate turns batches into a few statements and their answers back. It keeps no state in a database session, so
//! that a pooler may stand between, and knows nothing of memory, eviction or observers.
//!
//! ```no_run
//! # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use layerstore_data_store::MapDataStore;
//! use layerstore_postgres::PostgresDataStore;
//! use layerstore_record::MapName;
//!
//! let store = PostgresDataStore::builder(url).pool_size(8).connect().await?;
//! let claim = store.claim(&MapName::new("users")?).await?;
//! println!("versions stand at {}", claim.high_water);
//! # Ok(())
//! # }
//! ```

mod address;
mod apply;
mod attempts;
mod batch;
mod builder;
mod claims;
mod connections;
mod convert;
mod json;
mod judged;
mod reader;
mod row;
mod schema;
mod statements;
mod store;
mod sweep;

pub use builder::{
    DEFAULT_ACQUIRE_TIMEOUT, DEFAULT_APPLICATION_NAME, DEFAULT_ATTEMPTS, DEFAULT_BATCH_BYTES,
    DEFAULT_BATCH_RECORDS, DEFAULT_CONNECT_TIMEOUT, DEFAULT_POOL_SIZE, DEFAULT_SCHEMA,
    DEFAULT_STATEMENT_CACHE, DEFAULT_STATEMENT_TIMEOUT, Migrations, PostgresBuilder, TlsMode, ValueFormat,
};
pub use store::PostgresDataStore;
