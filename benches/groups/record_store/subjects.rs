//! What is measured: a record store, an engine of its own beside it, and a bare map, with the same values.

use std::sync::Arc;

use foldhash::fast::RandomState;
use layerstore_benches::workload::{START, key, record};
use layerstore_benches::{BenchError, Draws};
use layerstore_data_store::NullDataStore;
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_record::{Key, MapName, Record, Value};
use layerstore_record_store::{DefaultRecordStore, NewValue, RecordStore, WriteOptions};

/// What one would write by hand.
pub(crate) type Bare = papaya::HashMap<Key, Arc<Record>, RandomState>;

/// Any fixed number: every run asks for the same keys.
const SEED: u64 = 7;

/// All three with the same values.
pub(crate) struct Subjects {
    pub(crate) store: DefaultRecordStore,
    pub(crate) engine: HashMapEngine,
    pub(crate) bare: Bare,
    pub(crate) keys: Vec<Key>,
    pub(crate) value: Arc<Value>,
}

impl Subjects {
    pub(crate) async fn of(size: u64) -> Result<Self, BenchError> {
        let under = Arc::new(HashMapEngine::new());
        let store =
            DefaultRecordStore::builder(MapName::new("bench")?, under, Arc::new(NullDataStore::new()));
        let store = store.build()?;
        store.init().await?;
        let mut subjects = Self {
            store,
            engine: HashMapEngine::new(),
            bare: Bare::with_hasher(RandomState::default()),
            keys: Vec::new(),
            value: Arc::new(Value::from("a value of no great length")),
        };
        for number in 0..size {
            subjects.add(number).await?;
        }
        Ok(subjects)
    }

    async fn add(&mut self, number: u64) -> Result<(), BenchError> {
        let (key, record) = (key(number)?, Arc::new(record(number, START)?));
        if let Some(value) = record.value().value() {
            let value = NewValue::Plain(Arc::new(Value::clone(value)));
            self.store.set(&key, value, &WriteOptions::new()).await?;
        }
        self.engine.put(key.clone(), record.clone());
        self.bare.pin().insert(key.clone(), record);
        self.keys.push(key);
        Ok(())
    }

    /// Draws the keys that a round asks for: all ways the same.
    pub(crate) fn draw(&self, draws: &Draws, count: u32, round: u64) -> Vec<Key> {
        let mut rng = fastrand::Rng::with_seed(SEED ^ round);
        let drawn = (0..count).map(|_| self.keys[draws.draw(&mut rng)].clone());
        drawn.collect()
    }
}
