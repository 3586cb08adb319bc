//! R14: random operations against a `BTreeMap`.

use std::collections::BTreeMap;

use layerstore_kv::{
    Batch, Direction, Durability, KeyRange, KvBackend, KvErrorKind, KvItem, KvRead, KvSnapshot,
};

use super::KvSubject;
use super::subject::{get, rows};
use crate::proof;

/// The full figure.
const CASES: u64 = 20_000;
const OPERATIONS: usize = 200;
const NAMES: [&[u8]; 3] = [b"one", b"two\0", b"\xFFthree"];

type Model = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Runs random histories of puts, deletes, preconditions, scans, snapshots, keyspaces and reopenings, and compares
/// every answer with a model's. A case starts from what the one before left.
pub fn r14_model(subject: &KvSubject) {
    let seed = proof::seed();
    let cases = proof::scaled(CASES);
    let mut run = Run {
        rng: fastrand::Rng::with_seed(seed),
        kv: subject.open(),
        model: Model::new(),
        held: None,
    };
    for case in 0..cases {
        for _ in 0..OPERATIONS {
            run.step();
        }
        if case % 50 == 49 {
            run.held = None;
            run.kv = subject.reopen(run.kv);
        }
        run.compare_all();
    }
    proof::report(
        "R14",
        &[
            ("persistent", u64::from(subject.is_persistent())),
            ("cases", cases),
            ("operations", cases * OPERATIONS as u64),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

struct Run {
    rng: fastrand::Rng,
    kv: std::sync::Arc<dyn KvBackend>,
    model: Model,
    held: Option<(Box<dyn KvSnapshot>, Model)>,
}

impl Run {
    fn step(&mut self) {
        match self.rng.u8(..) {
            0 => self.toggle_keyspace(),
            1..=3 => self.hold_or_compare_snapshot(),
            4..=90 => self.commit(),
            91..=180 => self.get(),
            _ => self.scan(),
        }
    }

    fn commit(&mut self) {
        let mut batch = Batch::new();
        let mut after = self.model.clone();
        let mut verdict = Ok(());
        for index in 0..self.rng.usize(0..3) {
            let (name, key, expected) = (self.name(), self.key(), self.expectation());
            let expected = match (expected, self.model.get(name)) {
                // Mostly what is there, so that batches mostly succeed.
                (None, Some(rows)) => rows.get(&key).cloned(),
                (None, None) => None,
                (Some(other), _) => other,
            };
            verdict = verdict.and_then(|()| match self.model.get(name) {
                None => Err(KvErrorKind::UnknownKeyspace),
                Some(rows) if rows.get(&key) == expected.as_ref() => Ok(()),
                Some(_) => Err(KvErrorKind::PreconditionFailed { index }),
            });
            batch.require(name, key, expected.as_deref());
        }
        for _ in 0..self.rng.usize(0..6) {
            let (name, key) = (self.name(), self.key());
            let rows = after.get_mut(name);
            if rows.is_none() {
                verdict = verdict.and(Err(KvErrorKind::UnknownKeyspace));
            }
            let mut none = BTreeMap::new();
            let rows = rows.unwrap_or(&mut none);
            if self.rng.u8(..) < 90 {
                rows.remove(&key);
                batch.delete(name, key);
            } else {
                let value = self.value();
                rows.insert(key.clone(), value.clone());
                batch.put(name, key, value);
            }
        }
        let durability = if self.rng.u8(..) == 0 {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        match (self.kv.commit(&batch, durability), verdict) {
            (Ok(_), Ok(())) => self.model = after,
            (Err(error), Err(kind)) => assert_eq!(error.kind(), &kind),
            (answer, verdict) => panic!("the backend said {answer:?}, the model {verdict:?}"),
        }
    }

    fn get(&mut self) {
        let (name, key) = (self.name(), self.key());
        match self.model.get(name) {
            Some(rows) => assert_eq!(get(&*self.kv, name, &key).as_ref(), rows.get(&key)),
            None => assert_eq!(
                self.kv.get(name, &key).unwrap_err().kind(),
                &KvErrorKind::UnknownKeyspace
            ),
        }
    }

    fn scan(&mut self) {
        let name = self.name();
        let range = self.range();
        let direction = if self.rng.bool() {
            Direction::Forward
        } else {
            Direction::Backward
        };
        if self.model.contains_key(name) {
            let limit = self.rng.usize(1..40);
            let scan = self
                .kv
                .scan(name, range.clone(), direction)
                .expect("the scan starts");
            let found: Vec<_> = scan.take(limit).map(|row| row.expect("no error")).collect();
            let expected: Vec<_> = model_rows(&self.model, name, &range, direction)
                .into_iter()
                .take(limit)
                .collect();
            assert_eq!(found, expected, "{range:?} {direction:?}");
        }
    }

    fn toggle_keyspace(&mut self) {
        let name = self.name();
        if self.rng.u8(..) < 100 {
            assert_eq!(
                self.kv.drop_keyspace(name).unwrap(),
                self.model.remove(name).is_some()
            );
        } else {
            let made = self.kv.create_keyspace(name).unwrap();
            assert_eq!(made, !self.model.contains_key(name));
            self.model.entry(name.to_vec()).or_default();
        }
        assert_eq!(
            self.kv.keyspaces().unwrap(),
            self.model.keys().cloned().collect::<Vec<_>>()
        );
    }

    fn hold_or_compare_snapshot(&mut self) {
        match self.held.take() {
            Some((snapshot, then)) => compare(&*snapshot, &then),
            None => self.held = Some((self.kv.snapshot().unwrap(), self.model.clone())),
        }
    }

    fn compare_all(&mut self) {
        compare(&*self.kv, &self.model);
    }

    fn name(&mut self) -> &'static [u8] {
        NAMES[self.rng.usize(0..NAMES.len())]
    }

    /// Few keys, of few bytes, so that operations meet.
    fn key(&mut self) -> Vec<u8> {
        (0..self.rng.usize(1..4))
            .map(|_| [0, b'a', 0xFF][self.rng.usize(0..3)])
            .collect()
    }

    fn value(&mut self) -> Vec<u8> {
        (0..self.rng.usize(0..20)).map(|_| self.rng.u8(..)).collect()
    }

    fn expectation(&mut self) -> Option<Option<Vec<u8>>> {
        match self.rng.u8(..) {
            0..=200 => None,
            201..=230 => Some(None),
            _ => Some(Some(self.value())),
        }
    }

    fn range(&mut self) -> KeyRange {
        let range = if self.rng.bool() {
            KeyRange::prefix(&self.key()[..1])
        } else {
            KeyRange::all()
        };
        match self.rng.u8(0..4) {
            0 => range.from(&self.key()),
            1 => range.after(&self.key()),
            2 => range.from(&self.key()).before(&self.key()),
            _ => range,
        }
    }
}

fn compare(state: &(impl KvRead + ?Sized), model: &Model) {
    assert_eq!(
        state.keyspaces().unwrap(),
        model.keys().cloned().collect::<Vec<_>>()
    );
    for name in model.keys() {
        for direction in [Direction::Forward, Direction::Backward] {
            let expected = model_rows(model, name, &KeyRange::all(), direction);
            assert_eq!(rows(state, name, KeyRange::all(), direction), expected);
        }
    }
}

fn model_rows(model: &Model, name: &[u8], range: &KeyRange, direction: Direction) -> Vec<KvItem> {
    let rows = model[name]
        .iter()
        .filter(|(key, _)| range.contains(key))
        .map(|(key, value)| (key.clone(), value.clone()));
    match direction {
        Direction::Forward => rows.collect(),
        Direction::Backward => rows.rev().collect(),
    }
}
