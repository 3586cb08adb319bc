//! A tree of hashes over the records of a map, to find out where two copies of it differ.

mod covered;
mod difference;
mod digest;
mod leaf;
mod range;
mod rebuild;
mod removals;
mod shape;
mod tree;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerstore_record::{Key, MapName, Record, Timestamp, Version};

use crate::effect::Effect;
use crate::mutation::{Mutation, Ownership};
use crate::observer::{MutationObserver, ObserverError};
use covered::Covered;

pub use digest::Digest;
pub use leaf::LeafHash;
pub use range::KeyRange;
pub use rebuild::{Rebuild, RebuildInterrupted};
pub use removals::Removal;
pub use shape::LEVELS;
pub use tree::{Bucket, MerkleTree};

/// How many removals leave the tree under one taking of the lock when a cutoff is raised: 256, about a tenth of a millisecond.
const REMOVALS_A_STEP: usize = 256;

/// Keeps a [`MerkleTree`] over the records of one partition of a map, from what it is told.
///
/// It starts incomplete: somebody has to read through the records once ([`rebuild`](Self::rebuild)), also where there are none
/// yet. From then on it follows the mutations, at O(log n) each, under one lock; the hashing is done before. Records that were
/// evicted stay covered, so the tree keeps every key and 16 bytes of hash: at most 96 bytes a covered key in all, and
/// what a key of more than 23 bytes takes on the heap (shared with the record where that is in memory); removals take up to 180 more until they
/// fall under the cutoff. Copies kept for another owner are not covered.
///
/// **T2**: a leaf hashes key, value, the value's timestamps, and that it was removed. Neither the version nor the expiry, neither
/// eviction nor access nor a load changes the root.
/// **T3**: a record that left memory stays covered, and a write that does not know what it replaces replaces its leaf.
/// **T4**: a removal counts while it is later than the [cutoff](Self::cutoff), which only rises: two trees under one cutoff are
/// equal though one has forgotten older removals.
/// **T6**: a rebuild that reads while writes go on ends with the tree of a quiet one; until then, and after a reset, the
/// observer says that it is incomplete instead of showing a tree.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_observer::{MerkleObserver, Mutation, MutationEvent, MutationObserver};
/// use layerstore_record::{Key, MapName, Millis, NodeId, Provenance, Record, RecordValue, Timestamp, Version};
///
/// let map = MapName::new("users")?;
/// let observer = MerkleObserver::new("merkle", map.clone(), 0);
/// assert!(observer.root().is_none());
/// observer.rebuild().finish()?; // of a map that is empty
///
/// let (key, at) = (Key::new("alice")?, Timestamp::new(Millis(1), 0, NodeId(7)));
/// let record = Arc::new(Record::builder(RecordValue::lww("Alice", at), Version::new(at)).build());
/// let event = MutationEvent::Put { key: &key, record: &record };
/// observer.on_mutation(&Mutation::new(&map, Provenance::Client, event))?;
/// assert_eq!(observer.root().map(|root| root.leaves()), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MerkleObserver {
    name: String,
    map: MapName,
    partition: u32,
    /// Guards tree, removals and cutoff, which change together. Held for a mutation, or for what a reader looks at.
    covered: Mutex<Covered>,
}

impl MerkleObserver {
    /// Makes an observer of one partition of a map (0 where it has one). What it is told of others it ignores.
    #[must_use]
    pub fn new(name: impl Into<String>, map: MapName, partition: u32) -> Self {
        Self {
            name: name.into(),
            map,
            partition,
            covered: Mutex::default(),
        }
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &MapName {
        &self.map
    }

    /// Returns the partition.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Begins to read every record anew: the observer is incomplete until that is finished.
    pub fn rebuild(&self) -> Rebuild<'_> {
        Rebuild::begin(self)
    }

