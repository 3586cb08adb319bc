//! Reads that hit: shared, by the asynchronous verb, and in place.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use layerstore_benches::{BenchError, Case, Draws, Group, Skew};
use layerstore_engine::StorageEngine;
use layerstore_record::{Key, Record};
use layerstore_record_store::{RecordStore, TryGet};

use crate::subjects::Subjects;

/// Reads of a round.
const READS: u32 = 200_000;

/// Reads of the hot key of a round.
const HOT_READS: u32 = 4_000_000;

/// A get may take 1.25 times what the engine's own takes.
const GET: f64 = 1.0 / 1.25;

/// The share of the bare map's reads in place.
const HOT: f64 = 0.45;

pub(crate) async fn measure(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    get(
        group,
        subjects,
        "get that hits, uniform, against the engine's own",
        Skew::Uniform,
    )
    .await?;
    get(
        group,
        subjects,
        "get that hits, zipf, against the engine's own",
        Skew::Zipf,
    )
    .await?;
    in_place(group, subjects).await?;
    hot_key(group, subjects).await
}

async fn get(
    group: &mut Group,
    subjects: &Subjects,
    what: &'static str,
    skew: Skew,
) -> Result<(), BenchError> {
    let draws = Draws::new(skew, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, READS, round));
    let hits = |key: &&Key| matches!(subjects.store.try_get(key), TryGet::Hit(_));
    let ours = async |keys: Vec<Key>| all(keys.iter().filter(hits).count());
    let engine_hits = |key: &&Key| subjects.engine.lookup(key).hit().is_some();
    let engine = async |keys: Vec<Key>| all(keys.iter().filter(engine_hits).count());
    group
        .compare_prepared(case(what, READS, GET), (keys, ours), (keys, engine))
        .await
        .map(drop)
}

async fn in_place(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    let draws = Draws::new(Skew::Zipf, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, READS, round));
    let case = case("read in place, zipf, against the engine's own", READS, GET);
    let ours = async |keys: Vec<Key>| all(keys.iter().filter(|key| read(subjects, key)).count());
    let in_engine = |key: &&Key| subjects.engine.read(key, &mut look_at);
    let engine = async |keys: Vec<Key>| all(keys.iter().filter(in_engine).count());
    group
        .compare_prepared(case, (keys, ours), (keys, engine))
        .await
        .map(drop)
}

/// Two threads read one record.
async fn hot_key(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    let case = case(
        "hot key in place, 2 threads, against a bare papaya map",
        HOT_READS,
        HOT,
    );
    let key = &subjects.keys[0];
    let ours = async |_| in_two(|| read(subjects, key));
    let borrow = || {
        let map = subjects.bare.pin();
        let found = map.get(key);
        found.is_some_and(|record| {
            look_at(record);
            true
        })
    };
    group.compare(case, ours, async |_| in_two(borrow)).await
}

fn read(subjects: &Subjects, key: &Key) -> bool {
    subjects.store.read(key, &mut look_at).hit().is_some()
}

fn look_at(record: &Arc<Record>) {
    black_box(record.version());
}

/// Reads half of what is asked in each of two threads.
fn in_two(read: impl Fn() -> bool + Sync) -> Result<(), BenchError> {
    let half = || (0..HOT_READS / 2).all(|_| read());
    let found = thread::scope(|scope| {
        let other = scope.spawn(half);
        half() & other.join().unwrap_or_default()
    });
    if found {
        Ok(())
    } else {
        Err("the hot key is missing".into())
    }
}

fn case(what: &'static str, count: u32, target: f64) -> Case {
    Case {
        what,
        unit: "reads",
        count,
        target,
    }
}

/// Wants every key found.
fn all(found: usize) -> Result<(), BenchError> {
    if found == READS as usize {
        Ok(())
    } else {
        Err("a key is missing".into())
    }
}
