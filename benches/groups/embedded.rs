//! The embedded store against bare fjall under it: durable batches of new records, and of newer ones.
//!
//! The bare way is what one would write by hand for this purpose alone: a keyspace of key, version and bytes, values encoded before the clock starts, a
//! batch that is synced before it returns; for newer records a read of what is there, whose version is compared, before each batch. The store,
//! beside that: encodes and checks, keeps times, ends and tombstones in its rows, looks up what it replaces also where nothing is there, looks at the
//! writer epoch and the floors, and answers for each record from a thread of its own. Both have a directory of their own on one disk.

use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use layerstore_benches::workload::{START, key, record};
use layerstore_benches::{BenchError, Case, Group};
use layerstore_data_store::{MapDataStore, Write, WriteResult};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_record::MapName;
use layerstore_record::codec::encode_record;

/// Records of a batch.
const BATCH: usize = 1_000;

/// What is asked of both.
const TARGET: f64 = 0.8;

/// Any fixed number: every run updates in the same order.
const SEED: u64 = 7;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BenchError> {
    let mut group = Group::new("embedded", &["fjall"]);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = KvDataStore::open(dir.path().join("ours"), EmbeddedOptions::default()).await?;
    let map = MapName::new("bench")?;
    store.claim(&map).await?;
    let bare = Bare::open(&dir.path().join("bare"))?;
    let batches = if group.is_quick() { 2 } else { 20 };
    let rounds = group.rounds() + 1;
    group.say(format!(
        "each batch synced before it returns, {batches} batches a round, {} records in the end; as they come, of the store's own settings and of fjall's",
        rounds * batches * BATCH
    ));

    let mut numbers: Vec<u64> = (0..).take(rounds * batches * BATCH).collect();
    let new = "durable batches of 1,000 new records";
    compare(&mut group, new, (&store, &map), (&bare, Bare::put), &numbers).await?;
    fastrand::Rng::with_seed(SEED).shuffle(&mut numbers);
    let newer = "durable batches of 1,000 newer records, fenced by a read";
    compare(
        &mut group,
        newer,
        (&store, &map),
        (&bare, Bare::put_newer),
        &numbers,
    )
    .await?;
    group.finish()
}

/// What a batch is for the bare way: keys, milliseconds of versions, values.
type Rows = Vec<(Vec<u8>, u64, Vec<u8>)>;

/// A bare way to put a batch.
type Put = fn(&Bare, Rows) -> Result<(), BenchError>;

/// fjall alone.
struct Bare {
    db: Database,
    records: Keyspace,
}

impl Bare {
    fn open(dir: &std::path::Path) -> Result<Self, BenchError> {
        let db = Database::builder(dir).open()?;
        let records = db.keyspace("records", KeyspaceCreateOptions::default)?;
        Ok(Self { db, records })
    }

    fn put(&self, rows: Rows) -> Result<(), BenchError> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        for (key, _, value) in rows {
            batch.insert(&self.records, key, value);
        }
        Ok(batch.commit()?)
    }

    /// Puts what is newer than what is there.
    fn put_newer(&self, rows: Rows) -> Result<(), BenchError> {
        let mut newer = Rows::with_capacity(rows.len());
        for row in rows {
            let held = self.records.get(&row.0)?.ok_or("a record is not there")?;
            let version = held.first_chunk().ok_or("a record has no version")?;
            if u64::from_be_bytes(*version) < row.1 {
                newer.push(row);
            }
        }
        self.put(newer)
    }
}

/// Compares batches of records under these numbers, each call with versions above those of the calls before.
async fn compare(
    group: &mut Group,
    what: &'static str,
    (store, map): (&KvDataStore, &MapName),
    (bare, put): (&Bare, Put),
    numbers: &[u64],
) -> Result<(), BenchError> {
    let of_round = numbers.len() / (group.rounds() + 1);
    let case = Case {
        what,
        unit: "records",
        count: u32::try_from(of_round)?,
        target: TARGET,
    };
    let millis = START + u64::from(numbers.first() != Some(&0));
    let batches = |round: u64| -> Result<Vec<&[u64]>, BenchError> {
        let numbers = numbers.chunks(of_round).nth(usize::try_from(round)?);
        Ok(numbers.ok_or("no work is left")?.chunks(BATCH).collect())
    };
    let ours = async |round| {
        let writes = |numbers: &[u64]| numbers.iter().map(|number| write(map, *number, millis)).collect();
        batches(round)?
            .into_iter()
            .map(writes)
            .collect::<Result<Vec<Vec<Write>>, _>>()
    };
    let theirs = async |round| {
        let rows = |numbers: &[u64]| numbers.iter().map(|number| row(*number, millis)).collect();
        batches(round)?
            .into_iter()
            .map(rows)
            .collect::<Result<Vec<Rows>, _>>()
    };
    let apply = async |batches: Vec<Vec<Write>>| {
        for writes in batches {
            if !store.apply(writes).await.iter().all(WriteResult::is_applied) {
                return Err("a write was not applied".into());
            }
        }
        Ok(())
    };
    let commit = async |batches: Vec<Rows>| {
        tokio::task::block_in_place(|| batches.into_iter().try_for_each(|rows| put(bare, rows)))
    };
    group
        .compare_prepared(case, (ours, apply), (theirs, commit))
        .await
        .map(drop)
}

fn write(map: &MapName, number: u64, millis: u64) -> Result<Write, BenchError> {
    Ok(Write::new(
        map.clone(),
        key(number)?,
        Arc::new(record(number, millis)?),
    ))
}

fn row(number: u64, millis: u64) -> Result<(Vec<u8>, u64, Vec<u8>), BenchError> {
    let mut value = millis.to_be_bytes().to_vec();
    value.extend(encode_record(&record(number, millis)?)?);
    Ok((key(number)?.as_bytes().to_vec(), millis, value))
}
