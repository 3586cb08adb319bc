//! Records from one data store to another, as they are.
//!
//! **K1**: a copy keeps versions, times and expiry, and brings tombstones along. Nothing newer in the target gives way to it.
//! **K2**: a copy that is repeated, or was interrupted anywhere, goes on where it stopped: what is there already is found by
//! reading both stores side by side in key order, and only what is missing is written, in batches that are durable whole.
//! **K3**: at the end both stores are read again, and counts and checksums of what was to be copied are compared.

mod compare;
mod pages;
mod pause;
mod report;
mod run;

pub use report::{CopyProgress, CopyReport, MapCopy, RefusedRecord, Side};
pub use run::Copy;
