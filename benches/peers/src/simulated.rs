//! Caches of other people under the simulator: bounded by a number of records, otherwise as they come.

use foyer_memory::{CacheBuilder, S3FifoConfig};
use layerstore_benches::simulator::Cache;

/// moka: TinyLFU with a window of recent ones. It does its housekeeping after each insertion here, so that it holds what it is told to.
pub struct Moka(moka::sync::Cache<u64, ()>);

/// quick_cache: Clock-PRO, on all its shards.
pub struct QuickCache(quick_cache::sync::Cache<u64, ()>);

/// foyer's cache in memory, on one shard: the bound of each of several would be too small for the smallest caches.
pub struct Foyer(foyer_memory::Cache<u64, ()>);

impl Moka {
    /// Makes an empty cache of at most `capacity` records.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(moka::sync::Cache::new(capacity as u64))
    }
}

impl QuickCache {
    /// Makes an empty cache of at most `capacity` records.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(quick_cache::sync::Cache::new(capacity))
    }
}

impl Foyer {
    /// Makes an empty cache of at most `capacity` records, under the policy that foyer takes by itself.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(CacheBuilder::new(capacity).with_shards(1).build())
    }

    /// Makes the same under S3-FIFO.
    #[must_use]
    pub fn s3_fifo(capacity: usize) -> Self {
        let builder = CacheBuilder::new(capacity).with_shards(1);
        Self(builder.with_eviction_config(S3FifoConfig::default()).build())
    }
}

impl Cache for Moka {
    fn request(&mut self, key: u64) -> bool {
        if self.0.get(&key).is_some() {
            return true;
        }
        self.0.insert(key, ());
        self.0.run_pending_tasks();
        false
    }
}

impl Cache for QuickCache {
    fn request(&mut self, key: u64) -> bool {
        if self.0.get(&key).is_some() {
            return true;
        }
        self.0.insert(key, ());
        false
    }
}

impl Cache for Foyer {
    fn request(&mut self, key: u64) -> bool {
        if self.0.get(&key).is_some() {
            return true;
        }
        self.0.insert(key, ());
        false
    }
}
