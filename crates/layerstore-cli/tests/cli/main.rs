//! The command as people and scripts use it: the real binary, in directories of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod bad_input;
mod copy;
mod damage;
mod disk;
mod import;
mod kill;
mod readme;
mod round_trip;
mod shop;
mod stores;
mod terminal;
#[cfg(all(feature = "tiered", feature = "fs"))]
mod tiered;
mod watch;
#[cfg(feature = "write-behind")]
mod write_behind;
