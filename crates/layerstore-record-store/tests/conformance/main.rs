//! Every clause of the record store's contract, S1 to S10, and every row of the provenance table.

mod s4;
mod s5;
mod spine;
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "help for tests, where an unexpected answer ends the test; the clauses that come next use the rest"
)]
mod stage;
