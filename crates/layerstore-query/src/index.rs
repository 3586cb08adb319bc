mod build;
mod key_set;
mod phase;
mod postings;
mod shard;
mod terms;
mod window;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use layerstore_observer::{Effect, Mutation, MutationObserver, ObserverError};
use layerstore_record::{Key, MapName, Record};

use crate::order::Direction;
use crate::path::Path;
use crate::predicate::Test;
use crate::query::Front;
use crate::term::Term;
use phase::Phases;
use shard::Shard;

pub use build::{BuildReport, IndexBuild};
pub(crate) use phase::Generation;
pub use phase::Phase;
pub(crate) use window::Window;

/// Finds the keys of records by the values at a path, kept up by mutations.
///
/// An array is many values: its record is found by each of them. A record without the path takes no place in the index. An
/// index is one observer for all partitions of its map. It is of use once it was built from the records that were there before it
/// ([`build`](Self::build)); until then, and where it can no longer be believed, queries read everything instead.
///
/// # Contract
/// **Q1**: a query by an index returns what reading through everything returns, at every moment: what the index says is
/// only where to look, and each record is judged as it is read.
/// **Q2**: a record that has ended is never returned, swept or not.
/// **Q3**: building goes in bounded steps while writes go on, and loses none of them: a record that changed while its page was read
/// is taken as it was told, not as it was read.
/// **Q4**: an index over *stored* records knows those that were evicted as well: it holds what it needs by itself. One over
/// *resident* records follows what is in memory, loads included, and answers only queries of that.
/// **Q5**: after a reset, which forgets writes that were told of, an index over stored records is not used until it was built anew.
///
/// After a write of unknown outcome nobody is told what the key holds until it is read: a query does not find it by a
/// value that it may have got, until then.
///
/// Memory: for each record with a value at the path the key twice and each value twice. Writers of a sixty-fourth of the keys
/// wait while a query copies the keys that it found there.
pub struct Index {
    name: String,
    map: MapName,
    path: Path,
    kind: IndexKind,
    scope: Scope,
    hasher: RandomState,
    /// Each guards the records whose keys fall into it, for the time of one change or of copying the keys that a query found.
    shards: Box<[Mutex<Shard>]>,
    phases: Phases,
}

/// How an index keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexKind {
    /// By their hash: finds what equals a value, in the time of a look-up.
    Hash,
    /// In their order: finds ranges and prefixes as well.
    Ordered,
}

/// Which records are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// All of them, wherever they are.
    #[default]
    Stored,
    /// Those in memory.
    Resident,
}

/// How many locks share the keys: a query holds a writer up for the copy of a sixty-fourth of what it finds.
const SHARDS: usize = 64;

impl Index {
    /// In how many parts it is, by key.
    pub(crate) const PARTS: usize = SHARDS;

    /// Makes a hash index of a map, over stored records.
    #[must_use]
    pub fn hash(name: impl Into<String>, map: MapName, path: impl Into<Path>) -> Self {
        Self::new(name.into(), map, path.into(), IndexKind::Hash)
    }

    /// Makes an ordered index of a map, over stored records.
    #[must_use]
    pub fn ordered(name: impl Into<String>, map: MapName, path: impl Into<Path>) -> Self {
        Self::new(name.into(), map, path.into(), IndexKind::Ordered)
    }

