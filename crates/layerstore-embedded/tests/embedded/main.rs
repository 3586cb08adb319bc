//! What the embedded store promises beyond the clauses that every data store is tested for.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

mod closing;
mod crash;
mod damage;
mod faults;
mod floors;
mod format;
mod groups;
mod recovery;
mod support;
mod writers;
