//! R14: random operations against a `BTreeMap`, shrunk to the shortest that goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use layerstore_engine::{Computed, Cursor, Decision, StorageEngine};
use layerstore_record::{Key, Record};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::EngineSubject;
use super::subject::{check_size, compute, contents, expected_cost, get, number, tells};
use crate::proof;
use crate::records::{key, record};

/// The full figure.
const CASES: u64 = 20_000;
const OPERATIONS: usize = 200;
/// Keys of single operations.
const KEYS: u64 = 60;

#[derive(Debug, Clone)]
enum Op {
    Lookup(u64),
    Read(u64),
    Put(u64, u64),
    PutMany {
        from: u64,
        count: u64,
    },
    Remove(u64),
    RemoveMany {
        from: u64,
        count: u64,
    },
    Compute(u64, Option<u64>),
    Keep(u64),
    Clear,
    /// Reads a page of the scan that is under way, or starts one.
    Page(usize),
    Sample(usize, u64),
    Whole,
}

/// Compares every answer of an engine with a model's.
pub fn r14_engine_model(subject: &EngineSubject) {
    let seed = proof::seed();
    let cases = proof::scaled(CASES);
    let config = Config {
        cases: u32::try_from(cases).expect("at most the full figure"),
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let histories = proptest::collection::vec(op(), OPERATIONS);
    let result = runner.run(&histories, |ops| {
        Run::new(subject).all(&ops);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let counts = [
        ("cases", cases),
        ("operations", cases * OPERATIONS as u64),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R14", &counts);
}

fn op() -> impl Strategy<Value = Op> {
    let bulk = || (0..KEYS * 10, 1..200_u64);
    prop_oneof![
        6 => (0..KEYS).prop_map(Op::Lookup),
        3 => (0..KEYS).prop_map(Op::Read),
        12 => (0..KEYS, any::<u32>()).prop_map(|(key, new)| Op::Put(key, new.into())),
        6 => (0..KEYS).prop_map(Op::Remove),
        6 => (0..KEYS, any::<Option<u32>>()).prop_map(|(key, new)| Op::Compute(key, new.map(u64::from))),
        2 => (0..KEYS).prop_map(Op::Keep),
        1 => bulk().prop_map(|(from, count)| Op::PutMany { from, count }),
        1 => bulk().prop_map(|(from, count)| Op::RemoveMany { from, count }),
        8 => (0..40_usize).prop_map(Op::Page),
        2 => (0..20_usize, any::<u64>()).prop_map(|(n, seed)| Op::Sample(n, seed)),
        1 => Just(Op::Whole),
        1 => any::<u8>().prop_map(|roll| if roll < 64 { Op::Clear } else { Op::Whole }),
    ]
}

struct Run<'a> {
    subject: &'a EngineSubject,
    engine: Arc<dyn StorageEngine>,
    model: BTreeMap<Key, Arc<Record>>,
    scan: Option<Scan>,
}

/// A scan under way.
struct Scan {
    cursor: Cursor,
    /// The keys that were there from the start until now, and have not come yet.
    awaited: BTreeSet<Key>,
}

impl<'a> Run<'a> {
    fn new(subject: &'a EngineSubject) -> Self {
        Self {
            subject,
            engine: subject.make(),
            model: BTreeMap::new(),
            scan: None,
        }
    }

    fn all(mut self, ops: &[Op]) {
        ops.iter().for_each(|op| self.step(op));
        self.whole();
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Lookup(index) => assert_eq!(
                get(&*self.engine, &key(index)),
                self.model.get(&key(index)).cloned()
            ),
            Op::Read(index) => self.read(&key(index)),
            Op::Put(index, new) => self.put(key(index), new),
            Op::PutMany { from, count } => (from..from + count).for_each(|index| self.put(key(index), index)),
            Op::Remove(index) => self.remove(&key(index)),
            Op::RemoveMany { from, count } => (from..from + count).for_each(|index| self.remove(&key(index))),
            Op::Compute(index, new) => self.compute(&key(index), new),
            Op::Keep(index) => self.keep(&key(index)),
            Op::Clear => self.clear(),
            Op::Page(n) => self.page(n),
            Op::Sample(n, seed) => self.sample(n, seed),
            Op::Whole => self.whole(),
        }
        assert_eq!(self.engine.len(), self.model.len());
    }

    fn read(&self, key: &Key) {
        let mut found = None;
        let read = self.engine.read(key, &mut |record| found = Some(record.clone()));
        assert_eq!(read, found.is_some());
        assert!(found.is_none_or(|found| Some(&found) == self.model.get(key)));
    }

    fn put(&mut self, key: Key, new: u64) {
        let new = record(new);
        let previous = self.engine.put(key.clone(), new.clone());
        assert!(tells(&previous, self.model.insert(key, new).as_ref()));
    }

    fn remove(&mut self, key: &Key) {
        assert!(tells(&self.engine.remove(key), self.forget(key).as_ref()));
    }

    fn forget(&mut self, key: &Key) -> Option<Arc<Record>> {
        if let Some(scan) = &mut self.scan {
            scan.awaited.remove(key);
        }
        self.model.remove(key)
    }

    fn compute(&mut self, key: &Key, new: Option<u64>) {
        let new = new.map(record);
        let was = self.model.get(key).cloned();
        let computed = compute(&*self.engine, key, |found| {
            assert_eq!(found, was.as_ref());
            new.clone().map_or(Decision::Remove, Decision::Put)
        });
        match (computed, new) {
            (Computed::Put(previous), Some(new)) => {
                assert!(tells(&previous, self.model.insert(key.clone(), new).as_ref()));
            }
            (Computed::Removed(previous), None) => assert!(tells(&previous, self.forget(key).as_ref())),
            (computed, new) => panic!("decided {new:?}, got {computed:?}"),
        }
    }

    fn keep(&mut self, key: &Key) {
        let was = self.model.get(key);
        let computed = compute(&*self.engine, key, |found| {
            assert_eq!(found, was);
            Decision::Keep
        });
        assert!(matches!(computed, Computed::Kept));
    }

    fn clear(&mut self) {
        assert_eq!(self.engine.clear(), self.model.len());
        self.model.clear();
        if let Some(scan) = &mut self.scan {
            scan.awaited.clear();
        }
    }

    fn page(&mut self, n: usize) {
        let model = &self.model;
        let scan = self.scan.get_or_insert_with(|| Scan {
            cursor: Cursor::start(),
            awaited: model.keys().cloned().collect(),
        });
        let page = self.engine.fetch(&scan.cursor, n);
        check_size(&page, n);
        for (key, _) in page.slots {
            assert!(model.contains_key(&key), "{key} is not there");
            scan.awaited.remove(&key);
        }
        match page.next {
            Some(next) => scan.cursor = next,
            None => {
                assert_eq!(scan.awaited.first(), None, "missed by the scan");
                self.scan = None;
            }
        }
    }

    fn sample(&self, n: usize, seed: u64) {
        let sample = self.engine.sample(&mut fastrand::Rng::with_seed(seed), n);
        assert!(sample.len() <= n);
        for (key, found) in sample {
            assert_eq!(
                Some(&found),
                self.model.get(&key),
                "{key} with number {}",
                number(&found)
            );
        }
    }

    fn whole(&self) {
        let contents = contents(&*self.engine);
        assert!(contents.keys().eq(self.model.keys()));
        let resident = contents
            .into_iter()
            .filter_map(|(key, record)| Some((key, record?)));
        resident.for_each(|(key, record)| assert_eq!(Some(&record), self.model.get(&key)));
        assert_eq!(self.engine.cost(), expected_cost(self.subject, &*self.engine));
    }
}
