//! What only the hash map engine promises.

use std::sync::Arc;

use layerstore_engine::{HashMapEngine, Lookup, StorageEngine};
use layerstore_testkit::records::{key, record};

#[test]
fn a_record_costs_its_own_cost_and_the_overhead() {
    let engine = HashMapEngine::new();
    engine.put(key(1), record(1));
    assert_eq!(engine.cost(), record(1).cost(&key(1)) + HashMapEngine::OVERHEAD);
}

#[test]
fn a_borrowed_read_takes_no_part_in_ownership() {
    let engine = HashMapEngine::new();
    let record = record(1);
    engine.put(key(1), record.clone());
    let owners = Arc::strong_count(&record);
    assert!(engine.read(&key(1), &mut |found| assert_eq!(Arc::strong_count(found), owners)));
    assert!(matches!(engine.lookup(&key(1)), Lookup::Hit(_)));
}

#[test]
fn the_same_seed_samples_the_same_records() {
    let draw = || {
        let engine = HashMapEngine::with_seed(7);
        (0..1_000).for_each(|number| drop(engine.put(key(number), record(number))));
        let sample = engine.sample(&mut fastrand::Rng::with_seed(1), 16);
        sample.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(draw(), draw());
}

#[test]
fn it_shows_neither_keys_nor_values() {
    let engine = HashMapEngine::new();
    engine.put(key(42), record(77));
    let shown = format!("{engine:?}");
    assert!(
        shown.contains("len: 1") && !shown.contains("42") && !shown.contains("77"),
        "{shown}"
    );
}
