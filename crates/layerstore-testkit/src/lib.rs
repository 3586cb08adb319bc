//! Conformance suites, model tests and doubles for anyone who writes a Layerstore backend.

pub mod clock;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a conformance suite is test code: an unexpected answer ends the test"
)]
pub mod data_store;
pub mod doubles;
#[expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    reason = "a conformance suite is test code: its numbers are small, and an unexpected answer ends the test"
)]
pub mod engine;
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a conformance suite is test code: an unexpected answer ends the test"
)]
pub mod kv;
pub mod linearizability;
pub mod observer;
pub mod proof;
pub mod records;
