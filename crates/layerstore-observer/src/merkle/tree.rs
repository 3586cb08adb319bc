use std::collections::BTreeMap;
use std::ops::Bound;

use layerstore_record::Key;

use super::digest::Digest;
use super::leaf::LeafHash;
use super::range::KeyRange;
use super::shape::{LEVELS, level_of};

/// A Merkle tree over key order: a leaf a key, buckets of neighbouring keys above them, a root above all.
///
/// Which keys begin a bucket is a matter of the key's own hash, so the same leaves make the same tree, in whatever order
/// they came and went. What a bucket holds is the sum of its leaves: a mutation changes one bucket a level, and any
/// range of keys has a digest, wherever it begins. A mutation and the digest of a range take O(log n).
///
/// **T1**: the same leaves give the same root and the same buckets, whatever the order of mutations, in every process and
/// over every engine; different leaves give another root.
/// **T5**: the difference of two trees is the ranges of keys, disjoint and in order, whose leaves differ: every key that
/// differs is in one of them, and no other key that either tree has is.
///
/// ```
/// use layerstore_observer::{LeafHash, MerkleTree};
/// use layerstore_record::{Key, NodeId, RecordValue, Timestamp, Millis};
///
/// let at = Timestamp::new(Millis(1), 0, NodeId(7));
/// let (mut one, mut two) = (MerkleTree::new(), MerkleTree::new());
/// for name in ["a", "b", "c"] {
///     let key = Key::new(name)?;
///     let leaf = LeafHash::of(&key, &RecordValue::lww(name, at));
///     one.set(&key, leaf);
///     two.set(&key, leaf);
/// }
/// assert_eq!(one.root(), two.root());
/// two.remove(&Key::new("b")?);
/// assert_eq!(one.difference(&two).len(), 1);
/// # Ok::<(), layerstore_record::InvalidKey>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MerkleTree {
    leaves: BTreeMap<Key, LeafHash>,
    /// A level after the other, the finest first: the buckets that begin at a key. What lies before the first of a level
    /// is no bucket of its own here; its digest is put together where it is asked for.
    levels: [BTreeMap<Key, Digest>; LEVELS],
    root: Digest,
}

/// A range of keys, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The keys.
    pub range: KeyRange,
    /// What they hold.
    pub digest: Digest,
}

impl MerkleTree {
    /// Makes a tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the digest of everything.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Returns the leaf of a key.
    #[must_use]
    pub fn leaf(&self, key: &Key) -> Option<LeafHash> {
        self.leaves.get(key).copied()
    }

    /// Iterates over the leaves of a range, in key byte order.
    pub fn leaves(&self, range: &KeyRange) -> impl Iterator<Item = (&Key, LeafHash)> {
        let held = (!range.is_empty()).then(|| self.leaves.range::<Key, _>(range.bounds()));
        held.into_iter().flatten().map(|(key, leaf)| (key, *leaf))
    }

    /// Puts the leaf of a key into its place; returns what was there.
    pub fn set(&mut self, key: &Key, leaf: LeafHash) -> Option<LeafHash> {
        let before = match self.leaves.get_mut(key) {
            Some(held) => Some(std::mem::replace(held, leaf)),
            None => self.leaves.insert(key.clone(), leaf),
        };
        match before {
            Some(before) if before == leaf => {}
            Some(before) => self.change(key, 0, Digest::of(leaf) - Digest::of(before)),
            None => self.begin(key, Digest::of(leaf)),
        }
        before
    }

    /// Takes the leaf of a key out; returns it if it was there.
    pub fn remove(&mut self, key: &Key) -> Option<LeafHash> {
        let before = self.leaves.remove(key)?;
        let starts = level_of(key);
        for level in 0..starts {
            // What is left of the bucket that began here belongs to the one before.
            let ended = self.levels.get_mut(level).and_then(|buckets| buckets.remove(key));
            let left = ended.unwrap_or_default() - Digest::of(before);
            add_to_bucket(&mut self.levels, level, key, left);
        }
        self.change(key, starts, Digest::EMPTY - Digest::of(before));
        Some(before)
    }

    /// Takes every leaf out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the digest of a range of keys, wherever it begins and ends.
    #[must_use]
    pub fn digest(&self, range: &KeyRange) -> Digest {
        match range {
            range if range.is_empty() => Digest::EMPTY,
            range if *range == KeyRange::ALL => self.root,
            range => self.digest_within(LEVELS, range.bounds()),
        }
    }

    /// Cuts a range into the buckets of a level: 0 for one a key, [`LEVELS`] for the coarsest. Together they
    /// cover the range; the first and the last may be parts of buckets.
    #[must_use]
    pub fn buckets(&self, level: usize, range: &KeyRange) -> Vec<Bucket> {
        if range.is_empty() {
            return Vec::new();
        }
        let starts: Vec<Key> = match level.checked_sub(1).and_then(|level| self.levels.get(level)) {
            Some(buckets) => inner(buckets, range).cloned().collect(),
            None => inner(&self.leaves, range).cloned().collect(),
        };
        self.cut(range, &starts)
    }

