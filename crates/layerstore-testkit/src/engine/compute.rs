//! E-compute: what becomes of a key is decided atomically, once.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use layerstore_engine::{Computed, Decision, Previous, StorageEngine};

use super::EngineSubject;
use super::subject::{compute, get, number, tells};
use crate::proof;
use crate::records::{key, record};

const THREADS: u64 = 8;

/// Each decision in each state does what it says.
pub fn e_compute_does_what_was_decided(subject: &EngineSubject) {
    let engine = subject.make();
    let (first, second) = (record(1), record(2));
    let decide = |decision: &dyn Fn() -> Decision| engine.compute(&key(1), &mut |_| decision());

    assert!(matches!(decide(&|| Decision::Keep), Computed::Kept));
    assert!(matches!(decide(&|| Decision::NeedsLoad), Computed::NeedsLoad));
    assert!(matches!(
        decide(&|| Decision::Remove),
        Computed::Removed(Previous::Absent)
    ));
    assert!(engine.is_empty());

    let put = decide(&|| Decision::Put(first.clone()));
    assert!(matches!(put, Computed::Put(Previous::Absent)));
    assert!(matches!(decide(&|| Decision::Keep), Computed::Kept));
    assert!(matches!(decide(&|| Decision::NeedsLoad), Computed::NeedsLoad));
    assert_eq!(get(&*engine, &key(1)), Some(first.clone()));

    let put = decide(&|| Decision::Put(second.clone()));
    assert!(matches!(put, Computed::Put(previous) if tells(&previous, Some(&first))));
    let removed = decide(&|| Decision::Remove);
    assert!(matches!(removed, Computed::Removed(previous) if tells(&previous, Some(&second))));
    assert!(engine.is_empty());
}

/// The closure runs once a call, with what is there, also when the call makes the engine grow.
pub fn e_compute_runs_exactly_once(subject: &EngineSubject) {
    let engine = subject.make();
    let mut runs = 0;
    for round in 0..2 {
        for index in 0..6_000 {
            engine.compute(&key(index), &mut |found| {
                runs += 1;
                assert_eq!(matches!(found, layerstore_engine::Lookup::Miss), round == 0);
                Decision::Put(record(index))
            });
        }
    }
    assert_eq!((runs, engine.len()), (12_000, 6_000));
}

/// Eight threads count on a few keys; every increment is there at the end.
pub fn e_compute_loses_no_increment(subject: &EngineSubject) {
    const KEYS: u64 = 3;
    let engine = subject.make();
    let rounds = proof::scaled(40_000);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..rounds {
                    compute(&*engine, &key(round % KEYS), |found| {
                        let count = found.map_or(0, |record| number(record));
                        if round % 16 == 0 {
                            thread::yield_now();
                        }
                        Decision::Put(record(count + 1))
                    });
                }
            });
        }
    });
    let counts = (0..KEYS).filter_map(|index| get(&*engine, &key(index)));
    assert_eq!(
        counts.map(|record| number(&record)).sum::<u64>(),
        THREADS * rounds
    );
}

/// Puts, removals and computations of all threads on one key hand every record on to exactly one of them.
pub fn e_compute_every_record_is_replaced_once(subject: &EngineSubject) {
    let seed = proof::seed();
    let rounds = proof::scaled(20_000);
    let engine = subject.make();
    let replaced = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, replaced) = (&*engine, &replaced);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed ^ thread);
                let mut mine = Vec::new();
                for round in 0..rounds {
                    mine.extend(replace(engine, &mut rng, 1 + thread * rounds + round));
                }
                replaced.lock().expect("no thread panicked").append(&mut mine);
            });
        }
    });
    let replaced = replaced.into_inner().expect("no thread panicked");
    let distinct: HashSet<_> = replaced.iter().collect();
    assert_eq!(distinct.len(), replaced.len(), "a record was replaced twice");
}

/// Replaces the record of the one key by the one of number `new`, or removes it; returns the number that was there.
fn replace(engine: &dyn StorageEngine, rng: &mut fastrand::Rng, new: u64) -> Option<u64> {
    let key = key(0);
    match rng.u8(..4) {
        0 => get_number(engine.remove(&key)),
        1 => get_number(engine.put(key, record(new))),
        _ => {
            let (mut seen, remove, pause) = (None, rng.bool(), rng.u8(..8) == 0);
            let computed = compute(engine, &key, |found| {
                seen = found.map(|record| number(record));
                if pause {
                    thread::yield_now();
                }
                if remove {
                    Decision::Remove
                } else {
                    Decision::Put(record(new))
                }
            });
            let (Computed::Put(previous) | Computed::Removed(previous)) = computed else {
                panic!("decided to change, and got {computed:?}");
            };
            assert_eq!(
                get_number(previous),
                seen,
                "somebody came between the look and the change"
            );
            seen
        }
    }
}

fn get_number(previous: Previous) -> Option<u64> {
    previous.record().map(|record| number(&record))
}

/// A decision that panics leaves the key as it was, and the engine usable from every thread.
pub fn e_compute_a_panicking_decision_changes_nothing(subject: &EngineSubject) {
    let engine = subject.make();
    for was in [None, Some(record(1))] {
        if let Some(record) = &was {
            engine.put(key(1), record.clone());
        }
        let (len, cost) = (engine.len(), engine.cost());
        let panicked = AssertUnwindSafe(|| engine.compute(&key(1), &mut |_| panic!("on purpose")));
        assert!(catch_unwind(panicked).is_err());
        assert_eq!(get(&*engine, &key(1)), was);
        assert_eq!((engine.len(), engine.cost()), (len, cost));
        thread::scope(|scope| {
            scope.spawn(|| {
                let put = engine.compute(&key(1), &mut |_| Decision::Put(record(2)));
                assert!(matches!(put, Computed::Put(previous) if tells(&previous, was.as_ref())));
            });
        });
        assert!(!matches!(engine.remove(&key(1)), Previous::Absent));
    }
}
