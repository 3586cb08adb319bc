//! The life of a process of a history: it opens what the one before it left, and makes calls until it is killed.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use layerstore::{
    Coalescing, Layerstore, LogOptions, Records, SyncPolicy, WriteBehindOptions, WriteBehindSettings,
};
use layerstore_testkit::killed::{self, Errand};
use tokio::task::JoinSet;

use crate::client::{CLIENTS, Client};
use crate::line::Line;

/// From this number on a process ends by itself.
pub(crate) const LAST_RUN: u64 = 1_000;

/// How many calls a client makes in the process that nobody kills.
const LAST_CALLS: u64 = 20;

/// How many calls a client makes before it ends by itself, far beyond what its parent waits for.
const MOST_CALLS: u64 = 100_000;

const MAP: &str = "killed";
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn live(errand: &Errand) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut rng = Rng::with_seed(errand.seed);
        killed::tell(Line::Opening);
        let (store, records) = open(&errand.directory, &mut rng).await;
        let is_last = errand.run >= LAST_RUN;
        let calls = if is_last { LAST_CALLS } else { MOST_CALLS };
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(Client::new(&records, rng.fork(), errand.run, client).run(calls));
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        if is_last {
            end(errand, &mut rng, store, records).await;
        }
    });
}

/// Reads everything, from what is pending and then from the final store.
async fn end(errand: &Errand, rng: &mut Rng, store: Layerstore, records: Records) {
    Client::new(&records, rng.fork(), errand.run + 1, 0)
        .read_all()
        .await;
    let closed = store.close(DEADLINE).await;
    assert!(closed.is_complete(), "{closed:?}");
    drop((store, records));
    let (store, records) = open(&errand.directory, rng).await;
    Client::new(&records, rng.fork(), errand.run + 2, 0)
        .read_all()
        .await;
    let closed = store.close(DEADLINE).await;
    assert!(closed.is_complete(), "{closed:?}");
}

async fn open(directory: &Path, rng: &mut Rng) -> (Layerstore, Records) {
    let store = Layerstore::builder()
        .embedded(directory)
        .write_behind(settings(rng))
        .build()
        .await
        .unwrap();
    let recovered = store.write_behind().unwrap().recovered().unwrap();
    killed::tell(Line::Opened {
        pending: recovered.pending as u64,
    });
    let records = store.records(MAP).unwrap();
    (store, records)
}

/// Writes go to the store at once, soon, or after the kill; segments are small, so that entries are copied forward.
fn settings(rng: &mut Rng) -> WriteBehindSettings {
    let delays = [0, 2, 20, 1_000];
    let mut options = WriteBehindOptions::default()
        .delay(Duration::from_millis(delays[rng.usize(..delays.len())]))
        .batch_records(rng.usize(1..=8));
    if rng.bool() {
        options.coalescing = Coalescing::Each;
    }
    let log = LogOptions::default().segment_bytes(8 << 10).max_bytes(256 << 10);
    WriteBehindSettings::new()
        .options(options)
        .log_options(log)
        .sync(SyncPolicy::Always)
}
