//! Behind PgBouncer in transaction mode, with fewer connections to the server than the store has to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use layerstore_data_store::{MapDataStore, Outcome, WriteResult};
use layerstore_postgres::PostgresDataStore;
use layerstore_testkit::services::{PostgresPooler, pooler};
use layerstore_testkit::{proof, takeover};
use tokio::sync::Notify;

use crate::server::Database;
use crate::support::{key, map, number, put, write};

/// How often the pooler is killed.
const KILLS: u64 = 5;

/// Writes that are acknowledged between two kills, at least.
const BETWEEN: u64 = 20;

async fn pooled(database: &Database) -> Option<PostgresPooler> {
    match pooler(database.get().await).await {
        Ok(pooler) => Some(pooler),
        Err(why) => {
            proof::skip("behind a pooler", &why.to_string());
            None
        }
    }
}

/// A store as poolers need it that know no prepared statements.
async fn open(url: &str) -> PostgresDataStore {
    let builder = Database::builder_at(url).statement_cache(0);
    builder.connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_two_processes_behind_a_pooler_lose_nothing_and_mix_nothing() {
    if let Some(address) = takeover::place() {
        return takeover::own(Arc::new(open(&address).await)).await;
    }
    let database = Database::default();
    let Some(pooler) = pooled(&database).await else {
        return;
    };
    let test = "pooler::m4_two_processes_behind_a_pooler_lose_nothing_and_mix_nothing";
    takeover::rounds(test, pooler.url(), 40).await;
}

/// What two writers have been told, while somebody kills the pooler.
#[derive(Default)]
struct Told {
    /// The last acknowledged number of each.
    last: [AtomicU64; 2],
    acknowledged: AtomicU64,
    more: Notify,
    is_over: AtomicBool,
}

impl Told {
    /// Waits until this many more writes were acknowledged.
    async fn more(&self, wanted: u64) {
        let goal = self.acknowledged.load(Ordering::Acquire) + wanted;
        while self.acknowledged.load(Ordering::Acquire) < goal {
            self.more.notified().await;
        }
    }

    /// Writes number after number to the writer's key, until it is over.
    async fn write(&self, store: &PostgresDataStore, writer: usize) {
        let (map, key) = (map("map"), key(&writer.to_string()));
        for number in 1.. {
            if self.is_over.load(Ordering::Acquire) {
                return;
            }
            match write(store, put(&map, &key, number)).await {
                WriteResult::Applied => {
                    self.last[writer].store(number, Ordering::Release);
                    self.acknowledged.fetch_add(1, Ordering::AcqRel);
                    self.more.notify_one();
                }
                WriteResult::Rejected(error)
                    if error.is_retryable() || error.outcome() == Outcome::Unknown => {}
                other => panic!("nobody else writes this key: {other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_is_killed_takes_no_acknowledged_write_along() {
    let database = Database::default();
    let Some(pooler) = pooled(&database).await else {
        return;
    };
    let store = open(pooler.url()).await;
    store.claim(&map("map")).await.unwrap();
    let told = Told::default();
    let kills = async {
        for _ in 0..KILLS {
            told.more(BETWEEN).await;
            pooler.kill().await.unwrap();
            pooler.start().await.unwrap();
        }
        told.more(BETWEEN).await;
        told.is_over.store(true, Ordering::Release);
    };
    tokio::join!(told.write(&store, 0), told.write(&store, 1), kills);
    let direct = database.builder().await.connect().await.unwrap();
    for (writer, last) in told.last.iter().enumerate() {
        let found = number(&direct, &map("map"), &key(&writer.to_string())).await;
        let last = last.load(Ordering::Acquire);
        assert!(
            found.is_some_and(|found| found >= last),
            "{found:?} is there, and {last} was acknowledged"
        );
    }
}
