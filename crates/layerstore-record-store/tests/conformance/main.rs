//! Every clause of the record store's contract, S1 to S10, and every row of the provenance table.

#[expect(
    clippy::unwrap_used,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod cold;
mod dawdling;
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod drops;
#[expect(
    clippy::unwrap_used,
    reason = "a lock is poisoned only where a test has failed"
)]
mod queueing;
#[expect(
    clippy::unwrap_used,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod s1;
mod s10;
mod s2;
mod s2_retries;
mod s3;
#[expect(
    clippy::unwrap_used,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod s4;
#[expect(
    clippy::unwrap_used,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod s5;
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod s6;
mod s6_sweeps;
mod s7;
mod s8;
#[expect(
    clippy::unwrap_used,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod s9;
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "an unexpected answer ends the test, in its helpers too"
)]
mod s9_verbs;
mod slow_tier;
mod spine;
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "help for tests, where an unexpected answer ends the test; the clauses that come next use the rest"
)]
mod stage;
