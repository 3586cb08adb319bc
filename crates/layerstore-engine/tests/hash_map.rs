//! What only the hash map engine promises.

use std::collections::HashSet;

use layerstore_engine::{Cursor, HashMapEngine, Lookup, StorageEngine};
use layerstore_record::Cost;
use layerstore_testkit::records::{key, record};

#[test]
fn records_are_found_scanned_and_counted_while_the_stripes_grow() {
    let engine = HashMapEngine::new();
    for count in 1..=10_000 {
        assert!(engine.put(key(count), record(count)).record().is_none());
        assert_eq!(engine.len() as u64, count);
    }
    for number in 1..=10_000 {
        assert!(matches!(engine.lookup(&key(number)), Lookup::Hit(found) if *found == *record(number)));
    }
    let (mut cursor, mut seen) = (Some(Cursor::start()), HashSet::new());
    while let Some(at) = cursor {
        let page = engine.fetch(&at, 100);
        assert!((1..=100).contains(&page.slots.len()));
        seen.extend(page.slots.into_iter().map(|(key, _)| key));
        cursor = page.next;
    }
    assert_eq!(seen.len(), 10_000);
    assert_eq!(engine.clear(), 10_000);
    assert_eq!((engine.len(), engine.cost()), (0, Cost::ZERO));
}

#[test]
fn a_record_costs_its_own_cost_and_the_overhead() {
    let engine = HashMapEngine::new();
    engine.put(key(1), record(1));
    assert_eq!(engine.cost(), record(1).cost(&key(1)) + HashMapEngine::OVERHEAD);
}
