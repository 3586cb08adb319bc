//! Caches in memory, as they come but for the hash function, which is that of our record store, and the bound, a number of records.

use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::RandomState;
use foyer_memory::CacheBuilder;
use layerstore_record::{Key, Record};
use mini_moka::sync::ConcurrentCacheExt;

use crate::subject::{Fresh, Subject};

/// moka: TinyLFU behind a concurrent table; housekeeping by the threads that call it.
pub struct Moka(moka::sync::Cache<Key, Arc<Record>, RandomState>);

/// mini-moka: the same in a smaller form, on dashmap.
pub struct MiniMoka(mini_moka::sync::Cache<Key, Arc<Record>, RandomState>);

/// quick_cache: Clock-PRO in shards behind locks.
pub struct QuickCache(quick_cache::sync::Cache<Key, Arc<Record>, quick_cache::UnitWeighter, RandomState>);

/// foyer's cache in memory: LRU in shards behind locks.
pub struct Foyer(foyer_memory::Cache<Key, Arc<Record>, RandomState>);

impl Moka {
    /// Makes an empty cache of at most `records`.
    #[must_use]
    pub fn new(records: usize) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(records as u64);
        Self(builder.build_with_hasher(RandomState::default()))
    }
}

impl MiniMoka {
    /// Makes an empty cache of at most `records`.
    #[must_use]
    pub fn new(records: usize) -> Self {
        let builder = mini_moka::sync::Cache::builder().max_capacity(records as u64);
        Self(builder.build_with_hasher(RandomState::default()))
    }
}

impl QuickCache {
    /// Makes an empty cache of at most `records`.
    #[must_use]
    pub fn new(records: usize) -> Self {
        let (weighter, hasher) = (quick_cache::UnitWeighter, RandomState::default());
        let lifecycle = quick_cache::sync::DefaultLifecycle::default();
        Self(quick_cache::sync::Cache::with(
            records,
            records as u64,
            weighter,
            hasher,
            lifecycle,
        ))
    }
}

impl Foyer {
    /// Makes an empty cache of at most `records`.
    #[must_use]
    pub fn new(records: usize) -> Self {
        let builder = CacheBuilder::new(records).with_hash_builder(RandomState::default());
        Self(builder.build())
    }
}

impl Subject for Moka {
    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key)).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        black_box(self.0.get(key).map(|record| record.version())).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        self.0.insert(key.clone(), fresh.make());
    }

    fn remove(&self, key: &Key) {
        self.0.invalidate(key);
    }

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

impl Subject for MiniMoka {
    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key)).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        black_box(self.0.get(key).map(|record| record.version())).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        self.0.insert(key.clone(), fresh.make());
    }

    fn remove(&self, key: &Key) {
        self.0.invalidate(key);
    }

    fn settle(&self) {
        self.0.sync();
    }
}

impl Subject for QuickCache {
    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key)).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        black_box(self.0.get(key).map(|record| record.version())).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        self.0.insert(key.clone(), fresh.make());
    }

    fn remove(&self, key: &Key) {
        black_box(self.0.remove(key));
    }
}

impl Subject for Foyer {
    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key).map(|found| Arc::clone(found.value()))).is_some()
    }

    fn read(&self, key: &Key) -> bool {
        black_box(self.0.get(key).map(|found| found.value().version())).is_some()
    }

    fn put(&self, key: &Key, fresh: &Fresh) {
        black_box(self.0.insert(key.clone(), fresh.make()));
    }

    fn remove(&self, key: &Key) {
        black_box(self.0.remove(key));
    }
}
