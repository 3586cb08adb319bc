//! Layer 3, as a wrapper: acknowledge now, write later.
//!
//! Here is the durable log that makes such an acknowledgement one: [`DurableLog`], and [`Storage`], its only way to files. The queue
//! and the worker that stand on it are not here yet. This crate has no idea which data store it stands before, and knows nothing of
//! memory, eviction or observers.

mod log;
mod storage;

#[cfg(any(test, fuzzing))]
pub use log::fuzzing;
pub use log::{
    Appended, CloseReport, DEFAULT_DEADLINE, DEFAULT_GROUP_BYTES, DEFAULT_MAX_BYTES, DEFAULT_QUEUE_BYTES,
    DEFAULT_SEGMENT_BYTES, Damage, DurableLog, EncodedEntry, Inspection, LEAST_SEGMENT_BYTES, LogEntry,
    LogError, LogOptions, LogStats, LogWriter, Loss, MAX_REASON_BYTES, NewEntry, Recovered,
    SEGMENTS_AT_LEAST, SalvageReport, SegmentInfo, Sequence, SyncPolicy, TailCut, inspect, salvage,
};
pub use storage::{DiskStorage, Storage, StorageError, StorageFile};
