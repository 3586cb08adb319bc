//! What the tiered store promises beyond the contract of data stores: clauses T-lose, T-back, T-away and T-waste.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an unexpected answer ends the test"
)]

mod archiver;
mod away;
mod back;
mod batches;
mod crash;
mod forgetful;
mod forms;
mod lose;
mod power;
mod support;
mod waste;
