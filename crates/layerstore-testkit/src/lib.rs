//! Conformance suites, model tests and doubles for anyone who writes a Layerstore backend.

pub mod observer;
pub mod proof;
