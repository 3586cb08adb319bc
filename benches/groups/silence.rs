//! Reads of what is in memory while the store behind accepts and never answers, against the same reads while it answers.
//!
//! A record store over PostgreSQL, by way of a proxy. Beside the reads, tasks write and read what is not in memory, each at a pace: with a silent
//! server their calls hang until they are given up. Compared is the 99th percentile of the reads of a round: what is shown are reads a second,
//! as if each took that long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use layerstore::{Layerstore, MapSettings, NewValue, Records, Value, WriteOptions};
use layerstore_benches::workload::key;
use layerstore_benches::{BenchError, Case, Group};
use layerstore_postgres::PostgresDataStore;
use layerstore_testkit::proxy::{TcpProxy, as_read};
use layerstore_testkit::services::private_postgres;
use tokio::task::JoinSet;

/// Records in memory.
const RESIDENT: u64 = 100_000;

/// Reads of a round.
const READS: u32 = 100_000;

/// Tasks that need the store behind.
const TASKS: u64 = 16;

/// How often each of them calls it.
const PACE: Duration = Duration::from_millis(50);

/// When a call is given up.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the other tasks go on before a round: until all of them hang, or none.
const SETTLE: Duration = Duration::from_millis(1_500);

/// At most so many times as slow: what performance asks of a silent remote.
const AT_MOST: f64 = 1.2;

/// Of the reads of a round, so many in a hundred are faster than what is compared.
const PERCENTILE: usize = 99;

/// Any fixed number: every run reads in the same order.
const SEED: u64 = 7;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("silence", &["sqlx"]);
    let server = private_postgres(&[]).await?;
    let database = server.database().await?;
    let proxy = TcpProxy::start(&database.server(), as_read).await?;
    let store = PostgresDataStore::builder(database.url_through(proxy.address()))
        .pool_size(4)
        .statement_timeout(TIMEOUT)
        .acquire_timeout(TIMEOUT)
        .connect()
        .await?;
    let builder = Layerstore::builder()
        .data_store(Arc::new(store))
        .map("bench", MapSettings::new());
    let records = builder.build().await?.records("bench")?;
    for number in 0..RESIDENT {
        set(&records, number).await?;
    }
    group.say(format!(
        "{RESIDENT} records in memory; beside the reads {TASKS} tasks, each with a call of the store every {} ms, which is given up after {} s",
        PACE.as_millis(),
        TIMEOUT.as_secs()
    ));
    let _others = others(&records);
    let case = Case {
        what: "get of a record in memory, at the 99th percentile",
        unit: "reads",
        count: 1,
        target: 1.0 / AT_MOST,
    };
    let silent = async |round| {
        proxy.stall();
        slow_read(&records, round).await
    };
    let answering = async |round| {
        proxy.resume();
        slow_read(&records, round).await
    };
    group.compare_times(case, silent, answering).await?;
    group.finish()
}

async fn set(records: &Records, number: u64) -> Result<(), BenchError> {
    let value = NewValue::from(Value::from(format!("record {number}")));
    records.set(&key(number)?, value, &WriteOptions::new()).await?;
    Ok(())
}

/// Starts the tasks that need the store; they end with what is returned. What their calls come to is not looked at: half of the time they fail.
fn others(records: &Records) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let records = records.clone();
        tasks.spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            for number in (RESIDENT + task..).step_by(usize::try_from(TASKS).unwrap_or(1)) {
                pace.tick().await;
                let Ok(absent) = key(number) else { return };
                let _ = match number / TASKS % 2 {
                    0 => set(&records, number).await,
                    _ => records.get(&absent).await.map(drop).map_err(Into::into),
                };
            }
        });
    }
    tasks
}

/// Reads what is in memory, one after the other, and returns what a slow one took.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn slow_read(records: &Records, round: u64) -> Result<Duration, BenchError> {
    tokio::time::sleep(SETTLE).await;
    let mut rng = fastrand::Rng::with_seed(SEED ^ round);
    let keys = (0..READS).map(|_| key(rng.u64(0..RESIDENT)));
    let keys: Vec<_> = keys.collect::<Result<_, BenchError>>()?;
    let mut took = Vec::with_capacity(keys.len());
    for key in &keys {
        let begun = Instant::now();
        let found = records.get(key).await?;
        took.push(begun.elapsed());
        if found.is_none() {
            return Err("a record is not in memory".into());
        }
    }
    took.sort_unstable();
    let slow = took.get(took.len() * PERCENTILE / 100).copied();
    slow.ok_or_else(|| "a round without reads".into())
}
