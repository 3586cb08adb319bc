//! Keeps a server's records in memory at memory speed, and safe in a store of your choice.
//!
//! A [`Layerstore`] has maps; a [`Map`] has records, which are read and written as a type of yours. Memory serves the reads;
//! the data store below (by default an embedded database in a directory) has every acknowledged write.
//!
//! ```
//! use layerstore::Layerstore;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct User {
//!     name: String,
//!     visits: u64,
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), layerstore::Error> {
//! let store = Layerstore::builder().in_memory().build().await?;
//! let users = store.map::<User>("users")?;
//! users.set("alice", &User { name: "Alice".into(), visits: 1 }).await?;
//! users.update("alice", |old| old.map(|user| User { visits: user.visits + 1, ..user })).await?;
//! assert_eq!(users.get("alice").await?.map(|user| user.visits), Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! This crate routes keys to partitions, reads the configuration and owns what runs in the background. What a record is,
//! how memory holds it, in which order it is written and where it is kept is the business of the crates below, which are
//! here under their own names for whoever brings an engine, a data store or an observer.

#[cfg(all(doctest, feature = "embedded"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "toml"))]
#[doc = include_str!("../../../README.md")]
struct RepositoryReadme;

#[cfg(all(doctest, feature = "embedded", feature = "write-behind"))]
#[doc = include_str!("../../../docs/write-behind.md")]
struct WriteBehindPage;

#[cfg(all(doctest, feature = "sync"))]
#[doc = include_str!("../../../docs/observers.md")]
struct ObserversPage;

mod backend;
mod behind;
mod builder;
mod config;
mod copy;
#[cfg(feature = "toml")]
mod data_store_config;
mod data_store_kind;
mod error;
mod into_key;
mod layerstore;
mod live;
mod maintenance;
mod map;
mod map_observers;
mod partitions;
mod preload;
mod questions;
mod records;
mod report;
mod scan;
mod set;
mod settings;
mod single_flight;

pub use backend::OpenDataStore;
#[cfg(feature = "write-behind")]
pub use behind::{Retried, WriteBehind, WriteBehindSettings};
pub use builder::Builder;
/// What decoders must do with any bytes; only fuzz targets and tests have it.
#[cfg(all(feature = "toml", any(test, fuzzing)))]
pub mod fuzzing {
    pub use crate::config::config;
}

#[cfg(feature = "toml")]
pub use config::config_page;
pub use config::{ConfigError, InvalidSize, Place, Size};
pub use copy::{Copy, CopyProgress, CopyReport, MapCopy, RefusedRecord, Side};
#[cfg(feature = "toml")]
pub use data_store_config::DataStoreConfig;
pub use data_store_kind::DataStoreKind;
pub use error::Error;
pub use into_key::IntoKey;
pub use layerstore::Layerstore;
pub use live::Live;
pub use map::Map;
pub use records::Records;
pub use report::{CloseReport, FlushReport, MapCloseReport};
pub use set::{Set, SetFuture};
pub use settings::{
    DEFAULT_DIRECTORY, DEFAULT_PARTITIONS, DEFAULT_PURGE_INTERVAL, DEFAULT_SWEEP_INTERVAL, Eviction,
    MAX_PARTITIONS, MapSettings, MemoryLimit, OnExpiry,
};

pub use layerstore_data_store::{self as data_store, CorruptRecord, MapReport, ScanRequest, VerifyReport};
#[cfg(feature = "embedded")]
pub use layerstore_embedded as embedded;
pub use layerstore_engine as engine;
pub use layerstore_observer as observer;
#[cfg(feature = "_object")]
pub use layerstore_opendal as object;
#[cfg(feature = "postgres")]
pub use layerstore_postgres as postgres;
pub use layerstore_query::{
    self as query, Access, Answer, Direction, Explanation, Field, Index, LiveChange, LiveEvent, LiveItem,
    LiveSubscription, Path, Predicate, Query, QueryError, field,
};
pub use layerstore_record::{
    self as record, Clock, Cost, Expiry, Fields, Key, MAX_DEPTH, MAX_KEY_BYTES, MapName, Millis, NodeId,
    Record, RecordValue, SystemClock, Text, Value, Version,
};
pub use layerstore_record_store::{
    self as record_store, Compute, NewValue, Outcome, Partition, Period, RecordErrorKind, RecordStoreError,
    RecordStoreStats, TryGet, TrySet, WriteOptions,
};
#[cfg(feature = "slatedb")]
pub use layerstore_slatedb as slatedb;
#[cfg(feature = "sync")]
pub use layerstore_sync as sync;
#[cfg(feature = "tiered")]
pub use layerstore_tiered as tiered;
#[cfg(feature = "write-behind")]
pub use layerstore_write_behind::{
    self as write_behind, Coalescing, DeadLetter, LogOptions, SyncPolicy, WhenFull, WriteBehindOptions,
    WriteBehindStatus,
};
