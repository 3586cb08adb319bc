//! R24: every named step of write-behind fails, takes long and is where the process ends; what was acknowledged is there all the same.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod answers;
mod errors;
mod hook;
mod journal;
#[cfg(unix)]
mod kills;
mod ledger;
mod list;
mod script;
mod slow;
mod verify;
mod world;
