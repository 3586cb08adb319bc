use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use layerstore_record::{Clock, Key, MapName, Millis, Record};

use crate::mutation::{Mutation, MutationEvent, Ownership};
use crate::observer::{MutationObserver, ObserverError};

/// How many locks share the keys: more than writers usually run at once.
const SHARDS: usize = 16;

/// Remembers when keys were last used, for whoever archives what is not: written, loaded, or read while in memory.
///
/// A read of what is in memory is told to no observer. So this one keeps an eye on the record itself, without keeping it alive, and
/// asks it when it was last read; what leaves memory leaves its time behind. Of backups it takes no note: their owner archives.
///
/// Bounded in keys: the oldest half is forgotten when the other half is full. Keys are kept as 64-bit hashes: one in some billions counts
/// as used when another was.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_observer::AccessTimes;
/// use layerstore_record::SystemClock;
///
/// let times = Arc::new(AccessTimes::new("access-times", Arc::new(SystemClock), 1_000_000));
/// // Told of mutations as any observer is, and asked by the archive policy: `.last_use(move |map, key| times.last_use(map, key))`.
/// # let _ = times;
/// ```
pub struct AccessTimes {
    name: String,
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    /// How many keys a generation of a shard holds.
    each: usize,
    /// Each guards the keys that fall into it, for the time of one look-up.
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    younger: HashMap<u64, Seen>,
    older: HashMap<u64, Seen>,
}

struct Seen {
    at: Millis,
    /// The record, while it is in memory.
    resident: Weak<Record>,
}

impl AccessTimes {
    /// Remembers about `max_keys` keys (at least 32), by this clock.
    #[must_use]
    pub fn new(name: impl Into<String>, clock: Arc<dyn Clock>, max_keys: usize) -> Self {
        Self {
            name: name.into(),
            clock,
            hasher: RandomState::new(),
            each: max_keys.div_ceil(2 * SHARDS).max(1),
            shards: Default::default(),
        }
    }

    /// Returns when a key was last used; `None` where that is not known, or no more.
    #[must_use]
    pub fn last_use(&self, map: &MapName, key: &Key) -> Option<Millis> {
        let hash = self.hasher.hash_one((map, key));
        let shard = self.shard(hash);
        let seen = shard.younger.get(&hash).or_else(|| shard.older.get(&hash))?;
        Some(seen.last_use())
    }

    fn note(&self, map: &MapName, key: &Key, seen: Seen) {
        let hash = self.hasher.hash_one((map, key));
        let mut shard = self.shard(hash);
        if shard.younger.len() >= self.each && !shard.younger.contains_key(&hash) {
            shard.older = std::mem::take(&mut shard.younger);
        }
        shard.younger.insert(hash, seen);
    }

    fn forget(&self, map: &MapName, key: &Key) {
        let hash = self.hasher.hash_one((map, key));
        let mut shard = self.shard(hash);
        shard.younger.remove(&hash);
        shard.older.remove(&hash);
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let [first, ..] = hash.to_be_bytes();
        let shard = &self.shards[usize::from(first) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn last_use(&self) -> Millis {
        let read = self
            .resident
            .upgrade()
            .map(|record| record.access().last_access());
        self.at.max(read.unwrap_or_default())
    }
}

impl MutationObserver for AccessTimes {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        if mutation.ownership == Ownership::Backup {
            return Ok(());
        }
        let map = mutation.map;
        match mutation.event {
            MutationEvent::Put { key, record }
            | MutationEvent::Update { key, record, .. }
            | MutationEvent::Load { key, record }
            | MutationEvent::ReplicationPut { key, record, .. } => {
                let at = self.clock.now();
                let resident = Arc::downgrade(record);
                self.note(map, key, Seen { at, resident });
            }
            // Leaving memory is no use: what counts is when it was last read there.
            MutationEvent::Evict { key, record } => {
                let known = self.last_use(map, key).unwrap_or_default();
                let at = known.max(record.access().last_access());
                let resident = Weak::new();
                self.note(map, key, Seen { at, resident });
            }
            MutationEvent::Remove { key, .. } => self.forget(map, key),
            // What was in memory is gone from there; when it was last loaded or written stays known.
            MutationEvent::Clear { .. } | MutationEvent::Reset { .. } | MutationEvent::Destroy { .. } => {}
        }
        Ok(())
    }
}

impl fmt::Debug for AccessTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTimes")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
