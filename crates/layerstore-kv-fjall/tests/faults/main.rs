//! What fjall does on a damaged or failing disk, told in the words of the contract.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

mod damage;
mod processes;
mod syscalls;