    fn new(name: String, map: MapName, path: Path, kind: IndexKind) -> Self {
        let hasher = RandomState::default();
        let shard = |_| Mutex::new(Shard::new(kind, &hasher));
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            name,
            map,
            path,
            kind,
            scope: Scope::Stored,
            hasher,
            phases: Phases::default(),
        }
    }

    /// Follows only what is in memory.
    #[must_use]
    pub fn over_resident(mut self) -> Self {
        self.scope = Scope::Resident;
        self
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &MapName {
        &self.map
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how values are kept.
    #[must_use]
    pub fn kind(&self) -> IndexKind {
        self.kind
    }

    /// Returns which records it is over.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Returns whether queries can use it, and why not.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phases.now().0
    }

    /// Returns how many records have a place in it; those that have ended and were not swept count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Tells whether no record has a place in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether it can find what passes this test.
    pub(crate) fn serves(&self, path: &Path, test: &Test) -> bool {
        self.path == *path && (self.kind == IndexKind::Ordered || matches!(test, Test::In(_)))
    }

    /// Returns about how many keys it would find, without looking at more than some thousand values.
    pub(crate) fn estimate(&self, test: &Test) -> usize {
        self.shards.iter().map(|shard| lock(shard).estimate(test)).sum()
    }

    /// Copies the keys of the records with a value that passes; of several such values a key may come several times.
    pub(crate) fn find(&self, test: &Test) -> Vec<Key> {
        let mut found = Vec::new();
        for shard in &self.shards {
            lock(shard).find(test, &mut found);
        }
        found
    }

    /// Copies the keys with the first values in a direction, about so many of each part; an ordered index can.
    pub(crate) fn front(&self, direction: Direction, of_each: usize) -> Front {
        let (mut keys, mut next): (_, Option<Term>) = (Vec::new(), None);
        for shard in &self.shards {
            let Some(left) = lock(shard).front(direction, of_each, &mut keys) else {
                continue;
            };
            let is_first = next
                .as_ref()
                .is_none_or(|next| direction.turn(left.cmp(next)).is_lt());
            if is_first {
                next = Some(left);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Front { keys, next }
    }

    /// Returns the generation of what it holds, `None` while that is not to be used.
    pub(crate) fn ready(&self) -> Option<Generation> {
        let (phase, generation) = self.phases.now();
        (phase == Phase::Ready).then_some(generation)
    }

    /// Returns how often the key was told of, for [`drop_unchanged`](Self::drop_unchanged).
    pub(crate) fn stamp(&self, key: &Key) -> Option<u32> {
        lock(self.shard(key)).stamp(key)
    }

    /// Drops a key of which there is no record, unless it was told of since it had this stamp.
    pub(crate) fn drop_unchanged(&self, key: &Key, stamp: u32) {
        lock(self.shard(key)).drop_unchanged(key, stamp);
    }

    fn set(&self, key: &Key, partition: u32, record: &Record) {
        lock(self.shard(key)).set(key, partition, record, &self.path);
    }

    fn remove(&self, key: &Key) {
        lock(self.shard(key)).remove(key);
    }

    fn clear(&self, partition: u32) {
        for shard in &self.shards {
            lock(shard).clear(partition);
        }
    }

    fn clear_all(&self) {
        for shard in &self.shards {
            lock(shard).clear_all();
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        // The bits in the middle: the maps inside place by the lowest and tell apart by the highest.
        let [_, _, _, middle, ..] = self.hasher.hash_one(key).to_be_bytes();
        &self.shards[usize::from(middle) % SHARDS]
    }
}

impl MutationObserver for Index {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        if *mutation.map != self.map {
            return Ok(());
        }
        match (mutation.event.effect(), self.scope) {
            (Effect::Holds { key, record }, _) => self.set(key, mutation.partition, record),
            (Effect::Gone { key, .. }, _) | (Effect::Evicted { key, .. }, Scope::Resident) => {
                self.remove(key);
            }
            (Effect::Evicted { .. }, Scope::Stored) => {}
            (Effect::Unknown, Scope::Stored) => {
                self.phases.doubt("a reset forgot writes: build it anew");
                self.clear_all();
            }
            (Effect::Emptied | Effect::Unknown | Effect::Ended, _) => self.clear(mutation.partition),
        }
        Ok(())
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("name", &self.name)
            .field("map", &self.map)
            .field("path", &self.path)
            .field("kind", &self.kind)
            .field("scope", &self.scope)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash => "hash",
            Self::Ordered => "ordered",
        })
    }
}

/// Takes a lock whose holders leave whole what it protects, even where one panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
