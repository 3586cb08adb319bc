//! Layer 2: one order for the writes of a key, over an engine that keeps records in memory and a data store that keeps them safe.
//!
//! This crate decides order, versions, expiry, eviction, provenance and merging. It does not know how records are laid out
//! in memory, which data store lies below, nor what observers do.

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

mod absent;
mod announce;
mod backup;
mod budget;
mod builder;
mod claim;
mod commit;
mod config;
mod core;
mod counters;
mod default_store;
mod entry;
mod error;
pub mod eviction;
mod eviction_run;
mod expiry;
mod factory;
mod gate;
mod init;
mod install;
mod job;
mod kind;
mod loads;
mod lock;
mod memory;
mod op;
mod outcome;
mod partition;
mod patience;
mod read_path;
mod record_store;
mod request;
mod residency;
mod scan;
mod stats;
mod sweeper;
mod tasks;
mod telling;
mod unresolved;
mod victims;
mod whole_map;
mod write_path;

pub use budget::{Budget, Limit};
pub use builder::{BuildError, RecordStoreBuilder};
pub use config::{
    ConfigError, DEFAULT_ABSENT_CAP, DEFAULT_ABSENT_TTL, DEFAULT_LOAD_CONCURRENCY, DEFAULT_LOAD_DEADLINE,
    DEFAULT_LOAD_QUEUE, DEFAULT_PUT_DEADLINE, DEFAULT_STORE_DEADLINE, DEFAULT_SWEEP_BATCH,
    DEFAULT_SWEEP_INTERVAL, DEFAULT_TOMBSTONE_HORIZON, DEFAULT_WRITE_CONCURRENCY, ExpiryPolicy,
    RecordStoreConfig,
};
pub use default_store::DefaultRecordStore;
pub use error::{RecordErrorKind, RecordStoreError};
pub use factory::{EngineMaker, RecordStoreFactory};
pub use outcome::{
    CloseReport, Outcome, PromoteReport, RecordPage, ResidentPage, ScanPlace, SweepReport, TryGet, TrySet,
    UnorderedPage,
};
pub use partition::{InvalidPartition, Partition};
pub use record_store::{RecordStore, Shutdown};
pub use request::{Compute, ComputeFn, MergeSource, NewValue, Period, WriteOptions};
pub use stats::RecordStoreStats;
