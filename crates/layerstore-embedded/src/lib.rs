//! Layer 3 in the process: records kept durably in an embedded key-value store.
//!
//! This crate turns records into rows and back, decides with the shared fence what becomes of a write, and makes many
//! callers share one sync. It has no idea which key-value store it stands on, and knows nothing of memory, eviction or
//! observers.
//!
//! ```
//! # #[cfg(feature = "fjall")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use layerstore_data_store::MapDataStore;
//! use layerstore_embedded::{EmbeddedOptions, KvDataStore};
//! use layerstore_record::MapName;
//!
//! let store = KvDataStore::open("data", EmbeddedOptions::default()).await?;
//! let claim = store.claim(&MapName::new("users")?).await?;
//! println!("versions stand at {}", claim.high_water);
//! # Ok(())
//! # }
//! ```

mod claims;
mod committer;
mod convert;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod group;
mod keyspaces;
mod meta;
mod options;
mod reader;
mod row;
mod store;
mod sweep;
mod verify;

/// Reading from one state of a key-value store, for those who have no store open over it: what another process writes.
pub mod reading {
    pub use crate::reader::{epoch, list_maps, load_all, load_stored, scan_page};
    pub use crate::verify::verify;
}

pub use convert::from_kv;
pub use layerstore_data_store::{CorruptRecord, MapReport, VerifyReport};
/// The contract of the key-value stores that [`KvDataStore::over`] takes.
pub use layerstore_kv as kv;
pub use options::{
    DEFAULT_DEADLINE, DEFAULT_GROUP_RECORDS, DEFAULT_QUEUE_LEN, DEFAULT_READS, EmbeddedOptions,
};
pub use store::KvDataStore;
