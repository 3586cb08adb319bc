//! From a directory on disk to a service with its records in memory.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use layerstore::{Layerstore, NewValue, ScanRequest, WriteOptions};
use layerstore_benches::workload::{key, value};
use layerstore_benches::{BenchError, Better, Row, Table};
use tokio::runtime::Runtime;

const MAP: &str = "records";

/// Records of a batch while the directory is filled, and of a page while it is read by hand.
const BATCH: usize = 1_000;

/// How long closing may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a start is made of.
const STEPS: [&str; 4] = [
    "open",
    "the first record",
    "scan of all, for comparison",
    "preload of all",
];

/// Measures the start of a service with so many records, for each number of them.
pub(super) fn table(sizes: &[(usize, &str)], part: usize) -> Result<Table, BenchError> {
    let mut table = Table::new("Start from the embedded store", "ms", Better::Lower, &STEPS, &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    for (records, shown) in sizes {
        let (dir, records) = (tempfile::tempdir()?, records / part);
        runtime.block_on(fill(dir.path(), records))?;
        let took = started(&runtime, dir.path(), records)?;
        table.push(Row::new(
            *shown,
            took.map(|took| Some(took.as_secs_f64() * 1e3)).into(),
        ));
    }
    Ok(table)
}

async fn fill(dir: &Path, records: usize) -> Result<(), BenchError> {
    let store = Layerstore::builder().embedded(dir).build().await?;
    let map = store.records(MAP)?;
    let new = |number| Ok((key(number)?, NewValue::from(value(number)?)));
    for first in (0..records).step_by(BATCH) {
        let numbers = first as u64..(first + BATCH).min(records) as u64;
        let batch = numbers.map(new).collect::<Result<Vec<_>, BenchError>>()?;
        for written in map.put_all(batch, &WriteOptions::DEFAULT).await? {
            written?;
        }
    }
    close(store).await
}

/// Opens the store, reads one record, reads all in key order, and brings all into memory, each as a caller would; a time for each of these steps.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn started(runtime: &Runtime, dir: &Path, records: usize) -> Result<[Duration; STEPS.len()], BenchError> {
    runtime.block_on(async {
        let begun = Instant::now();
        let store = Layerstore::builder().embedded(dir).build().await?;
        let map = store.records(MAP)?;
        let opened = begun.elapsed();

        let begun = Instant::now();
        map.get(&key(0)?).await?.ok_or("a record is not there")?;
        let first = begun.elapsed();

        let begun = Instant::now();
        let scanned = scan(&map).await?;
        let read = begun.elapsed();

        let begun = Instant::now();
        let loaded = map.preload(usize::MAX).await?;
        let preloaded = begun.elapsed();
        if (scanned, loaded + 1) != (records, records) {
            return Err(format!("{scanned} were read and {loaded} loaded of {records}").into());
        }
        close(store).await?;
        Ok([opened, first, read, preloaded])
    })
}

async fn close(store: Layerstore) -> Result<(), BenchError> {
    let report = store.close(DEADLINE).await;
    if report.is_complete() {
        return Ok(());
    }
    Err(format!("the store did not close: {report:?}").into())
}

async fn scan(map: &layerstore::Records) -> Result<usize, BenchError> {
    let records = map.scan(&ScanRequest::first(BATCH));
    Ok(records.try_fold(0, async |count, _| Ok(count + 1)).await?)
}
