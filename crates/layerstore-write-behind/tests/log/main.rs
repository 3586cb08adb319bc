//! The durable log, on a simulated disk and on a real one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "test code: its numbers are small, and an unexpected answer ends the test"
)]

mod bounds;
mod corruption;
mod crashes;
mod cuts;
mod flips;
mod format;
mod full_disk;
mod opening;
mod salvaging;
mod script;
mod shared;
mod support;
mod sync_errors;
