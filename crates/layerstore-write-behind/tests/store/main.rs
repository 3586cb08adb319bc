//! The write-behind store, clause by clause, and the schedules, outages and kills that it must survive.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod acknowledging;
mod bounds;
mod dropping;
mod failures;
mod flushing;
mod order;
mod outage;
mod overlay;
mod replay;
mod schedules;
mod support;
