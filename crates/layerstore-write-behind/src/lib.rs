//! Layer 3, as a wrapper: acknowledge now, write later.
//!
//! [`WriteBehindDataStore`] stands before any data store. What it has acknowledged it keeps in a queue, and in the durable log that makes
//! such an acknowledgement one: [`DurableLog`], with [`Storage`] as its only way to files. This crate has no idea which data store it
//! stands before, and knows nothing of memory, eviction or observers.

mod accept;
mod alone;
mod dead_letters;
mod delivery;
mod failpoints;
mod flush;
mod log;
mod logged;
mod metrics;
mod opening;
mod options;
mod queue;
#[cfg(test)]
mod queue_tests;
mod read;
mod row;
mod sending;
mod shared;
mod status;
mod storage;
mod store;
mod worker;

pub use dead_letters::DeadLetter;
#[cfg(feature = "failpoints")]
pub use failpoints::{Failpoint, FailpointPlan, Reaction, Runs};
#[cfg(any(test, fuzzing))]
pub use log::fuzzing;
pub use log::{
    Appended, CloseReport, DEFAULT_DEADLINE, DEFAULT_GROUP_BYTES, DEFAULT_MAX_BYTES as DEFAULT_MAX_LOG_BYTES,
    DEFAULT_QUEUE_BYTES, DEFAULT_SEGMENT_BYTES, Damage, DurableLog, EncodedEntry, Inspection,
    LEAST_SEGMENT_BYTES, LogEntry, LogError, LogOptions, LogStats, LogWriter, Loss, MAX_REASON_BYTES,
    NewEntry, Recovered, SEGMENTS_AT_LEAST, SalvageReport, SegmentInfo, Sequence, SyncPolicy, TailCut,
    inspect, salvage,
};
pub use metrics::{
    DEAD_LETTERS, DEAD_LETTERS_TOTAL, FLUSH_SECONDS, LOG_BYTES, LOG_SYNC_SECONDS, OLDEST_PENDING_SECONDS,
    PENDING_BYTES, PENDING_RECORDS, RETRIES_TOTAL, WRITE_BEHIND_BREAKER_STATE,
};
pub use opening::WriteBehindBuilder;
pub use options::{
    Coalescing, DEFAULT_BATCH_BYTES, DEFAULT_BATCH_RECORDS, DEFAULT_CALL_TIMEOUT, DEFAULT_DELAY,
    DEFAULT_FLUSH_TIMEOUT, DEFAULT_MAX_BYTES, DEFAULT_MAX_RECORDS, DEFAULT_PARALLEL, DEFAULT_PATIENCE,
    WhenFull, WriteBehindOptions,
};
pub use status::WriteBehindStatus;
pub use storage::{DiskStorage, Storage, StorageError, StorageFile};
pub use store::WriteBehindDataStore;

/// What errors call the store.
pub(crate) const STORE: &str = "write-behind";
