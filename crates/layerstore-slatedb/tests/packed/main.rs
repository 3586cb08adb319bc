//! Packed records on services: S3 over HTTP, requests that fail, a service that never answers, and places of another layout.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

mod faults;
mod places;
mod s3;
mod support;
mod taken;
