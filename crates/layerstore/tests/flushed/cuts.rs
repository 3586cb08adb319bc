//! Connections that are cut before the server has committed, amid that, and before its answer arrives.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use layerstore::data_store::{BackoffPolicy, BreakerPolicy};
use layerstore::postgres::PostgresDataStore;
use layerstore::{Coalescing, Layerstore, WriteBehindOptions, WriteBehindSettings};
use layerstore_testkit::proof;
use layerstore_testkit::proxy::{Direction, TcpProxy, postgres};
use layerstore_testkit::services;
use tokio::time::timeout;

use crate::load::{DEADLINE, Load, drains_by_itself};
use crate::watcher::Watcher;

/// The full figure.
const CUTS: u64 = 1_000;

/// So many statements at most pass before a cut.
const MOST_BEFORE: u64 = 8;

/// Beyond that writers wait: a store that is cut off all the time does not keep up with a log.
const MOST_PENDING: usize = 500;

/// How long a cut is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a connection is cut.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The server never gets the order to execute.
    BeforeRequest,
    /// The server has got it, and may be anywhere.
    Amid,
    /// The server has committed, and its answer never arrives.
    BeforeReply,
}

#[derive(Default)]
struct Counts {
    cuts: u64,
    acknowledged: u64,
    seen: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_connections_cut_amid_flushes_lose_nothing_and_bring_nothing_older_back() {
    let seed = proof::seed();
    let mut rng = Rng::with_seed(seed);
    let mut counts = Counts::default();
    let cuts = proof::scaled(CUTS);
    // Half of them each.
    let newest = cuts.div_ceil(2);
    cut_connections(Coalescing::Newest, newest, &mut rng, &mut counts).await;
    cut_connections(Coalescing::Each, cuts - newest, &mut rng, &mut counts).await;
    let counts = [
        ("cuts", counts.cuts),
        ("acknowledged", counts.acknowledged),
        ("seen_in_the_database", counts.seen),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R18", &counts);
}

async fn cut_connections(coalescing: Coalescing, cuts: u64, rng: &mut Rng, counts: &mut Counts) {
    let database = services::postgres().await.expect("a test needs a server");
    let proxy = TcpProxy::start(&database.server(), postgres::messages)
        .await
        .unwrap();
    let through = PostgresDataStore::builder(database.url_through(proxy.address()));
    // A write that fails is not tried again below the queue: that is to be seen.
    let through = through.pool_size(4).attempts(1).connect().await.unwrap();
    let log = tempfile::tempdir().unwrap();
    let settings = WriteBehindSettings::new()
        .options(options(coalescing))
        .log_directory(log.path());
    let store = Layerstore::builder()
        .data_store(Arc::new(through))
        .write_behind(settings)
        .build()
        .await
        .unwrap();
    let connect = || PostgresDataStore::builder(database.url()).pool_size(2).connect();
    let (load, mut watcher) = (Load::start(&store), Watcher::start(connect().await.unwrap()));
    watcher.sees(1).await;
    for _ in 0..cuts {
        let kinds = [Cut::BeforeRequest, Cut::Amid, Cut::BeforeReply];
        let cut = cut(&proxy, kinds[rng.usize(..kinds.len())], rng.u64(..MOST_BEFORE));
        timeout(PATIENCE, cut)
            .await
            .expect("R18: nothing is flushed that could be cut");
    }
    let (acknowledged, told) = load.end().await;
    drains_by_itself(&store, &connect().await.unwrap(), &told).await;
    assert!(store.close(DEADLINE).await.is_complete());
    counts.cuts += cuts;
    counts.acknowledged += acknowledged;
    counts.seen += watcher.end().await;
}

/// Keys are tried again soon, and the breaker stays out of the way: its pauses would hide what is tried here.
fn options(coalescing: Coalescing) -> WriteBehindOptions {
    let (soon, later) = (Duration::from_millis(2), Duration::from_millis(20));
    WriteBehindOptions::default()
        .delay(Duration::ZERO)
        .batch_records(4)
        .coalescing(coalescing)
        .max_records(MOST_PENDING)
        .patience(PATIENCE)
        .backoff(BackoffPolicy::default().with_base(soon).with_cap(later))
        .breaker(BreakerPolicy::default().with_pause(soon, later))
}

/// Cuts at the next statement that is executed, after letting so many pass.
async fn cut(proxy: &TcpProxy, cut: Cut, mut before: u64) {
    let mut nth = move |is_one: bool| {
        let is_it = is_one && before == 0;
        before -= u64::from(is_one && before > 0);
        is_it
    };
    match cut {
        Cut::BeforeRequest => {
            let request = proxy.at(Direction::ToServer, move |message| {
                nth(postgres::executes(message))
            });
            request.cut();
            request.reached().await;
        }
        Cut::Amid => {
            let request = proxy.at(Direction::ToServer, move |message| {
                nth(message.first() == Some(&b'S'))
            });
            request.reached().await;
            request.pass();
            proxy.cut();
        }
        Cut::BeforeReply => {
            // The reply to a batch of writes, which says how many were made.
            let mut completes = postgres::completes("INSERT");
            let reply = proxy.at(Direction::ToClient, move |message| nth(completes(message)));
            reply.cut();
            reply.reached().await;
        }
    }
}
