//! PostgreSQL beyond the contract: outages, takeovers, tables, formats and secrets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

#[path = "../server/mod.rs"]
mod server;

mod formats;
mod migrations;
mod outages;
mod pooler;
mod proxy;
mod secrets;
mod silence;
mod support;
mod takeovers;
mod tls;
mod unknown;
