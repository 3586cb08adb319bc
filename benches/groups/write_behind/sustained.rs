//! Writes as fast as the store behind takes them, until all are there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use layerstore_benches::{BenchError, Case, Group};
use layerstore_data_store::{MapDataStore, Write};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::SystemClock;
use layerstore_testkit::services::private_postgres;
use layerstore_write_behind::{WriteBehindDataStore, WriteBehindOptions};

use crate::acknowledged::disk;
use crate::work::{Share, TASKS, apply, check, join, map, shares};

/// Writes that go to the store together, as many as write-behind gives it.
const BATCH: usize = 1_000;

/// Batches at a time, as many as write-behind has on their way.
const PARALLEL: usize = 2;

/// Pending at most: what writers are ahead of the store.
const BOUND: usize = 20_000;

/// Shorter than the bound takes to arrive, so that the store always has work.
const DELAY: Duration = Duration::from_millis(10);

/// How often a writer at a pace writes its share.
const TICK: Duration = Duration::from_millis(10);

/// A writer takes so many at a time from what all write, so that versions rise across writers but for these.
const TAKEN: u32 = 32;

/// What part of the bare rate is offered while the queue is watched: the part that is to be reached.
const PACE: f64 = 0.8;

/// What writers share.
type Work = Mutex<std::vec::IntoIter<Write>>;

pub(crate) async fn into_embedded(group: &mut Group) -> Result<(), BenchError> {
    let dir = disk()?;
    let store = KvDataStore::open(dir.path(), EmbeddedOptions::default()).await?;
    measure(group, "sustained into embedded", 200_000, Arc::new(store)).await
}

pub(crate) async fn into_postgres(group: &mut Group) -> Result<(), BenchError> {
    let server = private_postgres(&["fsync=on", "full_page_writes=on"]).await?;
    let database = server.database().await?;
    let store = PostgresDataStore::builder(database.url())
        .pool_size(PARALLEL)
        .connect()
        .await?;
    measure(group, "sustained into PostgreSQL", 50_000, Arc::new(store)).await
}

async fn measure(
    group: &mut Group,
    what: &'static str,
    count: u32,
    store: Arc<dyn MapDataStore>,
) -> Result<(), BenchError> {
    let case = Case {
        what,
        unit: "writes",
        count: if group.is_quick() { count / 10 } else { count },
        target: 0.8,
    };
    let options = WriteBehindOptions::default()
        .delay(DELAY)
        .batch_records(BATCH)
        .parallel(PARALLEL)
        .max_records(BOUND);
    let builder = WriteBehindDataStore::builder(Arc::clone(&store), Arc::new(SystemClock));
    let ours = Arc::new(builder.options(options).open().await?.0);
    ours.claim(&map()?).await?;
    // Both write into the same map; rounds take turns, so that versions rise through both.
    let figures = group
        .compare_prepared(
            case,
            (
                async |round| in_order(2 * round, case.count),
                async |writes| {
                    through(&ours, writes).await?;
                    Ok(ours.hard_flush().await?)
                },
            ),
            (
                async |round| in_order(2 * round + 1, case.count),
                async |writes| in_batches(&store, writes).await,
            ),
        )
        .await?;
    let watched = watch_pending(group, &ours, figures.bare * PACE).await?;
    group.say(format!("{what}, {watched}"));
    let closed = ours.close(Duration::from_secs(30)).await;
    if closed.is_complete() {
        Ok(())
    } else {
        Err("something is left in the queue".into())
    }
}

/// Writes at a pace, and says what becomes of the queue.
async fn watch_pending(
    group: &Group,
    store: &Arc<WriteBehindDataStore>,
    rate: f64,
) -> Result<String, BenchError> {
    let ticks: u32 = if group.is_quick() { 40 } else { 400 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some hundreds"
    )]
    let takes = (rate * TICK.as_secs_f64() / f64::from(TASKS * TAKEN)).max(1.0) as u32;
    let count = takes * TAKEN * ticks * TASKS;
    // After all rounds that were measured.
    let work = Arc::new(Mutex::new(in_order(1_000, count)?.into_iter()));
    let tasks = (0..TASKS).map(|_| {
        let (store, work) = (Arc::clone(store), Arc::clone(&work));
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(TICK);
            for _ in 0..ticks {
                pace.tick().await;
                for _ in 0..takes {
                    write_some(&store, &work).await?;
                }
            }
            Ok(())
        })
    });
    let begun = tokio::time::Instant::now();
    let writing = join(tasks.collect());
    tokio::pin!(writing);
    let mut pending = Vec::new();
    let mut pace = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            written = &mut writing => break written?,
            _ = pace.tick() => pending.push(store.status().pending),
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let quarter = pending.len() / 4;
    let mean = |samples: &[usize]| samples.iter().sum::<usize>() / samples.len().max(1);
    Ok(format!(
        "{:.0} writes/s offered for {:.1} s, {PACE} x the bare way's: taken in {took:.1} s; pending {} on average in the second quarter of that, {} in the last, {} at most",
        f64::from(count) / (TICK.as_secs_f64() * f64::from(ticks)),
        TICK.as_secs_f64() * f64::from(ticks),
        mean(pending.get(quarter..2 * quarter).unwrap_or_default()),
        mean(pending.get(3 * quarter..).unwrap_or_default()),
        pending.iter().max().copied().unwrap_or_default(),
    ))
}

/// The writes of a round, by version.
fn in_order(round: u64, count: u32) -> Result<Share, BenchError> {
    let mut shares = shares(round, count, 1)?;
    shares.pop().ok_or_else(|| "a round without writes".into())
}

/// Writes one write a call, in tasks that share the work.
async fn through(store: &Arc<WriteBehindDataStore>, writes: Share) -> Result<(), BenchError> {
    let work = Arc::new(Mutex::new(writes.into_iter()));
    let tasks = (0..TASKS).map(|_| {
        let (store, work) = (Arc::clone(store), Arc::clone(&work));
        tokio::spawn(async move {
            while write_some(&store, &work).await? {}
            Ok(())
        })
    });
    join(tasks.collect()).await
}

/// Takes a few writes and makes them; tells whether there were any.
async fn write_some(store: &WriteBehindDataStore, work: &Work) -> Result<bool, BenchError> {
    let taken: Vec<Write> = {
        let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
        work.by_ref().take(TAKEN as usize).collect()
    };
    let is_some = !taken.is_empty();
    for write in taken {
        apply(store, write).await?;
    }
    Ok(is_some)
}

/// Gives the store batches, as many tasks as write-behind has batches on their way.
async fn in_batches(store: &Arc<dyn MapDataStore>, writes: Share) -> Result<(), BenchError> {
    let work = Arc::new(Mutex::new(writes.into_iter()));
    let tasks = (0..PARALLEL).map(|_| {
        let (store, work) = (Arc::clone(store), Arc::clone(&work));
        tokio::spawn(async move {
            loop {
                let batch: Vec<Write> = {
                    let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
                    work.by_ref().take(BATCH).collect()
                };
                if batch.is_empty() {
                    return Ok(());
                }
                check(&store.apply(batch).await)?;
            }
        })
    });
    join(tasks.collect()).await
}
