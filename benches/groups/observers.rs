//! A set with observers beside it, against a bare set: what do a Merkle tree, an index and a live query cost the writer?
//!
//! Two maps without a data store hold the same records; one of them is observed. Sets go to the same keys in the same random order, by the path
//! that needs neither I/O nor waiting. In the first case each set changes the indexed value, which takes the key from one value's set to another's,
//! and one record in a hundred is in the live query; in the second the indexed value stays.

use std::sync::Arc;

use layerstore::observer::MerkleObserver;
use layerstore::query::LiveQuery;
use layerstore::{
    Direction, Index, Key, Layerstore, Live, NewValue, Query, Records, TrySet, WriteOptions, field,
};
use layerstore_benches::workload::{START, key, record};
use layerstore_benches::{BenchError, Case, Group};

/// Records in each map.
const RECORDS: u64 = 1_000_000;

/// The same of a quick run.
const QUICK_RECORDS: u64 = 20_000;

/// Sets of a round.
const SETS: u32 = 100_000;

/// At most two and a half times as slow: what is asked of a Merkle tree, an index and a live query together.
const AT_MOST: f64 = 2.5;

/// A field of a hundred values.
const INDEXED: &str = "orders";

/// More records than the live query ever means.
const MAX_LIVE: usize = 100_000;

/// Any fixed number: every run sets in the same order.
const SEED: u64 = 7;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("observers", &[]);
    let records = if group.is_quick() { QUICK_RECORDS } else { RECORDS };
    let store = Layerstore::builder().in_memory().build().await?;
    let (observed, bare) = (store.records("observed")?, store.records("bare")?);
    cover(&observed)?;
    for number in 0..records {
        let value = value(number)?;
        for map in [&observed, &bare] {
            map.set(&key(number)?, value.clone(), &WriteOptions::new())
                .await?;
        }
    }
    let _live = observe(&observed).await?;
    group.say(format!(
        "{records} records in memory; {SETS} sets a round; one Merkle tree, one hash index on a field of a hundred values, one live query of a hundredth of the records, ordered and limited to 100"
    ));
    compare(&mut group, (&observed, &bare), records, true).await?;
    compare(&mut group, (&observed, &bare), records, false).await?;
    group.finish()
}

/// Adds a Merkle tree to a map without records.
fn cover(records: &Records) -> Result<(), BenchError> {
    let merkle = Arc::new(MerkleObserver::new("merkle", records.name().clone(), 0));
    records.add_observer(merkle.clone())?;
    merkle.rebuild().finish()?;
    Ok(())
}

/// Adds an index and a live query.
async fn observe(records: &Records) -> Result<Live, BenchError> {
    let index = Index::hash("orders", records.name().clone(), INDEXED);
    records.add_index(index).await?;
    let best = Query::of(field(INDEXED).equals(7)).order_by("name", Direction::Ascending);
    let live = LiveQuery::builder("seven", records.name().clone(), best.limit(100));
    Ok(records.live_with(live.max_records(MAX_LIVE)).await?)
}

async fn compare(
    group: &mut Group,
    (observed, bare): (&Records, &Records),
    records: u64,
    changes: bool,
) -> Result<(), BenchError> {
    let case = Case {
        what: match changes {
            true => "set that changes the indexed value, with a Merkle tree, an index and a live query",
            false => "set that leaves the indexed value, with a Merkle tree, an index and a live query",
        },
        unit: "sets",
        count: SETS,
        target: 1.0 / AT_MOST,
    };
    let prepare = async |round| sets(round, records, changes);
    let ours = (prepare, async |sets| set_all(observed, sets));
    group
        .compare_prepared(case, ours, (prepare, async |sets| set_all(bare, sets)))
        .await
        .map(drop)
}

/// Makes the sets of a round: random keys, each with its value or that of another number.
fn sets(round: u64, records: u64, changes: bool) -> Result<Vec<(Key, NewValue)>, BenchError> {
    let mut rng = fastrand::Rng::with_seed(SEED ^ (round << 8));
    let set = |_| {
        let number = rng.u64(..records);
        let other = if changes { number + 1 + round } else { number };
        Ok((key(number)?, value(other)?))
    };
    (0..SETS).map(set).collect()
}

fn set_all(map: &Records, sets: Vec<(Key, NewValue)>) -> Result<(), BenchError> {
    for (key, value) in sets {
        match map.try_set(&key, value, &WriteOptions::new())? {
            TrySet::Done(written) if written.observer_error.is_none() => {}
            _ => return Err("a set waited, or an observer failed".into()),
        }
    }
    Ok(())
}

fn value(number: u64) -> Result<NewValue, BenchError> {
    let record = record(number, START)?;
    let value = record.value().value().ok_or("a record without a value")?;
    Ok(NewValue::from((**value).clone()))
}
