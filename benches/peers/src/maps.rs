//! Concurrent maps, each under the hash function that our engine uses.

use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::RandomState;
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_record::{Key, Record};

use crate::subject::{Fresh, Subject};

/// papaya, which our engine stands on: bare.
pub type Papaya = papaya::HashMap<Key, Arc<Record>, RandomState>;

/// dashmap: shards behind locks of readers and writers.
pub type Dashmap = dashmap::DashMap<Key, Arc<Record>, RandomState>;

/// scc: buckets that are locked one by one.
pub type Scc = scc::HashMap<Key, Arc<Record>, RandomState>;

impl Subject for HashMapEngine {
    fn get(&self, key: &Key) -> bool {
        black_box(self.lookup(key).hit()).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        StorageEngine::read(self, key, &mut |record| {
            black_box(record.version());
        })
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        black_box(StorageEngine::put(self, key.clone(), Arc::clone(&fresh.record)));
    }

    fn remove(&self, key: &Key) {
        black_box(StorageEngine::remove(self, key));
    }
}

impl Subject for Papaya {
    fn get(&self, key: &Key) -> bool {
        black_box(self.pin().get(key).cloned()).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        let version = self.pin().get(key).map(|record| record.version());
        black_box(version).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        black_box(self.pin().insert(key.clone(), Arc::clone(&fresh.record)));
    }

    fn remove(&self, key: &Key) {
        black_box(self.pin().remove(key));
    }
}

impl Subject for Dashmap {
    fn get(&self, key: &Key) -> bool {
        let found = self.get(key).map(|record| Arc::clone(&record));
        black_box(found).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        let version = self.get(key).map(|record| record.version());
        black_box(version).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        black_box(self.insert(key.clone(), Arc::clone(&fresh.record)));
    }

    fn remove(&self, key: &Key) {
        black_box(self.remove(key));
    }
}

impl Subject for Scc {
    fn get(&self, key: &Key) -> bool {
        black_box(self.read_sync(key, |_, record| Arc::clone(record))).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        black_box(self.read_sync(key, |_, record| record.version())).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        black_box(self.upsert_sync(key.clone(), Arc::clone(&fresh.record)));
    }

    fn remove(&self, key: &Key) {
        black_box(self.remove_sync(key));
    }
}
