//! Two copies of a map become the same, whatever stands between them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an unexpected answer ends the test, in the helpers of tests too"
)]

mod bounds;
mod differences;
mod errors;
mod histories;
mod interruptions;
mod node;
mod rebuilding;
mod removals;
mod weather;
mod wire;
