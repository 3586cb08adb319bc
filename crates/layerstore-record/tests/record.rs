//! What must hold of records: their bytes, their way through serde, their merging, their clock and their end.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

#[path = "record/clock.rs"]
mod clock;
#[path = "record/codec.rs"]
mod codec;
#[path = "record/expiry.rs"]
mod expiry;
#[path = "record/fixtures.rs"]
mod fixtures;
#[path = "record/fuzz.rs"]
mod fuzz;
#[path = "record/memory.rs"]
mod memory;
#[path = "record/merge.rs"]
mod merge;
#[path = "record/samples.rs"]
mod samples;
#[path = "record/serde_from.rs"]
mod serde_from;
#[path = "record/serde_to.rs"]
mod serde_to;
#[path = "record/stats.rs"]
mod stats;
