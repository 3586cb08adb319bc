//! Conformance suites, model tests and doubles for anyone who writes a Layerstore backend.
//!
//! Every contract of Layerstore is a list of numbered clauses in a trait's docs. A suite here has a test for each clause,
//! named after it, and an implementation joins with one line in its `tests/` folder:
//!
//! | trait | suite |
//! | --- | --- |
//! | `StorageEngine` | [`engine_conformance!`] |
//! | `MapDataStore` | [`data_store_conformance!`], see [`data_store`] for how a store is opened |
//! | `KvBackend` | [`kv_conformance!`] |
//! | `MutationObserver` | [`observer_conformance!`] |
//!
//! For tests of your own: [`clock`] is a clock that stands still until told otherwise, [`disk`] is one that loses power, [`doubles`]
//! are data stores that fail, wait or take notes, [`killed`] lets a process be killed amid its work, [`log`] keeps what `tracing` was told and [`metrics`] what was counted, [`power_cut`] is a
//! real file system whose power can be cut, [`records`] makes keys
//! and records of numbers, [`linearizability`] checks histories of concurrent operations, [`proxy`] breaks connections at exact
//! moments, [`takeover`] lets processes take a map from each other, and [`proof`] keeps counts and seeds of long tests. With a feature each, `services` are servers that
//! tests need, without anything to install or to start by hand.

pub mod clock;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a conformance suite is test code: an unexpected answer ends the test"
)]
pub mod data_store;
pub mod disk;
pub mod doubles;
#[expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    reason = "a conformance suite is test code: its numbers are small, and an unexpected answer ends the test"
)]
pub mod engine;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of tests: an unexpected answer ends the test"
)]
pub mod killed;
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a conformance suite is test code: an unexpected answer ends the test"
)]
pub mod kv;
pub mod linearizability;
pub mod log;
pub mod metrics;
#[cfg(feature = "objects")]
pub mod objects;
pub mod observer;
#[expect(
    clippy::expect_used,
    reason = "a harness of tests: a disk that does not do as it is told ends the test"
)]
pub mod power_cut;
pub mod proof;
pub mod proxy;
pub mod records;
#[cfg(any(feature = "services-postgres", feature = "services-s3"))]
pub mod services;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of tests: an unexpected answer ends the test"
)]
pub mod takeover;
