//! Merkle trees over records, and the observer that keeps one.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

mod equality;
mod events;
mod memory;
mod rebuild;
mod removals;
mod samples;
mod shape;
