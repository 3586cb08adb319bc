//! What a Merkle observer keeps behind its lock, and what each event makes of it.

use std::collections::HashSet;

use layerstore_record::{Key, Timestamp};

use super::leaf::LeafHash;
use super::removals::{Removal, Removals};
use super::tree::MerkleTree;

/// A tree, the removals in it, and how far it can be believed.
#[derive(Debug, Default)]
pub(super) struct Covered {
    pub(super) tree: MerkleTree,
    pub(super) removals: Removals,
    /// Removals up to here do not count: they are not in the tree.
    pub(super) cutoff: Timestamp,
    /// Removals up to here may be unknown here, because they were purged or cleared. At most the cutoff.
    pub(super) forgotten: Timestamp,
    /// The newest timestamp that was told of: a clear removes everything up to it.
    newest: Timestamp,
    stage: Stage,
    /// How many rebuilds were begun or made void: a rebuild is the one of its number.
    rebuilds: u64,
}

/// Whether the tree has a leaf for every record.
#[derive(Debug, Default)]
enum Stage {
    /// Nobody has read through the records yet, or they are no longer what was read.
    #[default]
    Incomplete,
    /// Somebody reads through them. What was told of since is newer than what is read.
    Rebuilding { told: HashSet<Key> },
    /// Every record is covered.
    Complete,
}

impl Covered {
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete)
    }

    /// Takes note of what a key holds after a mutation.
    pub(super) fn tell(&mut self, key: &Key, leaf: LeafHash, removal: Option<Removal>, at: Timestamp) {
        self.newest = self.newest.max(at);
        if self.is_wanted(key) {
            self.put(key, leaf, removal);
        }
    }

    /// Takes note of a key of which nothing is left, not even a tombstone.
    pub(super) fn tell_gone(&mut self, key: &Key) {
        if self.is_wanted(key) {
            self.tree.remove(key);
            self.removals.note(key, None);
        }
    }

    /// Forgets everything: it was removed at once, and nobody knows which keys those were.
    pub(super) fn tell_cleared(&mut self) {
        self.tree.clear();
        self.removals = Removals::default();
        self.forgotten = self.forgotten.max(self.newest);
        self.cutoff = self.cutoff.max(self.forgotten);
        if !self.is_complete() {
            // What is being read may be from before.
            self.tell_unknown();
        }
    }

    /// Believes nothing any more until it is rebuilt.
    pub(super) fn tell_unknown(&mut self) {
        self.tree.clear();
        self.removals = Removals::default();
        self.stage = Stage::Incomplete;
        self.rebuilds += 1;
    }

    /// Begins to rebuild; returns the number of the rebuild.
    pub(super) fn begin_rebuild(&mut self) -> u64 {
        self.tell_unknown();
        let told = HashSet::new();
        self.stage = Stage::Rebuilding { told };
        self.rebuilds
    }

    /// Takes note of a record that a rebuild has read; tells whether the rebuild still stands.
    pub(super) fn rebuild(
        &mut self,
        number: u64,
        key: &Key,
        leaf: LeafHash,
        removal: Option<Removal>,
        at: Timestamp,
    ) -> bool {
        let is_told = match &self.stage {
            Stage::Rebuilding { told } if self.rebuilds == number => told.contains(key),
            _ => return false,
        };
        self.newest = self.newest.max(at);
        if !is_told {
            self.put(key, leaf, removal);
        }
        true
    }

    /// Ends a rebuild; tells whether it still stood.
    pub(super) fn end_rebuild(&mut self, number: u64, stage_when_read: bool) -> bool {
        let stands = self.rebuilds == number && matches!(self.stage, Stage::Rebuilding { .. });
        match (stands, stage_when_read) {
            (true, true) => self.stage = Stage::Complete,
            (true, false) => self.tell_unknown(),
            (false, _) => {}
        }
        stands
    }

    /// Raises the cutoff by at most `steps` removals; tells whether it is there.
    pub(super) fn raise_cutoff(&mut self, to: Timestamp, steps: usize) -> bool {
        for _ in 0..steps {
            let Some(key) = self.removals.pop_until(to) else {
                self.cutoff = self.cutoff.max(to);
                return true;
            };
            self.tree.remove(&key);
        }
        false
    }

    /// Tells whether what became of a key is to be noted; a rebuild must not put what it reads over it.
    fn is_wanted(&mut self, key: &Key) -> bool {
        match &mut self.stage {
            Stage::Incomplete => false,
            Stage::Complete => true,
            Stage::Rebuilding { told } => {
                if !told.contains(key) {
                    told.insert(key.clone());
                }
                true
            }
        }
    }

    fn put(&mut self, key: &Key, leaf: LeafHash, removal: Option<Removal>) {
        let counts = removal.is_none_or(|removal| removal.at > self.cutoff);
        self.removals.note(key, removal.filter(|_| counts));
        if counts {
            self.tree.set(key, leaf);
        } else {
            self.tree.remove(key);
        }
    }
}
