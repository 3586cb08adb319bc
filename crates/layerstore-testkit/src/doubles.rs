//! Data stores that fail, wait or take notes, around any other: for tests of what stands above a data store.
//!
//! [`FailingDataStore`] and [`SlowDataStore`] never write without I/O, whatever the store below would do: they stand for
//! stores that are far away.

mod call;
mod dawdling;
mod failing;
mod fault;
mod gates;
mod recording;
mod restate;
mod slow;

pub use call::Call;
pub use dawdling::DawdlingDataStore;
pub use failing::FailingDataStore;
pub use fault::Fault;
pub use gates::Side;
pub use recording::{Recorded, RecordingDataStore, Target};
pub use slow::SlowDataStore;

#[cfg(test)]
mod tests;
