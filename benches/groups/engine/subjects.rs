//! What is measured: an engine and a bare map with the same records.

use std::sync::Arc;

use foldhash::fast::RandomState;
use layerstore_benches::workload::{START, key, record};
use layerstore_benches::{BenchError, Draws};
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_record::{Key, Millis, NodeId, Record, RecordValue, Timestamp, Value, Version};

/// What one would write by hand.
pub(crate) type Bare = papaya::HashMap<Key, Arc<Record>, RandomState>;

/// Any fixed number: every run asks for the same keys.
const SEED: u64 = 7;

/// Both maps with the same records.
pub(crate) struct Subjects {
    pub(crate) engine: HashMapEngine,
    pub(crate) bare: Bare,
    pub(crate) keys: Vec<Key>,
}

impl Subjects {
    pub(crate) fn of(size: u64) -> Result<Self, BenchError> {
        let (engine, bare) = (HashMapEngine::new(), Bare::with_hasher(RandomState::default()));
        let mut keys = Vec::new();
        for number in 0..size {
            let (key, record) = (key(number)?, Arc::new(record(number, START)?));
            engine.put(key.clone(), record.clone());
            bare.pin().insert(key.clone(), record);
            keys.push(key);
        }
        Ok(Self { engine, bare, keys })
    }

    /// Draws the keys that a round asks for: both ways the same.
    pub(crate) fn draw(&self, draws: &Draws, count: u32, round: u64) -> Vec<Key> {
        let mut rng = fastrand::Rng::with_seed(SEED ^ round);
        let drawn = (0..count).map(|_| self.keys[draws.draw(&mut rng)].clone());
        drawn.collect()
    }
}

/// Makes records of one value.
pub(crate) struct Writer {
    value: Arc<Value>,
    at: u64,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            value: Arc::new(Value::from("a value of no great length")),
            at: START,
        }
    }

    /// Makes the next record, of a version above those before.
    pub(crate) fn write(&mut self) -> Arc<Record> {
        self.at += 1;
        let timestamp = Timestamp::new(Millis(self.at), 0, NodeId(1));
        let value = RecordValue::Lww {
            value: Arc::clone(&self.value),
            timestamp,
        };
        Arc::new(Record::builder(value, Version::new(timestamp)).build())
    }
}
