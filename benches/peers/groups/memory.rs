//! What records take in memory: live bytes by a counting allocator, beside what two caches take for the same.
//!
//! Counted is what the thread that fills has allocated and not given back, which nobody else does here. Keys and values are not part of the
//! figure: the text of a key is taken off, and all records share one value, which was there before.

use std::sync::Arc;

use allocation_counter::measure;
use foldhash::fast::RandomState;
use layerstore::Layerstore;
use layerstore_benches::workload::{START, value};
use layerstore_benches::{BenchError, Better, Group, Row, Table};
use layerstore_engine::HashMapEngine;
use layerstore_peers::{Fresh, Store, Subject};
use layerstore_record::{Key, Millis, NodeId, Timestamp, Value};

/// Numbers of records.
const SIZES: [(u64, &str); 2] = [(10_000, "10,000"), (1_000_000, "1,000,000")];

/// One more where it is asked for.
const LARGE: (u64, &str) = (10_000_000, "10,000,000");

/// Keys with as many bytes of text as are kept in place, and with more.
const KEYS: [(usize, &str, f64); 2] = [(20, "keys of 20 bytes", 190.0), (40, "keys of 40 bytes", 215.0)];

/// Records whose churn is measured, and how many times as many writes that is.
const CHURNED: u64 = 1_000_000;
const CHURN: u64 = 10;

/// What live bytes may grow to under churn.
const GROWTH: f64 = 1.05;

/// Maps without records, and what they may take, in bytes.
const MAPS: usize = 1_000;
const MAPS_BYTES: f64 = 5e6;

/// In a quick run one in so many.
const QUICK: u64 = 50;

/// Any fixed number: every run writes to the same keys.
const SEED: u64 = 7;

fn main() -> Result<(), BenchError> {
    let mut group = Group::new("memory", &["moka", "quick_cache"]);
    let part = if group.is_quick() { QUICK } else { 1 };
    group.say("live bytes of the thread that writes; peers hold keys of the same type and a shared value behind Arc, with room for twice the records");
    let sizes = SIZES.into_iter().chain(group.is_large().then_some(LARGE));
    group.tabulate(records(sizes, part)?);
    group.tabulate(churn(CHURNED / part)?);
    group.tabulate(empty_maps()?);
    group.finish()
}

