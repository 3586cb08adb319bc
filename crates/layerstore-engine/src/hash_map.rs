//! The in-memory engine: a papaya map for reads, lock stripes with slot arrays for everything else.
//!
//! papaya answers lookups without locks, but cannot page, sample or count in the time that the contract asks.
//! So every mutation goes through the stripe of its key: the stripe's lock orders the mutations, and its slot
//! array lists the stripe's records by position, which makes paging and uniform sampling cheap.

mod level;
mod position;
mod resident;
mod sample;
mod scan;
mod slots;
mod stripes;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use layerstore_record::{Cost, Key, Record};
use papaya::Guard;

use crate::cursor::{Cursor, Page};
use crate::engine::StorageEngine;
use crate::lookup::{Computed, Decision, Lookup, Previous};
use level::LockedStripe;
use position::{Position, ScanId};
use resident::Resident;
use stripes::Stripes;

/// How many records a clear removes before it lets other writers of the stripe in.
const CLEAR_CHUNK: usize = 256;

type Map = papaya::HashMap<Key, Resident, SeedableRandomState>;

/// Keeps every record in memory, in a concurrent hash map. Never answers *cold*.
///
/// Reads take no lock. Mutations of one key follow each other behind the lock of its stripe; there is one stripe
/// in a small map, and up to 256 in a large one. What a mutation replaces is freed a little later, when no read
/// can see it any more (at most some dozens of records a thread wait for that).
///
/// ```
/// use std::sync::Arc;
/// use layerstore_engine::{HashMapEngine, Lookup, StorageEngine};
/// use layerstore_record::{Hlc, Key, NodeId, Record, RecordValue, SystemClock};
///
/// let engine = HashMapEngine::new();
/// let clock = Hlc::new(NodeId(1), Arc::new(SystemClock));
/// let value = RecordValue::lww("Alice", clock.tick());
/// let record = Arc::new(Record::builder(value, clock.next_version()).build());
///
/// let key = Key::new("user:1")?;
/// engine.put(key.clone(), record.clone());
/// assert!(matches!(engine.lookup(&key), Lookup::Hit(found) if Arc::ptr_eq(&found, &record)));
/// # Ok::<(), layerstore_record::InvalidKey>(())
/// ```
pub struct HashMapEngine {
    /// What readers see. Changed only under the lock of the key's stripe. Made for the first record: empty it takes some 17 KB.
    map: OnceLock<Map>,
    stripes: Stripes,
    hasher: SeedableRandomState,
    scans: ScanId,
}

impl HashMapEngine {
    /// What the engine adds to a record's own cost, in bytes: its place in the map and in a slot array, and the
    /// mean share of the map's table. Without spare capacity and without what waits to be freed.
    pub const OVERHEAD: Cost = Cost(resident::OVERHEAD_BYTES + slots::SLOT_BYTES);

