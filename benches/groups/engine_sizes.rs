//! The HashMap engine against the bare papaya map under it: what do paging, sampling and counting cost?
//!
//! Both hold the same records behind `Arc` under the same keys, with the same hash function, and are asked for the
//! same keys in the same random order. The bare map can do less: it neither counts cost nor pages nor samples,
//! so an overwrite of the engine is expected to lose, and a get is expected not to.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use foldhash::fast::RandomState;
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_record::{Clock, Hlc, InvalidKey, Key, NodeId, Record, RecordValue, SystemClock};

type Bare = papaya::HashMap<Key, Arc<Record>, RandomState>;

/// From what a core's caches hold to what they do not.
const SIZES: [u64; 2] = [1_000, 1_000_000];

/// Asked for in one iteration: of the large map, more than the caches hold.
const KEYS_ASKED: usize = 100_000;

/// Any fixed number: every run asks for the same keys.
const SEED: u64 = 7;

fn main() -> Result<(), InvalidKey> {
    let mut criterion = Criterion::default().configure_from_args();
    for size in SIZES {
        let subjects = Subjects::of(size)?;
        subjects.get(&mut criterion);
        subjects.overwrite(&mut criterion);
    }
    criterion.final_summary();
    Ok(())
}

/// Both maps with the same records, and the keys to ask for.
struct Subjects {
    size: u64,
    engine: HashMapEngine,
    bare: Bare,
    asked: Vec<(Key, Arc<Record>)>,
}

impl Subjects {
    fn of(size: u64) -> Result<Self, InvalidKey> {
        let hlc = Hlc::new(NodeId(1), Arc::new(SystemClock) as Arc<dyn Clock>);
        let (engine, bare) = (HashMapEngine::new(), Bare::with_hasher(RandomState::default()));
        let mut records = Vec::new();
        for number in 0..size {
            let value = RecordValue::lww("a value of no great length", hlc.tick());
            let record = Arc::new(Record::builder(value, hlc.next_version()).build());
            let key = Key::new(format!("user:{number:012}"))?;
            engine.put(key.clone(), record.clone());
            bare.pin().insert(key.clone(), record.clone());
            records.push((key, record));
        }
        fastrand::Rng::with_seed(SEED).shuffle(&mut records);
        records.truncate(KEYS_ASKED);
        Ok(Self {
            size,
            engine,
            bare,
            asked: records,
        })
    }

    fn get(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(format!("get/{}", self.size));
        group.throughput(Throughput::Elements(self.asked.len() as u64));
        group.bench_function("engine, shared", |bencher| {
            bencher.iter(|| {
                self.asked
                    .iter()
                    .filter(|(key, _)| self.engine.lookup(key).hit().is_some())
                    .count()
            });
        });
        group.bench_function("papaya, shared", |bencher| {
            bencher.iter(|| {
                self.asked
                    .iter()
                    .filter(|(key, _)| self.bare.pin().get(key).cloned().is_some())
                    .count()
            });
        });
        group.bench_function("engine, in place", |bencher| {
            let mut reader = |record: &Arc<Record>| {
                black_box(record.version());
            };
            bencher.iter(|| {
                self.asked
                    .iter()
                    .filter(|(key, _)| self.engine.read(key, &mut reader))
                    .count()
            });
        });
        group.bench_function("papaya, in place", |bencher| {
            let version = |key| self.bare.pin().get(key).map(|record| black_box(record.version()));
            bencher.iter(|| {
                self.asked
                    .iter()
                    .filter(|(key, _)| version(key).is_some())
                    .count()
            });
        });
        group.finish();
    }

    fn overwrite(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(format!("overwrite/{}", self.size));
        group.throughput(Throughput::Elements(self.asked.len() as u64));
        group.bench_function("engine", |bencher| {
            bencher.iter(|| {
                for (key, record) in &self.asked {
                    black_box(self.engine.put(key.clone(), record.clone()));
                }
            });
        });
        group.bench_function("papaya", |bencher| {
            bencher.iter(|| {
                for (key, record) in &self.asked {
                    black_box(self.bare.pin().insert(key.clone(), record.clone()).is_some());
                }
            });
        });
        group.finish();
    }
}
