//! R18: restarts of the server and cuts of connections while writes are made through.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use layerstore_data_store::{MapDataStore, Outcome, WriteResult};
use layerstore_postgres::{PostgresBuilder, PostgresDataStore};
use layerstore_record::{Key, MapName};
use layerstore_testkit::proof;
use layerstore_testkit::services::private_postgres;

use crate::proxy::{Cut, Proxy};
use crate::server::Database;
use crate::support::{CLOSE, key, map, number, put};

/// Writers beside each other, each with keys of its own.
const WRITERS: u64 = 4;

/// Keys of a writer: one batch writes them all.
const KEYS: u64 = 3;

/// What a writer was told of a key.
struct Told {
    key: Key,
    acknowledged: u64,
    /// Newer writes whose outcome nobody told.
    unknown: BTreeSet<u64>,
}

/// Writers that go on until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Vec<Told>>>,
}

impl Load {
    fn start(store: &Arc<PostgresDataStore>, map: &MapName) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writer = |writer| {
            let (store, map) = (Arc::clone(store), map.clone());
            tokio::spawn(write(
                store,
                map,
                writer,
                Arc::clone(&stop),
                Arc::clone(&acknowledged),
            ))
        };
        Self {
            tasks: (0..WRITERS).map(writer).collect(),
            stop,
            acknowledged,
        }
    }

    async fn end(self) -> Vec<Told> {
        self.stop.store(true, Ordering::Release);
        let mut told = Vec::new();
        for task in self.tasks {
            told.extend(task.await.unwrap());
        }
        told
    }
}

/// Writes rising versions to its keys, one batch after the other, and notes what it is told.
async fn write(
    store: Arc<PostgresDataStore>,
    map: MapName,
    writer: u64,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Vec<Told> {
    let mut told: Vec<Told> = (0..KEYS)
        .map(|number| Told {
            key: key(&format!("writer {writer}, key {number}")),
            acknowledged: 0,
            unknown: BTreeSet::new(),
        })
        .collect();
    let mut version = 0;
    while !stop.load(Ordering::Acquire) {
        version += 1;
        let answers = store
            .apply(told.iter().map(|told| put(&map, &told.key, version)).collect())
            .await;
        for (told, answer) in told.iter_mut().zip(answers) {
            match answer {
                WriteResult::Applied => {
                    told.acknowledged = version;
                    told.unknown.clear();
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                WriteResult::Rejected(error) if error.outcome() == Outcome::Unknown => {
                    told.unknown.insert(version);
                }
                // Nothing was done: the version must never be seen.
                WriteResult::Rejected(error) => assert!(error.is_retryable(), "{error}"),
                other => panic!("a writer that is alone with its keys is never behind: {other:?}"),
            }
        }
    }
    told
}

/// Compares what is stored with what was told; returns how many acknowledged writes were looked for.
async fn compare(store: &PostgresDataStore, map: &MapName, told: &[Told]) {
    for told in told {
        let held = number(store, map, &told.key).await.unwrap_or_default();
        assert!(
            held == told.acknowledged || told.unknown.contains(&held),
            "R18: {:?} holds {held}; acknowledged was {}, unknown {:?}",
            told.key,
            told.acknowledged,
            told.unknown
        );
    }
}

fn patient(builder: PostgresBuilder) -> PostgresBuilder {
    let long = Duration::from_secs(60);
    builder
        .acquire_timeout(long)
        .connect_timeout(long)
        .statement_timeout(long)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_cut_connections_lose_nothing_and_bring_nothing_older_back() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let through = database.get().await.url_through(proxy.address());
    let store = Arc::new(
        patient(PostgresDataStore::builder(through).pool_size(4))
            .connect()
            .await
            .unwrap(),
    );
    store.claim(&map).await.unwrap();
    let cuts = proof::scaled(1_000);
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let load = Load::start(&store, &map);
    for made in 1..=cuts {
        let kinds = [Cut::BeforeRequest, Cut::AfterRequest, Cut::BeforeReply];
        proxy.arm(rng.u64(0..12), kinds[rng.usize(0..kinds.len())]);
        proxy.cut(made).await;
    }
    let acknowledged = load.acknowledged.load(Ordering::Relaxed);
    let told = load.end().await;
    compare(&store, &map, &told).await;
    assert!(store.close(CLOSE).await.is_complete());
    // A pool of one connection after the other that was cut is as good as new.
    let direct = database.builder().await.connect().await.unwrap();
    compare(&direct, &map, &told).await;
    proof::report(
        "R18 cuts",
        &[
            ("cuts", cuts),
            ("acknowledged", acknowledged),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_immediate_restarts_lose_nothing_and_bring_nothing_older_back() {
    let server = private_postgres(&[]).await.unwrap();
    let (database, map) = (server.database().await.unwrap(), map("map"));
    let store = patient(PostgresDataStore::builder(database.url()).pool_size(4))
        .connect()
        .await
        .unwrap();
    let store = Arc::new(store);
    store.claim(&map).await.unwrap();
    let restarts = proof::scaled(200);
    let load = Load::start(&store, &map);
    for _ in 0..restarts {
        // Every restart falls into the midst of writes.
        let enough = load.acknowledged.load(Ordering::Relaxed) + 200;
        while load.acknowledged.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        server.restart_immediate().await.unwrap();
    }
    let acknowledged = load.acknowledged.load(Ordering::Relaxed);
    let told = load.end().await;
    compare(&store, &map, &told).await;
    assert!(store.close(CLOSE).await.is_complete());
    proof::report(
        "R18 restarts",
        &[
            ("restarts", restarts),
            ("acknowledged", acknowledged),
            ("violations", 0),
        ],
    );
}
