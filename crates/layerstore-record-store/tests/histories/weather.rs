//! What goes on around the clients of a history: time passes, records are evicted, swept, flushed and loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use layerstore_record_store::{RecordStore, WriteOptions};
use layerstore_testkit::records::key;

use crate::stage::Stage;

/// Goes on until `done`. What fails, fails: the clients' calls are what is judged.
pub(crate) async fn weather(stage: Arc<Stage>, mut rng: Rng, keys: u64, done: Arc<AtomicBool>) {
    while !done.load(Ordering::Acquire) {
        let any = key(rng.u64(..keys));
        // Beyond the clients' keys: these records take memory from theirs.
        let other = key(keys + rng.u64(..2 * keys));
        match rng.u8(..24) {
            0..=3 => stage.clock.advance(Duration::from_millis(1)),
            4 | 5 => drop(stage.store.sweep().await),
            6..=9 => drop(stage.store.evict(&any).await),
            10 => drop(stage.store.clear_memory().await),
            11 => drop(stage.store.soft_flush()),
            12 => drop(stage.store.hard_flush().await),
            13 => drop(stage.store.load(&any).await),
            14 => drop(stage.store.preload(2).await),
            15..=20 => drop(
                stage
                    .store
                    .set(&other, 0.into(), &WriteOptions::unlimited())
                    .await,
            ),
            _ => drop(stage.store.get(&other).await),
        }
        tokio::task::yield_now().await;
    }
}
