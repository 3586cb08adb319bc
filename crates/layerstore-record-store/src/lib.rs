//! Layer 2: one order for the writes of a key, over an engine that keeps records in memory and a data store that keeps them safe.
//!
//! This crate decides order, versions, expiry, eviction, provenance and merging. It does not know how records are laid out
//! in memory, which data store lies below, what observers do, nor how keys are routed to partitions.

#[expect(dead_code, reason = "the default record store, which comes next, uses it")]
mod budget;
mod config;
mod error;
pub mod eviction;
mod lock;
mod outcome;
mod record_store;
mod request;
mod stats;

pub use budget::{Budget, Limit};
pub use config::{
    ConfigError, DEFAULT_ABSENT_CAP, DEFAULT_ABSENT_TTL, DEFAULT_LOAD_CONCURRENCY, DEFAULT_LOAD_DEADLINE,
    DEFAULT_LOAD_QUEUE, DEFAULT_PUT_DEADLINE, DEFAULT_STORE_DEADLINE, DEFAULT_SWEEP_BATCH,
    DEFAULT_SWEEP_INTERVAL, DEFAULT_TOMBSTONE_HORIZON, DEFAULT_WRITE_CONCURRENCY, ExpiryPolicy,
    RecordStoreConfig,
};
pub use error::{RecordErrorKind, RecordStoreError};
pub use outcome::{
    CloseReport, Outcome, PromoteReport, RecordPage, ResidentPage, SweepReport, TryGet, TrySet,
};
pub use record_store::{RecordStore, Shutdown};
pub use request::{Compute, ComputeFn, MergeSource, NewValue, Period, WriteOptions};
pub use stats::RecordStoreStats;
