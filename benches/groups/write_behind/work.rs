//! What is written, and write-behind as it is measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use layerstore_benches::BenchError;
use layerstore_benches::workload::{START, key, record};
use layerstore_data_store::{MapDataStore, NullDataStore, TryApply, Write, WriteResult};
use layerstore_record::{MapName, SystemClock};
use layerstore_write_behind::{
    DiskStorage, LogOptions, SyncPolicy, WriteBehindDataStore, WriteBehindOptions,
};

/// Tasks that write.
pub(crate) const TASKS: u32 = 2;

/// Keys are drawn from so many.
const KEYS: u64 = 1_000_000;

/// Any fixed number: every run writes the same.
const SEED: u64 = 7;

/// More than a round has writes.
const VERSIONS_OF_ROUND: u64 = 10_000_000;

/// No round lasts as long: nothing leaves the queue while the clock runs.
const NOT_NOW: Duration = Duration::from_secs(3_600);

/// What each task writes in a round.
pub(crate) type Share = Vec<Write>;

pub(crate) fn map() -> Result<MapName, BenchError> {
    Ok(MapName::new("bench")?)
}

/// Makes the writes of a round, a share for each task, with keys of its own. Versions rise from write to write, and from round to round.
pub(crate) fn shares(round: u64, count: u32, tasks: u32) -> Result<Vec<Share>, BenchError> {
    let map = map()?;
    let mut rng = fastrand::Rng::with_seed(SEED ^ round);
    let (tasks, first) = (u64::from(tasks), START + round * VERSIONS_OF_ROUND);
    let mut share = |task: u64| {
        let writes = (0..u64::from(count) / tasks).map(|step| {
            let number = rng.u64(0..KEYS / tasks) * tasks + task;
            let record = Arc::new(record(number, first + step * tasks + task)?);
            Ok(Write::new(map.clone(), key(number)?, record))
        });
        writes.collect::<Result<Share, BenchError>>()
    };
    (0..tasks).map(&mut share).collect()
}

/// Options under which writes stay pending until they are flushed, and never wait for room.
pub(crate) fn lingering() -> WriteBehindOptions {
    WriteBehindOptions::default()
        .delay(NOT_NOW)
        .max_records(usize::MAX)
        .max_bytes(u64::MAX)
}

/// Opens write-behind before a store that takes everything and keeps nothing.
pub(crate) async fn open(
    sync: Option<SyncPolicy>,
    dir: &Path,
) -> Result<Arc<WriteBehindDataStore>, BenchError> {
    let builder = WriteBehindDataStore::builder(Arc::new(NullDataStore::new()), Arc::new(SystemClock));
    let builder = builder.options(lingering());
    let builder = match sync {
        None => builder,
        Some(sync) => builder.log(
            Arc::new(DiskStorage::open(dir)?),
            LogOptions::default().sync(sync),
        ),
    };
    let store = builder.open().await?.0;
    store.claim(&map()?).await?;
    Ok(Arc::new(store))
}

/// Writes all shares, each in a task of its own with so many writes under way, one write a call.
pub(crate) async fn write(
    store: &Arc<WriteBehindDataStore>,
    shares: Vec<Share>,
    under_way: usize,
) -> Result<(), BenchError> {
    let tasks = shares.into_iter().map(|share| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let store = &*store;
            if under_way == 1 {
                for write in share {
                    apply(store, write).await?;
                }
                return Ok(());
            }
            let writes = stream::iter(share).map(|write| apply(store, write));
            writes
                .buffer_unordered(under_way)
                .try_for_each(|()| async { Ok(()) })
                .await
        })
    });
    join(tasks.collect()).await
}

/// Waits for all tasks.
pub(crate) async fn join(
    tasks: Vec<tokio::task::JoinHandle<Result<(), BenchError>>>,
) -> Result<(), BenchError> {
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Writes as record stores do: at once where that works.
pub(crate) async fn apply(store: &WriteBehindDataStore, write: Write) -> Result<(), BenchError> {
    let answers = match store.try_apply(vec![write]) {
        TryApply::Done(answers) => answers,
        TryApply::NeedsIo(writes) => store.apply(writes).await,
    };
    check(&answers)
}

/// Wants every write done; one that a newer write of its key overtook is done, too.
pub(crate) fn check(answers: &[WriteResult]) -> Result<(), BenchError> {
    let is_done = |answer: &&WriteResult| matches!(answer, WriteResult::Applied | WriteResult::Stale { .. });
    match answers.iter().find(|answer| !is_done(answer)) {
        None => Ok(()),
        Some(answer) => Err(format!("a write was not applied: {answer:?}").into()),
    }
}
