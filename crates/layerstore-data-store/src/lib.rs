//! Layer 3: the contract of a store that keeps records when the process does not.
//!
//! This crate knows nothing of memory, eviction, partitions or observers; and the contract knows of no backend.

mod backoff;
mod breaker;
mod error;
mod fence;
mod limits;
mod memory;
mod memory_map;
mod null;
#[cfg(feature = "resilient")]
mod resilient;
mod restate;
mod retry;
mod scan;
mod store;
mod store_ext;
#[cfg(feature = "table")]
mod table;
mod verify;
mod write;

pub use backoff::{Backoff, BackoffPolicy, DEFAULT_ATTEMPTS, DEFAULT_BASE, DEFAULT_CAP, DEFAULT_TOTAL};
pub use breaker::{
    Breaker, BreakerPolicy, BreakerState, DEFAULT_LONGEST_PAUSE, DEFAULT_PAUSE, DEFAULT_THRESHOLD, Permit,
};
pub use error::{ErrorKind, FlushError, Outcome, StoreError};
pub use fence::{Floors, Held, Verdict, judge, judge_restatement};
pub use limits::Limits;
pub use memory::InMemoryDataStore;
pub use null::NullDataStore;
#[cfg(feature = "resilient")]
pub use resilient::{
    BREAKER_STATE, CALL_SECONDS, CALLS_TOTAL, DEFAULT_ATTEMPT_TIMEOUT, ResilientDataStore,
    ResilientDataStoreBuilder, TRIES_TOTAL, WRITES_TOTAL,
};
pub use restate::RestateRecords;
pub use retry::{Pause, retry, retry_writes};
pub use scan::{Include, ScanPage, ScanRequest};
pub use store::{CloseReport, MapClaim, MapDataStore, TryApply};
pub use store_ext::MapDataStoreExt;
#[cfg(feature = "table")]
pub use table::{
    DEFAULT_CALL_TIMEOUT, InvalidColumns, KeyRange, ListMaps, MAX_PAGE_RECORDS, RecordColumns, RecordTable,
    TableDataStore, TableFault, WriterColumns,
};
pub use verify::{CorruptRecord, MapReport, NAMED_CORRUPT_RECORDS, VerifyReport, verify};
pub use write::{Expect, Write, WriteOp, WriteResult};
