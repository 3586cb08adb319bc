//! R18 through the flush: PostgreSQL is restarted, and connections are cut before and after it has committed, while writes that were acknowledged out
//! of the log go to it. Nothing is lost, nothing older comes over something newer, and the queue drains by itself.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod cuts;
mod load;
mod restarts;
mod watcher;