    /// Makes an empty engine, whose hashing nobody outside can predict.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(SeedableRandomState::random())
    }

    /// Makes an empty engine whose order of scans and samples depends on `seed` alone, for tests that replay.
    /// Keys that an attacker chooses can be made to collide: use [`new`](Self::new) in production.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self::with_hasher(SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()))
    }

    fn with_hasher(hasher: SeedableRandomState) -> Self {
        // Cursors carry this number, so that no engine goes on with the scan of another one.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let scans = ScanId(hasher.hash_one(MADE.fetch_add(1, Ordering::Relaxed)));
        Self {
            map: OnceLock::new(),
            stripes: Stripes::new(),
            hasher,
            scans,
        }
    }

    fn map(&self) -> &Map {
        // A collector of its own: papaya 0.2.5 frees what other maps' readers still see when one of several maps
        // with a common collector is dropped (https://github.com/ibraheemdev/papaya/issues/102).
        self.map.get_or_init(|| Map::with_hasher(self.hasher.clone()))
    }

    fn lock(&self, key: &Key) -> LockedStripe<'_> {
        self.stripes.lock(self.hasher.hash_one(key))
    }

    /// Puts `record` in place. The map and the slot array of the stripe change under its lock, so that every
    /// record is in both or in neither when the lock is free.
    fn put_locked(&self, stripe: &mut LockedStripe<'_>, key: Key, record: Arc<Record>) -> Previous {
        let map = self.map().pin();
        let (old, cost) = (map.get(&key), resident::full_cost(&key, &record));
        let place = old.map_or(stripe.slots.vacancy(), Resident::place);
        // Not in one step (`compute`): of papaya's writes only an insertion helps to copy a table that grows (0.2.5), and reads of a map
        // whose tables are never copied to the end take ten times as long.
        map.insert(key.clone(), Resident::new(record.clone(), cost, place));
        let Some(old) = old else {
            let grows = stripe.slots.is_full();
            stripe.slots.add(key, record);
            stripe.charge(cost);
            if grows {
                // Tables that papaya has left behind wait for other frees of this thread, of which insertions alone make none: together they are
                // as large as the one in use. Now and then is enough.
                self.map().guard().flush();
            }
            return Previous::Absent;
        };
        stripe.recharge(old.cost(&key), cost);
        let replaced = stripe.slots.replace(place, record);
        Previous::Present(replaced.unwrap_or_else(|| old.record().clone()))
    }

    fn remove_locked(&self, stripe: &mut LockedStripe<'_>, key: &Key) -> Previous {
        let map = self.map.get().map(Map::pin);
        let Some(old) = map.as_ref().and_then(|map| map.remove(key)) else {
            return Previous::Absent;
        };
        let removed = stripe.slots.remove(old.place());
        stripe.discharge(old.cost(key));
        Previous::Present(removed.unwrap_or_else(|| old.record().clone()))
    }

    /// Closes the gaps that removals have left, once they are more than the records.
    fn tidy(&self, stripe: &mut LockedStripe<'_>) {
        if !stripe.slots.is_sparse() {
            return;
        }
        let map = self.map().pin();
        stripe.slots.close_gaps(|key, place| {
            if let Some(moved) = map.get(key) {
                moved.set_place(place);
            }
        });
        stripe.count();
    }

    /// Lets the stripe go; spreads the records over more stripes if it held too many.
    fn release(&self, stripe: LockedStripe<'_>) {
        if let Some(crowded) = stripe.release() {
            self.stripes.grow(crowded, self.map(), &self.hasher);
        }
    }

    /// Removes the records of a stripe that stand below `bound`, from the top, at most some of them; returns how many, and the
    /// bound of what is left.
    fn clear_chunk(&self, stripe: &mut LockedStripe<'_>, bound: usize) -> (usize, usize) {
        let top = bound.min(stripe.slots.extent());
        let rest = top.saturating_sub(CLEAR_CHUNK);
        let keys: Vec<_> = stripe
            .slots
            .downwards(rest, top)
            .map(|placed| placed.key.clone())
            .collect();
        for key in &keys {
            self.remove_locked(stripe, key);
        }
        self.tidy(stripe);
        (keys.len(), rest)
    }
}

impl StorageEngine for HashMapEngine {
    fn lookup(&self, key: &Key) -> Lookup {
        let Some(map) = self.map.get() else {
            return Lookup::Miss;
        };
        match map.pin().get(key) {
            Some(resident) => Lookup::Hit(resident.record().clone()),
            None => Lookup::Miss,
        }
    }

    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> bool {
        let Some(map) = self.map.get().map(Map::pin) else {
            return false;
        };
        let resident = map.get(key);
        if let Some(resident) = resident {
            reader(resident.record());
        }
        resident.is_some()
    }

    fn put(&self, key: Key, record: Arc<Record>) -> Previous {
        let mut stripe = self.lock(&key);
        let previous = self.put_locked(&mut stripe, key, record);
        self.release(stripe);
        previous
    }

    fn remove(&self, key: &Key) -> Previous {
        let mut stripe = self.lock(key);
        let previous = self.remove_locked(&mut stripe, key);
        self.tidy(&mut stripe);
        previous
    }

    fn compute(&self, key: &Key, decide: &mut dyn FnMut(Lookup) -> Decision) -> Computed {
        let mut stripe = self.lock(key);
        // Nothing has changed yet when `decide` panics, and no guard of the map is held while it runs.
        match decide(self.lookup(key)) {
            Decision::Keep => Computed::Kept,
            Decision::NeedsLoad => Computed::NeedsLoad,
            Decision::Remove => {
                let previous = self.remove_locked(&mut stripe, key);
                self.tidy(&mut stripe);
                Computed::Removed(previous)
            }
            Decision::Put(record) => {
                let previous = self.put_locked(&mut stripe, key.clone(), record);
                self.release(stripe);
                Computed::Put(previous)
            }
        }
    }

    fn len(&self) -> usize {
        self.stripes.len()
    }

    fn cost(&self) -> Cost {
        self.stripes.cost()
    }

    fn clear(&self) -> usize {
        let mut removed = 0;
        let mut position = Position::START;
        while let Some(mut stripe) = self.stripes.lock_at(&mut position) {
            let (count, rest) = self.clear_chunk(&mut stripe, position.below);
            removed += count;
            position.advance_to(rest);
        }
        removed
    }

    fn fetch(&self, cursor: &Cursor, n: usize) -> Page {
        scan::fetch(&self.stripes, self.scans, cursor, n)
    }

    fn sample(&self, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
        sample::sample(&self.stripes, rng, n)
    }
}

impl Default for HashMapEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HashMapEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither keys nor values: they are the users', and there may be millions.
        f.debug_struct("HashMapEngine")
            .field("len", &self.len())
            .field("cost", &self.cost())
            .finish_non_exhaustive()
    }
}
