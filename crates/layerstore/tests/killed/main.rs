//! kill -9 of a process that writes through write-behind into the embedded store: R1 and R2, that acknowledged writes are there, also after another
//! kill while they are taken over; and R13, that all calls on a key, before the kills and after, have one order.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

mod acknowledged;
mod client;
mod history;
mod life;
mod line;
mod linearizable;
mod model;