    /// Cuts a range at the coarsest level that has a bucket beginning within it, into at most `limit` pieces (at least 2)
    /// that cover it; `None` where no bucket does, and leaves alone are left to compare.
    #[must_use]
    pub fn split(&self, range: &KeyRange, limit: usize) -> Option<Vec<Bucket>> {
        if range.is_empty() {
            return None;
        }
        let starts = self.levels.iter().rev().find_map(|buckets| {
            let starts: Vec<Key> = inner(buckets, range).take(limit.max(2) - 1).cloned().collect();
            (!starts.is_empty()).then_some(starts)
        })?;
        Some(self.cut(range, &starts))
    }

    fn cut(&self, range: &KeyRange, starts: &[Key]) -> Vec<Bucket> {
        let ends = starts.iter().cloned().map(Bound::Excluded);
        let mut start = range.start.clone();
        let mut pieces = Vec::with_capacity(starts.len() + 1);
        for end in ends.chain([range.end.clone()]) {
            let next = match &end {
                Bound::Excluded(key) | Bound::Included(key) => Bound::Included(key.clone()),
                Bound::Unbounded => Bound::Unbounded,
            };
            let range = KeyRange { start, end };
            let digest = self.digest(&range);
            pieces.push(Bucket { range, digest });
            start = next;
        }
        pieces
    }

    /// Adds up a range that is not empty, by the buckets of `level` and finer ones at its two ends.
    fn digest_within(&self, level: usize, (start, end): (Bound<&Key>, Bound<&Key>)) -> Digest {
        let finer = level.checked_sub(1);
        let Some((finer, buckets)) = finer.and_then(|finer| Some((finer, self.levels.get(finer)?))) else {
            let leaves = self.leaves.range::<Key, _>((start, end));
            return leaves.map(|(_, leaf)| Digest::of(*leaf)).sum();
        };
        let inside = buckets.range::<Key, _>((start, end));
        let (Some((first, _)), Some((last, of_last))) = (inside.clone().next(), inside.clone().next_back())
        else {
            return self.digest_within(finer, (start, end));
        };
        let head = match start {
            Bound::Included(start) if start == first => Digest::EMPTY,
            start => self.digest_within(finer, (start, Bound::Excluded(first))),
        };
        let whole = inside.map(|(_, digest)| *digest).sum::<Digest>() - *of_last;
        let tail = match end {
            Bound::Unbounded => *of_last,
            // The last bucket ends where the range does.
            Bound::Excluded(end) if buckets.contains_key(end) => *of_last,
            end => self.digest_within(finer, (Bound::Included(last), end)),
        };
        head + whole + tail
    }

    /// Enters a new leaf: begins the buckets that begin at its key, and adds it to those that do not.
    fn begin(&mut self, key: &Key, leaf: Digest) {
        let starts = level_of(key);
        for level in 0..starts {
            let next = self.levels.get(level).and_then(|buckets| {
                let later = (Bound::Excluded(key), Bound::Unbounded);
                buckets
                    .range::<Key, _>(later)
                    .next()
                    .map(|(next, _)| next.clone())
            });
            let end = next.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let held = self.digest_within(level, (Bound::Included(key), end));
            // What was there already leaves the bucket before; the leaf itself never was in it.
            add_to_bucket(&mut self.levels, level, key, leaf - held);
            if let Some(buckets) = self.levels.get_mut(level) {
                buckets.insert(key.clone(), held);
            }
        }
        self.change(key, starts, leaf);
    }

    /// Changes the bucket that has this key, from level `from` up, and the root.
    fn change(&mut self, key: &Key, from: usize, by: Digest) {
        for level in from..LEVELS {
            add_to_bucket(&mut self.levels, level, key, by);
        }
        self.root += by;
    }
}

/// Adds to the bucket of a level that has this key; before the first there is none to be kept.
fn add_to_bucket(levels: &mut [BTreeMap<Key, Digest>; LEVELS], level: usize, key: &Key, by: Digest) {
    let buckets = levels.get_mut(level);
    let held = buckets.and_then(|buckets| buckets.range_mut::<Key, _>(..=key).next_back());
    if let Some((_, digest)) = held {
        *digest += by;
    }
}

/// The keys of a range but the one that it begins with: a piece cannot begin there once more.
fn inner<'a, V>(map: &'a BTreeMap<Key, V>, range: &'a KeyRange) -> impl Iterator<Item = &'a Key> {
    let begins = |key: &Key| matches!(&range.start, Bound::Included(start) if start == key);
    let keys = map.range::<Key, _>(range.bounds()).map(|(key, _)| key);
    keys.filter(move |key| !begins(key))
}
