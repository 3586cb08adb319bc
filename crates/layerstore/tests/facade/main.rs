//! What a user of the facade relies on, on both flavours of tokio's runtime.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

use std::time::Duration;

use futures::future::BoxFuture;
use layerstore::Layerstore;
use serde::{Deserialize, Serialize};

mod copy;
mod drops;
mod life;
mod log;
mod memory;
mod observers;
#[cfg(any(feature = "write-behind", all(feature = "tiered", feature = "fs")))]
mod opening;
mod preload;
mod questions;
mod reads;
mod restarts;
mod settings;
mod thread_safety;
#[cfg(all(feature = "tiered", feature = "fs"))]
mod tiered;
mod verbs;
#[cfg(feature = "write-behind")]
mod write_behind;

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    visits: u64,
}

fn user(name: &str, visits: u64) -> User {
    User {
        name: name.to_owned(),
        visits,
    }
}

/// Runs a test on a runtime of one thread and on one of several.
fn on_both_flavours(test: impl Fn() -> BoxFuture<'static, ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test());
}

async fn close(store: Layerstore) {
    let report = store.close(DEADLINE).await;
    assert!(report.is_complete(), "{report:?}");
}
