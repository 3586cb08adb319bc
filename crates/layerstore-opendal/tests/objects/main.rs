//! What the suite of all data stores does not ask of one over object storage.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

mod faults;
mod fencing;
mod format;
mod news;
mod probe;
mod s3;
mod settings;
mod support;
