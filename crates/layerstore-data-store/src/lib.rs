//! Layer 3: the contract of a store that keeps records when the process does not.
//!
//! This crate knows nothing of memory, eviction, partitions or observers; and the contract knows of no backend.

mod error;
mod fence;
mod limits;
mod memory;
mod memory_map;
mod null;
mod scan;
mod store;
mod store_ext;
mod write;

pub use error::{ErrorKind, FlushError, Outcome, StoreError};
pub use fence::{Floors, Held, Verdict, judge};
pub use limits::Limits;
pub use memory::InMemoryDataStore;
pub use null::NullDataStore;
pub use scan::{Include, ScanPage, ScanRequest};
pub use store::{CloseReport, MapClaim, MapDataStore, TryApply};
pub use store_ext::MapDataStoreExt;
pub use write::{Expect, Write, WriteOp, WriteResult};
