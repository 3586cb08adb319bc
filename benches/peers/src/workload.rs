//! Which records there are, and which are asked for.

use std::sync::Arc;

use layerstore_benches::BenchError;
use layerstore_benches::trace::zipf;
use layerstore_benches::workload::{START, key, value};
use layerstore_record::{Key, Millis, Timestamp, Value};

use crate::subject::{Fresh, NODE, Subject};

/// Values that records share: records differ, and a read touches its own, but nobody here reads what is in the value.
const VALUES: u64 = 1_000;

/// Any fixed number: every run asks for the same keys.
const SEED: u64 = 7;

/// How keys are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Each as often as another.
    Uniform,
    /// By Zipf's law with exponent 0.99.
    Zipf,
}

/// The records of a run, and keys that are asked for in a row that every subject goes through.
#[derive(Debug)]
pub struct Workload {
    keys: Vec<Key>,
    values: Vec<Arc<Value>>,
    uniform: Vec<Key>,
    zipf: Vec<Key>,
}

impl Workload {
    /// Makes so many records.
    ///
    /// # Errors
    /// Never.
    pub fn new(records: usize) -> Result<Self, BenchError> {
        let mut rng = fastrand::Rng::with_seed(SEED);
        let mut keys = (0..records as u64).map(key).collect::<Result<Vec<_>, _>>()?;
        // The most popular keys are to lie anywhere.
        rng.shuffle(&mut keys);
        let uniform = (0..records).map(|_| keys[rng.usize(..records)].clone()).collect();
        let ranks = zipf(records, records, &mut rng).map(usize::try_from);
        let zipf = ranks
            .map(|rank| Ok(keys[rank?].clone()))
            .collect::<Result<_, BenchError>>()?;
        let values = (0..VALUES).map(|number| Ok(Arc::new(value(number)?)));
        let values = values.collect::<Result<_, BenchError>>()?;
        Ok(Self {
            keys,
            values,
            uniform,
            zipf,
        })
    }

    /// Returns every key, in no order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Returns the keys that a thread asks for in a round: others in each round and on each thread.
    #[must_use]
    pub fn asked(&self, load: Load, operations: usize, round: u64, thread: usize) -> &[Key] {
        let row = match load {
            Load::Uniform => &self.uniform,
            Load::Zipf => &self.zipf,
        };
        let windows = (row.len() / operations).max(1);
        let window = usize::try_from(round).unwrap_or_default().wrapping_mul(2) + thread;
        let begin = window % windows * operations;
        &row[begin..(begin + operations).min(row.len())]
    }

    /// Makes what so many writes of a round bring.
    #[must_use]
    pub fn fresh(&self, operations: usize, round: u64) -> Vec<Fresh> {
        let written = Timestamp::new(Millis(START + 1 + round), 0, NODE);
        let values = self.values.iter().cycle().take(operations);
        values
            .map(|value| Fresh::of(Arc::clone(value), written))
            .collect()
    }

    /// Fills a subject with every record.
    pub fn fill(&self, subject: &dyn Subject) {
        let written = Timestamp::new(Millis(START), 0, NODE);
        for (key, value) in self.keys.iter().zip(self.values.iter().cycle()) {
            subject.put(key, &Fresh::of(Arc::clone(value), written));
        }
        subject.settle();
    }
}
