use std::hint::black_box;
use std::sync::Arc;

use layerstore_benches::BenchError;
use layerstore_data_store::NullDataStore;
use layerstore_engine::HashMapEngine;
use layerstore_record::{Key, MapName};
use layerstore_record_store::eviction::TwoSegment;
use layerstore_record_store::{
    DefaultRecordStore, NewValue, RecordStore, RecordStoreConfig, TryGet, WriteOptions,
};
use tokio::runtime::Runtime;

use crate::subject::{Fresh, Subject};

/// Our record store without a data store and without observers, by its synchronous verbs.
pub struct Store {
    records: DefaultRecordStore,
    /// What its tasks would run on; nothing here needs any.
    _runtime: Runtime,
}

impl Store {
    /// Makes an empty store; of at most `records`, if a number is given.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn new(records: Option<usize>) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        // As many evicted keys are remembered as a map of the facade remembers: about as many as there is room for.
        let config =
            RecordStoreConfig::default().with_eviction(TwoSegment::with_ghosts(records.unwrap_or(0)));
        let config = match records {
            Some(records) => config.max_count(records as u64),
            None => config,
        };
        let (engine, below) = (Arc::new(HashMapEngine::new()), Arc::new(NullDataStore::new()));
        let builder = DefaultRecordStore::builder(MapName::new("peers")?, engine, below);
        let records = builder.config(config).runtime(runtime.handle().clone()).build()?;
        runtime.block_on(records.init())?;
        Ok(Self {
            records,
            _runtime: runtime,
        })
    }
}

impl Subject for Store {
    fn get(&self, key: &Key) -> bool {
        black_box(self.records.try_get(key)).hit().is_some()
    }

    fn read(&self, key: &Key) -> bool {
        let read = self.records.read(key, &mut |record| {
            black_box(record.version());
        });
        matches!(read, TryGet::Hit(()))
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        let value = NewValue::Plain(Arc::clone(&fresh.value));
        let _ = black_box(self.records.try_set(key, value, &WriteOptions::DEFAULT));
    }

    fn remove(&self, key: &Key) {
        // Without a data store there is nothing to wait for: the first poll is the last.
        let _ = black_box(futures::FutureExt::now_or_never(self.records.remove(key)));
    }
}
