//! Layer 3 on object storage: each record an object, on any of the services that OpenDAL knows.
//!
//! This crate turns records into objects and back, decides with the shared fence what becomes of a write, and keeps earlier
//! writers out by conditional writes. It knows nothing of memory, partitions or observers, and has no code for any one service.

mod bucket;
mod convert;
mod exclusive;
mod group;
mod head;
mod held;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azblob"))]
mod http;
mod key_writes;
mod news;
mod object;
mod open;
mod options;
mod path;
mod place;
mod probe;
mod reader;
mod service;
#[cfg(any(
    feature = "memory",
    feature = "fs",
    feature = "s3",
    feature = "gcs",
    feature = "azblob"
))]
mod setting_names;
mod settle;
mod shared;
mod store;
mod sweep;
mod turn;
mod writer;

/// What [`OpendalDataStore::over`] takes: for services and layers that this crate does not know.
pub use opendal;
pub use options::{
    DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_ATTEMPTS, DEFAULT_BACKOFF, DEFAULT_CONCURRENCY, DEFAULT_GROUP_RECORDS,
    DEFAULT_KNOWN_KEYS, DEFAULT_QUEUE_LEN, LONGEST_BACKOFF, OpendalOptions,
};
pub use path::{MAPS, map_dir, map_of};
pub use place::{Layout, Place};
pub use probe::ProbeReport;
pub use store::OpendalDataStore;
