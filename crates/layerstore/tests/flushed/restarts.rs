//! A server that is stopped at once, as by a crash, and started again.

use std::path::Path;

use fastrand::Rng;
use layerstore::Layerstore;
use layerstore::postgres::PostgresDataStore;
use layerstore_testkit::proof;
use layerstore_testkit::services::private_postgres;

use crate::load::{DEADLINE, Load, drains_by_itself};
use crate::watcher::Watcher;

/// The full figure.
const RESTARTS: u64 = 200;

/// So many writes at most are seen in the database before the next restart.
const MOST_SEEN: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_restarts_amid_flushes_lose_nothing_and_bring_nothing_older_back() {
    let server = private_postgres(&[]).await.unwrap();
    let database = server.database().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), database.url()).await;
    let connect = || PostgresDataStore::builder(database.url()).pool_size(2).connect();
    let (load, mut watcher) = (Load::start(&store), Watcher::start(connect().await.unwrap()));
    let seed = proof::seed();
    let mut rng = Rng::with_seed(seed);
    let restarts = proof::scaled(RESTARTS);
    for _ in 0..restarts {
        // Every restart falls into the midst of a flush.
        watcher.sees(rng.u64(1..=MOST_SEEN)).await;
        server.restart_immediate().await.unwrap();
    }
    let (acknowledged, told) = load.end().await;
    drains_by_itself(&store, &connect().await.unwrap(), &told).await;
    assert!(store.close(DEADLINE).await.is_complete());
    let counts = [
        ("restarts", restarts),
        ("acknowledged", acknowledged),
        ("seen_in_the_database", watcher.end().await),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R18", &counts);
}

/// Opens a store as a configuration file says: with the retries, breakers and timeouts that everybody has.
async fn open(directory: &Path, url: &str) -> Layerstore {
    let file = directory.join("layerstore.toml");
    let text = format!(
        "format = 1\n[data_store]\nkind = \"postgres\"\nurl = \"{url}\"\npool_size = 4\n[write_behind]\ndelay = \"none\"\nbatch = 4\n"
    );
    std::fs::write(&file, text).unwrap();
    Layerstore::open(&file).await.unwrap()
}
