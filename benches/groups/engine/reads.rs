//! Reads: shared, in place, and of one key that two threads want.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use layerstore_benches::{BenchError, Case, Draws, Group, Skew};
use layerstore_engine::StorageEngine;
use layerstore_record::{Key, Record};

use crate::subjects::Subjects;

/// Reads of a round.
const READS: u32 = 200_000;

/// A get may take 1.15 times what the bare map's takes.
const TARGET: f64 = 1.0 / 1.15;

pub(crate) async fn measure(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    shared(group, subjects, "get, uniform", Skew::Uniform).await?;
    shared(group, subjects, "get, zipf", Skew::Zipf).await?;
    in_place(group, subjects).await?;
    two_threads(group, subjects).await
}

async fn shared(
    group: &mut Group,
    subjects: &Subjects,
    what: &'static str,
    skew: Skew,
) -> Result<(), BenchError> {
    let draws = Draws::new(skew, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, READS, round));
    let ours = async |keys: Vec<Key>| all(keys.iter().filter(|key| get(subjects, key)).count());
    let bare = async |keys: Vec<Key>| all(keys.iter().filter(|key| bare_get(subjects, key)).count());
    let case = case(what);
    group
        .compare_prepared(case, (keys, ours), (keys, bare))
        .await
        .map(drop)
}

async fn in_place(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    let draws = Draws::new(Skew::Zipf, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, READS, round));
    let mut reader = |record: &Arc<Record>| {
        black_box(record.version());
    };
    let ours = async |keys: Vec<Key>| {
        all(keys
            .iter()
            .filter(|key| subjects.engine.read(key, &mut reader))
            .count())
    };
    let version = |key: &Key| {
        subjects
            .bare
            .pin()
            .get(key)
            .map(|record| black_box(record.version()))
    };
    let bare = async |keys: Vec<Key>| all(keys.iter().filter(|key| version(key).is_some()).count());
    group
        .compare_prepared(case("read in place, zipf"), (keys, ours), (keys, bare))
        .await
        .map(drop)
}

async fn two_threads(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    let draws = Draws::new(Skew::Zipf, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, READS, round));
    let ours = async |keys: Vec<Key>| in_two(&keys, |key| get(subjects, key));
    let bare = async |keys: Vec<Key>| in_two(&keys, |key| bare_get(subjects, key));
    group
        .compare_prepared(case("get, zipf, 2 threads"), (keys, ours), (keys, bare))
        .await
        .map(drop)
}

/// Asks for half of the keys in each of two threads.
fn in_two(keys: &[Key], get: impl Fn(&Key) -> bool + Sync) -> Result<(), BenchError> {
    let found = |keys: &[Key]| keys.iter().filter(|key| get(key)).count();
    let (one, other) = keys.split_at(keys.len() / 2);
    let found = thread::scope(|scope| {
        let other = scope.spawn(|| found(other));
        found(one) + other.join().unwrap_or_default()
    });
    all(found)
}

fn get(subjects: &Subjects, key: &Key) -> bool {
    subjects.engine.lookup(key).hit().is_some()
}

fn bare_get(subjects: &Subjects, key: &Key) -> bool {
    subjects.bare.pin().get(key).cloned().is_some()
}

fn case(what: &'static str) -> Case {
    Case {
        what,
        unit: "reads",
        count: READS,
        target: TARGET,
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
