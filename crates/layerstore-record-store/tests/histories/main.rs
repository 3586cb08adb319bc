//! Histories of many tasks on real threads, while records are evicted, loaded, swept, cleared and flushed: R12, the
//! linearizability of a key's calls and the order of its events, and M3, that no acknowledged write is ever undone.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an unexpected answer ends the test, in the helpers of tests too"
)]

mod client;
mod facts;
mod linearizable;
mod model;
mod observed;
mod owner;
mod owners;
mod races;
mod reader;
mod stage;
mod weather;
