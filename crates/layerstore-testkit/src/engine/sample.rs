//! E-sample: every resident record has the same chance.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use layerstore_engine::StorageEngine;

use super::EngineSubject;
use super::subject::{contents, number};
use crate::proof;
use crate::records::{key, record};

/// A seed that is always the same: what is tested is the engine's choice, not the generator.
const SEED: u64 = 0x5EED;

/// Chi-squared lies above the limit one time in e to this power, nine million (Laurent and Massart, 2000).
const CONFIDENCE: f64 = 16.0;

/// As many records as were asked for, unless none is there.
pub fn e_sample_is_as_long_as_was_asked(subject: &EngineSubject) {
    let engine = subject.make();
    let mut rng = fastrand::Rng::with_seed(SEED);
    assert!(engine.sample(&mut rng, 16).is_empty());
    for size in [1, 2, 100, 5_000] {
        (0..size).for_each(|number| drop(engine.put(key(number), record(number))));
        for n in [0, 1, 16, 300] {
            let sample = engine.sample(&mut rng, n);
            assert_eq!(sample.len(), n);
            assert!(sample.iter().all(|(key, found)| *key == self::key(number(found))));
        }
    }
}

/// Chi-squared over engines of many sizes.
pub fn e_sample_is_uniform(subject: &EngineSubject) {
    for size in [2, 3, 17, 64, 65, 500, 3_000, 6_000] {
        let engine = subject.make();
        (0..size).for_each(|number| drop(engine.put(key(number), record(number))));
        check_uniform(&*engine);
    }
}

/// The same after most records were removed, unevenly, and after some were replaced.
pub fn e_sample_is_uniform_after_removals(subject: &EngineSubject) {
    let mut rng = fastrand::Rng::with_seed(SEED);
    for (size, left) in [(300, 40), (6_000, 1_000), (6_000, 5)] {
        let engine = subject.make();
        (0..size).for_each(|number| drop(engine.put(key(number), record(number))));
        while engine.len() > left {
            engine.remove(&key(rng.u64(..size)));
        }
        for number in 0..size / 2 {
            // Replaces some, and brings back nothing.
            engine.compute(&key(number), &mut |found| match found {
                layerstore_engine::Lookup::Miss => layerstore_engine::Decision::Keep,
                _ => layerstore_engine::Decision::Put(record(number)),
            });
        }
        check_uniform(&*engine);
    }
}

/// While others write, a sample holds keys with records of theirs, and ends.
pub fn e_sample_among_writers_holds_records_that_were_there(subject: &EngineSubject) {
    let seed = proof::seed();
    let engine = subject.make();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (engine, done) = (&*engine, &done);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed ^ thread);
                while !done.load(Ordering::Acquire) {
                    let number = rng.u64(..3_000);
                    if rng.u8(..16) == 0 {
                        engine.clear();
                    } else {
                        engine.put(key(number), record(number));
                    }
                }
            });
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        let draws = (0..proof::scaled(40_000)).flat_map(|_| engine.sample(&mut rng, 8));
        let strange = draws
            .filter(|(key, found)| *key != self::key(number(found)))
            .count();
        done.store(true, Ordering::Release);
        assert_eq!(strange, 0);
    });
}

fn check_uniform(engine: &dyn StorageEngine) {
    const DRAWS: usize = 100_000;
    let contents = contents(engine);
    let resident = contents
        .into_iter()
        .filter_map(|(key, record)| record.map(|_| key));
    let mut counts: HashMap<_, u32> = resident.map(|key| (key, 0)).collect();
    let mut rng = fastrand::Rng::with_seed(SEED);
    for _ in 0..DRAWS / 16 {
        for (key, _) in engine.sample(&mut rng, 16) {
            *counts.get_mut(&key).expect("a key that the scan saw") += 1;
        }
    }
    let cells = counts.len() as f64;
    let expected = (DRAWS / 16 * 16) as f64 / cells;
    let chi_squared: f64 = counts
        .values()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum();
    let freedom = cells - 1.0;
    let limit = freedom + 2.0 * (freedom * CONFIDENCE).sqrt() + 2.0 * CONFIDENCE;
    assert!(
        chi_squared <= limit,
        "chi-squared {chi_squared:.0} of {cells} records, at most {limit:.0}"
    );
}
