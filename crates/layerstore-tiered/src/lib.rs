//! A hot and a cold data store as one: records that nobody uses move to the cold one, and come back when they are read.
//!
//! This crate knows nothing of memory, partitions or observers, and not which stores the two are. It decides nothing that
//! hot decides already: fences, conditions, floors and expiry are hot's.

mod archive;
mod archiver;
mod cold;
mod convert;
mod copy;
mod erase;
mod form;
mod maps;
mod options;
mod policy;
mod promote;
mod read;
mod store;
mod sweep;

pub use archive::ArchiveReport;
pub use archiver::{Archiver, ArchiverReport, DEFAULT_PAUSE, Schedule};
pub use options::{DEFAULT_REMEMBERED, Promotion, TieredOptions};
pub use policy::{
    ArchivePolicy, ArchivePolicyBuilder, DEFAULT_BATCH_BYTES, DEFAULT_BATCH_RECORDS, InvalidPolicy,
};
pub use store::TieredDataStore;
pub use sweep::SweepReport;
