use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerstore_record::Key;

use crate::mutation::Ownership;

/// How many locks share the keys: more than writers usually run at once.
const SHARDS: usize = 16;

/// Which keys are in memory, and whose; kept as 64-bit hashes: two keys are taken for one once in some billions of records.
#[derive(Debug, Default)]
pub(crate) struct ResidentKeys {
    hasher: RandomState,
    /// Each guards the hashes that fall into it, for the time of one look-up.
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<u64, Ownership, BuildHasherDefault<Hashed>>;

/// Takes a number that is a hash already as it is.
#[derive(Debug, Default)]
struct Hashed(u64);

impl ResidentKeys {
    /// Adds a key; returns whose it was, if it was there.
    pub(crate) fn insert(&self, key: &Key, ownership: Ownership) -> Option<Ownership> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).insert(hash, ownership)
    }

    /// Removes a key; returns whose it was, if it was there.
    pub(crate) fn remove(&self, key: &Key) -> Option<Ownership> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).remove(&hash)
    }

    /// Removes every key of that ownership; returns how many there were.
    pub(crate) fn clear(&self, ownership: Ownership) -> usize {
        let clear = |shard: &Mutex<Shard>| {
            let mut shard = locked(shard);
            let before = shard.len();
            shard.retain(|_, of| *of != ownership);
            before - shard.len()
        };
        self.shards.iter().map(clear).sum()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Bits in the middle: the map itself places by the lowest and tells apart by the highest.
        let [_, _, _, middle, ..] = hash.to_be_bytes();
        locked(&self.shards[usize::from(middle >> 4)])
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