    /// Tells whether every record is covered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lock().is_complete()
    }

    /// Returns the digest of everything; `None` while the observer is incomplete.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        self.read(MerkleTree::root)
    }

    /// Lets a reader look at the tree; `None` while the observer is incomplete. Writers of the map wait meanwhile: look briefly.
    pub fn read<R>(&self, reader: impl FnOnce(&MerkleTree) -> R) -> Option<R> {
        let covered = self.lock();
        covered.is_complete().then(|| reader(&covered.tree))
    }

    /// Returns the removal that a key's leaf stands for; `None` for a key that holds something, or is not covered.
    #[must_use]
    pub fn removal(&self, key: &Key) -> Option<Removal> {
        self.lock().removals.get(key)
    }

    /// Takes note that a key holds nothing, though nobody told of that, if its leaf is still this one: the record has ended where no
    /// sweep comes, or a store without a data store has lost it.
    pub fn uncover(&self, key: &Key, leaf: LeafHash) {
        let mut covered = self.lock();
        if covered.is_complete() && covered.tree.leaf(key) == Some(leaf) {
            covered.tell_gone(key);
        }
    }

    /// Returns how many removals are covered.
    #[must_use]
    pub fn removals(&self) -> usize {
        self.lock().removals.len()
    }

    /// Returns up to which time removals do not count.
    #[must_use]
    pub fn cutoff(&self) -> Timestamp {
        self.lock().cutoff
    }

    /// Leaves removals up to `to` out of the tree, as two trees do before they are compared: at the later of their
    /// cutoffs. Takes time in proportion to the removals that fall under it; writers get between.
    pub fn raise_cutoff(&self, to: Timestamp) {
        while !self.lock().raise_cutoff(to, REMOVALS_A_STEP) {}
    }

    /// Returns up to which time removals may have been forgotten here: what a peer has from before, and we have not, may have
    /// been removed here.
    #[must_use]
    pub fn forgotten(&self) -> Timestamp {
        self.lock().forgotten
    }

    /// Takes note that the data store's tombstones up to `horizon` may be gone, as after a purge, or when a map is opened that was
    /// purged before. They do not count any more. Record stores and the facade say so by themselves
    /// ([`MutationObserver::removals_forgotten`]); who purges a data store behind their backs has to.
    pub fn forget_removals(&self, horizon: Timestamp) {
        self.raise_cutoff(horizon);
        let mut covered = self.lock();
        covered.forgotten = covered.forgotten.max(horizon);
    }

    fn lock(&self) -> MutexGuard<'_, Covered> {
        self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, key: &Key, record: &Record) {
        let value = record.value();
        // Hashed before the lock is taken: the value may be large.
        let (leaf, removal) = (LeafHash::of(key, value), Removal::of(value));
        self.lock().tell(key, leaf, removal, value.timestamp());
    }
}

impl MutationObserver for MerkleObserver {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        let is_ours = mutation.map == &self.map && mutation.partition == self.partition;
        if !is_ours || mutation.ownership == Ownership::Backup {
            return Ok(());
        }
        match mutation.event.effect() {
            // What a load brings is covered already, but after a write of unknown outcome: then it is the first to say what came of it.
            Effect::Holds { key, record } => self.tell(key, record),
            Effect::Gone { key, tombstone } => match tombstone {
                Some(tombstone) => self.tell(key, tombstone),
                None => self.lock().tell_gone(key),
            },
            Effect::Evicted { .. } => {}
            Effect::Emptied => self.lock().tell_cleared(),
            // Pending writes may be lost, or, without a data store, everything.
            Effect::Unknown | Effect::Ended => self.lock().tell_unknown(),
        }
        Ok(())
    }

    /// Forgets them as well, in every partition: a version is never below the timestamp of the removal that it was given to.
    fn removals_forgotten(&self, map: &MapName, up_to: Version) {
        if *map == self.map {
            self.forget_removals(up_to.timestamp());
        }
    }
}

impl fmt::Debug for MerkleObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MerkleObserver")
            .field("name", &self.name)
            .field("map", &self.map)
            .field("partition", &self.partition)
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}