/// Bytes a record beyond key and value.
fn records(sizes: impl Iterator<Item = (u64, &'static str)>, part: u64) -> Result<Table, BenchError> {
    let title = "A record beyond key and value";
    let mut table = Table::new(
        title,
        "bytes",
        Better::Lower,
        &["RecordStore"],
        &["moka", "quick_cache"],
    );
    let value = Arc::new(value(0)?);
    for (size, shown) in sizes {
        for (bytes, kind, most) in KEYS {
            let size = size / part;
            let beyond = |live: i64| Some(mean(live, size) - f64_of(bytes));
            let ours = beyond(ours(size, bytes, &value)?);
            let values = vec![
                ours,
                beyond(moka(size, bytes, &value)?),
                beyond(quick(size, bytes, &value)?),
            ];
            let row = Row::new(format!("{shown} records, {kind}"), values);
            let said = format!("at most {most}");
            table.push(row.target(said, ours, ours.is_some_and(|ours| ours <= most)));
        }
    }
    Ok(table)
}

fn ours(size: u64, bytes: usize, value: &Arc<Value>) -> Result<i64, BenchError> {
    let fresh = fresh(value);
    live_bytes(|| {
        let store = Store::new(None)?;
        for number in 0..size {
            store.put(&key(number, bytes)?, &fresh);
        }
        Ok(store)
    })
    .map(|(live, _)| live)
}

fn moka(size: u64, bytes: usize, value: &Arc<Value>) -> Result<i64, BenchError> {
    live_bytes(|| {
        let builder = moka::sync::Cache::builder().max_capacity(size * 2);
        let cache = builder.build_with_hasher(RandomState::default());
        for number in 0..size {
            cache.insert(key(number, bytes)?, Arc::clone(value));
        }
        cache.run_pending_tasks();
        Ok(cache)
    })
    .map(|(live, _)| live)
}

fn quick(size: u64, bytes: usize, value: &Arc<Value>) -> Result<i64, BenchError> {
    live_bytes(|| {
        let cache = quick_cache::sync::Cache::new(usize::try_from(size * 2)?);
        for number in 0..size {
            cache.insert(key(number, bytes)?, Arc::clone(value));
        }
        Ok(cache)
    })
    .map(|(live, _)| live)
}

/// Bytes a record when all are new, and after many writes to them.
fn churn(records: u64) -> Result<Table, BenchError> {
    let title = format!("After {CHURN} times as many writes: overwrites, and removals with insertions");
    let mut table = Table::new(
        title,
        "bytes a record",
        Better::Lower,
        &["new", "after churn"],
        &[],
    );
    let fresh = fresh(&Arc::new(value(0)?));
    let (new, store) = live_bytes(|| {
        let store = Store::new(None)?;
        for number in 0..records {
            store.put(&key(number, 20)?, &fresh);
        }
        Ok(store)
    })?;
    let (grown, ()) = live_bytes(|| write_over(&store, records, &fresh))?;
    let (new, churned) = (mean(new, records), mean(new + grown, records));
    let row = Row::new(format!("{records} records"), vec![Some(new), Some(churned)]);
    table.push(row.at_most(GROWTH, (1, 0), "new"));
    Ok(table)
}

/// Writes over records, every other time by way of a removal.
fn write_over(store: &Store, records: u64, fresh: &Fresh) -> Result<(), BenchError> {
    let mut rng = fastrand::Rng::with_seed(SEED);
    for turn in 0..records * CHURN {
        let key = key(rng.u64(..records), 20)?;
        if turn % 2 == 0 {
            store.remove(&key);
        }
        store.put(&key, fresh);
    }
    Ok(())
}

/// Bytes of maps that hold nothing yet.
fn empty_maps() -> Result<Table, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let store = runtime.block_on(Layerstore::builder().in_memory().build())?;
    let (live, _maps) = live_bytes(|| {
        let _inside = runtime.enter();
        let maps = (0..MAPS).map(|number| store.records(&format!("map{number}")));
        Ok(maps.collect::<Result<Vec<_>, _>>()?)
    })?;
    let (engines, _engines) = live_bytes(|| Ok((0..MAPS).map(|_| HashMapEngine::new()).collect::<Vec<_>>()))?;
    let (live, engines) = (mean(live, 1), mean(engines, 1));
    let subjects = ["Layerstore", "of that the engines"];
    let mut table = Table::new("Maps without records", "bytes", Better::Lower, &subjects, &[]);
    let row = Row::new(format!("{MAPS} maps"), vec![Some(live), Some(engines)]);
    let said = format!("bytes, at most {MAPS_BYTES}");
    table.push(row.target(said, Some(live), live <= MAPS_BYTES));
    Ok(table)
}

/// Makes something and returns how many bytes live on with it.
fn live_bytes<T>(make: impl FnOnce() -> Result<T, BenchError>) -> Result<(i64, T), BenchError> {
    let mut made = None;
    let counted = measure(|| made = Some(make()));
    let made = made.ok_or("nothing was made")??;
    Ok((counted.bytes_current, made))
}

fn key(number: u64, bytes: usize) -> Result<Key, BenchError> {
    Ok(Key::new(format!("{number:0bytes$}"))?)
}

fn fresh(value: &Arc<Value>) -> Fresh {
    Fresh::of(Arc::clone(value), Timestamp::new(Millis(START), 0, NodeId(1)))
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
fn mean(bytes: i64, records: u64) -> f64 {
    bytes as f64 / records as f64
}

#[expect(clippy::cast_precision_loss, reason = "a key is short")]
fn f64_of(bytes: usize) -> f64 {
    bytes as f64
}
