//! E-cost: counts and costs are exact when nothing is under way.

use std::sync::Arc;

use layerstore_engine::{Decision, StorageEngine};
use layerstore_record::{Cost, Record, RecordValue};

use super::EngineSubject;
use super::subject::{contents, expected_cost};
use crate::proof;
use crate::records::{key, version};

const THREADS: u64 = 8;

/// Puts, replacements by larger and smaller records, removals and computations all count.
pub fn e_cost_follows_every_mutation(subject: &EngineSubject) {
    let engine = subject.make();
    assert_eq!((engine.len(), engine.cost()), (0, Cost::ZERO));
    let check = |len| {
        assert_eq!((engine.len(), engine.is_empty()), (len, len == 0));
        assert_eq!(engine.cost(), expected_cost(subject, &*engine));
    };
    for number in 0..300 {
        engine.put(key(number), sized(number as usize));
        check(number as usize + 1);
    }
    engine.put(key(7), sized(10_000));
    check(300);
    engine.put(key(7), sized(1));
    check(300);
    engine.compute(&key(8), &mut |_| Decision::Put(sized(5_000)));
    check(300);
    engine.compute(&key(9), &mut |_| Decision::Remove);
    check(299);
    engine.compute(&key(10), &mut |_| Decision::Keep);
    engine.remove(&key(9));
    check(299);
    (0..300).for_each(|number| drop(engine.remove(&key(number))));
    check(0);
    assert_eq!(engine.cost(), Cost::ZERO);
}

/// Whatever eight threads did while the engine grew, the sums are right afterwards.
pub fn e_cost_is_exact_after_concurrent_mutations(subject: &EngineSubject) {
    let seed = proof::seed();
    for round in 0..proof::scaled(60) {
        let engine = subject.make();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let engine = &*engine;
                scope.spawn(move || {
                    churn(
                        engine,
                        &mut fastrand::Rng::with_seed(seed ^ (round * THREADS + thread)),
                    );
                });
            }
        });
        assert_eq!(engine.len(), contents(&*engine).len());
        assert_eq!(engine.cost(), expected_cost(subject, &*engine));
        engine.clear();
        assert_eq!((engine.len(), engine.cost()), (0, Cost::ZERO));
    }
}

fn churn(engine: &dyn StorageEngine, rng: &mut fastrand::Rng) {
    for _ in 0..1_500 {
        let key = key(rng.u64(..800));
        let new = sized(rng.usize(..200));
        match rng.u8(..8) {
            0 | 1 => drop(engine.remove(&key)),
            2 => drop(engine.compute(&key, &mut |_| Decision::Remove)),
            3 | 4 => drop(engine.compute(&key, &mut |_| Decision::Put(new.clone()))),
            _ => drop(engine.put(key, new)),
        }
    }
}

fn sized(bytes: usize) -> Arc<Record> {
    let version = version(bytes as u64);
    let value = RecordValue::lww("v".repeat(bytes), version.timestamp());
    Arc::new(Record::builder(value, version).build())
}
