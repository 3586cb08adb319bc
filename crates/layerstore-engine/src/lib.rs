//! Layer 1: keep records in memory, and nothing else.
//!
//! This crate does no I/O, never reads the clock, and has no idea that expiry, persistence or observers exist.

mod cursor;
mod engine;
mod hash_map;
mod lookup;

pub use cursor::{Cursor, Page, Slot};
pub use engine::StorageEngine;
pub use hash_map::HashMapEngine;
pub use lookup::{ColdError, ColdFuture, ColdRecord, Computed, Decision, Lookup, Previous};

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
