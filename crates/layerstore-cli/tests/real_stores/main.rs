//! The command over PostgreSQL, S3 and two tiers: the same commands give the same, byte for byte, as over the embedded store.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod chain;
mod mistakes;
mod same;
#[path = "../cli/shop.rs"]
#[expect(dead_code, reason = "the other tests of the command use the rest")]
mod shop;
mod store;
