//! S8: what our policies are worth on loads that are made up, each from a seed, against exact LRU.

#![expect(clippy::unwrap_used, reason = "test code: an unexpected answer ends the test")]

use std::sync::Arc;
use std::time::Duration;

use layerstore_benches::simulator::eviction::{LeastRecentlyUsed, RandomEviction, TwoSegment};
use layerstore_benches::simulator::{Cache, ExactLru, Sampled, capacity, hit_ratio};
use layerstore_benches::trace::{Shape, Trace};
use layerstore_data_store::NullDataStore;
use layerstore_engine::HashMapEngine;
use layerstore_record::{Hlc, Key, MapName, NodeId};
use layerstore_record_store::{DefaultRecordStore, RecordStore, RecordStoreConfig, TrySet, WriteOptions};
use layerstore_testkit::clock::ManualClock;

/// Enough keys for caches of a hundred and a thousand records.
const KEYS: usize = 10_000;

const REQUESTS: usize = 100_000;

const SEED: u64 = 7;

fn trace(shape: Shape) -> Trace {
    shape.generate(KEYS, REQUESTS, SEED)
}

fn two_segment(records: usize) -> Sampled {
    Sampled::new(records, TwoSegment::with_ghosts(records), SEED)
}

#[test]
fn two_segment_wins_over_exact_lru_and_never_loses_much() {
    let mut won = Vec::new();
    for shape in Shape::ALL {
        let trace = trace(shape);
        for part in [100, 10] {
            let records = capacity(&trace, part);
            let two = hit_ratio(&trace, &mut two_segment(records));
            let lru = hit_ratio(&trace, &mut ExactLru::new(records));
            println!(
                "{}, {records} records: two-segment {two:.1} %, exact LRU {lru:.1} %",
                shape.name()
            );
            assert!(two - lru >= -2.5, "{} lost {:.1} points", shape.name(), lru - two);
            won.push(two - lru);
        }
    }
    let mean = won.iter().sum::<f64>() / 8.0;
    assert!(mean >= 2.0, "{mean:.1} points on average: {won:.1?}");
}

#[test]
fn sixteen_samples_come_within_a_point_of_the_exact_order() {
    for shape in Shape::ALL {
        let trace = trace(shape);
        let records = capacity(&trace, 10);
        let sampled = hit_ratio(&trace, &mut Sampled::new(records, LeastRecentlyUsed, SEED));
        let exact = hit_ratio(&trace, &mut ExactLru::new(records));
        assert!(
            (sampled - exact).abs() < 1.0,
            "{}: {sampled:.1} against {exact:.1}",
            shape.name()
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_hit_ratio() {
    let trace = trace(Shape::Scans);
    let [one, same] = [(); 2].map(|()| hit_ratio(&trace, &mut two_segment(500)));
    let random = |seed| hit_ratio(&trace, &mut Sampled::new(500, RandomEviction, seed));
    assert!(one.to_bits() == same.to_bits() && random(1).to_bits() != random(2).to_bits());
}

/// A record store that is asked as the simulator's caches are.
struct Store {
    records: DefaultRecordStore,
    clock: ManualClock,
}

impl Store {
    fn new(records: usize) -> Self {
        let clock = ManualClock::new();
        let hlc = Arc::new(Hlc::new(NodeId(1), clock.shared()));
        let mut config = RecordStoreConfig::default()
            .max_count(records as u64)
            .with_eviction(TwoSegment::with_ghosts(records));
        config.seed = Some(SEED);
        config.sweep_interval = None;
        let (engine, below) = (
            Arc::new(HashMapEngine::with_seed(SEED)),
            Arc::new(NullDataStore::new()),
        );
        let builder = DefaultRecordStore::builder(MapName::new("trace").unwrap(), engine, below);
        let records = builder.hlc(hlc).config(config).build().unwrap();
        Self { records, clock }
    }
}

impl Cache for Store {
    fn request(&mut self, key: u64) -> bool {
        self.clock.advance(Duration::from_millis(1));
        let key = Key::new(key.to_string()).unwrap();
        if self.records.try_get(&key).hit().is_some() {
            return true;
        }
        let set = self.records.try_set(&key, 1.into(), &WriteOptions::DEFAULT);
        assert!(matches!(set, Ok(TrySet::Done(_))), "{set:?}");
        false
    }
}

#[tokio::test]
async fn a_record_store_has_the_hit_ratio_that_the_simulator_says() {
    for shape in [Shape::Scans, Shape::Shift] {
        let trace = trace(shape);
        let records = capacity(&trace, 10);
        let mut store = Store::new(records);
        store.records.init().await.unwrap();
        let of_store = hit_ratio(&trace, &mut store);
        let simulated = hit_ratio(&trace, &mut two_segment(records));
        println!(
            "{}: {of_store:.2} % in a store, {simulated:.2} % simulated",
            shape.name()
        );
        assert!(
            (of_store - simulated).abs() < 0.5,
            "{of_store:.2} against {simulated:.2}"
        );
    }
}
