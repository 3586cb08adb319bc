//! The durable log on a real file system whose power is cut, amid eight writers that never pause.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod cuts;
mod cycle;
mod interval;
mod ledger;
mod moment;
mod number;
mod told;
mod watched;
mod writers;
