//! Two trees, compared from the root down: only where they differ is anything looked at.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;

use layerstore_record::Key;

use super::leaf::LeafHash;
use super::range::KeyRange;
use super::tree::MerkleTree;

/// Into how many pieces a range is cut at a time: twice what a bucket has on average.
const PIECES: usize = 64;

impl MerkleTree {
    /// Returns the ranges of keys whose leaves differ, in order: each from a key that differs to one that does, with none
    /// between that does not. No range for trees that are equal.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Vec<KeyRange> {
        let mut found = Vec::new();
        let mut open = vec![KeyRange::ALL];
        while let Some(range) = open.pop() {
            if self.digest(&range) == other.digest(&range) {
                continue;
            }
            match self.split(&range, PIECES).or_else(|| other.split(&range, PIECES)) {
                // Backwards, so that the first is the next to be looked at.
                Some(pieces) => open.extend(pieces.into_iter().rev().map(|piece| piece.range)),
                None => found.extend(runs(self, other, &range)),
            }
        }
        joined(self, other, found)
    }
}

/// Compares the leaves of a range one by one.
fn runs(one: &MerkleTree, other: &MerkleTree, range: &KeyRange) -> Vec<KeyRange> {
    let mut runs = Vec::new();
    let mut run: Option<(Key, Key)> = None;
    for (key, is_same) in side_by_side(one.leaves(range), other.leaves(range)) {
        run = match (run.take(), is_same) {
            (None, true) => None,
            (None, false) => Some((key.clone(), key.clone())),
            (Some((first, last)), true) => {
                runs.push(KeyRange::of_run(first, last));
                None
            }
            (Some((first, _)), false) => Some((first, key.clone())),
        };
    }
    runs.extend(run.map(|(first, last)| KeyRange::of_run(first, last)));
    runs
}

/// Joins runs that only the cut between two buckets has parted.
fn joined(one: &MerkleTree, other: &MerkleTree, runs: Vec<KeyRange>) -> Vec<KeyRange> {
    let mut joined: Vec<KeyRange> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if touches(one, last, &run) && touches(other, last, &run) => last.end = run.end,
            _ => joined.push(run),
        }
    }
    joined
}

fn touches(tree: &MerkleTree, one: &KeyRange, next: &KeyRange) -> bool {
    let between = KeyRange {
        start: flipped(&one.end),
        end: flipped(&next.start),
    };
    tree.leaves(&between).next().is_none()
}

fn flipped(bound: &Bound<Key>) -> Bound<Key> {
    match bound {
        Bound::Included(key) => Bound::Excluded(key.clone()),
        Bound::Excluded(key) => Bound::Included(key.clone()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Goes through two sides in key order: each key that either has, and whether both have the same leaf there.
fn side_by_side<'a>(
    one: impl Iterator<Item = (&'a Key, LeafHash)>,
    other: impl Iterator<Item = (&'a Key, LeafHash)>,
) -> impl Iterator<Item = (&'a Key, bool)> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || next_of(&mut one, &mut other))
}

fn next_of<'a>(
    one: &mut Peekable<impl Iterator<Item = (&'a Key, LeafHash)>>,
    other: &mut Peekable<impl Iterator<Item = (&'a Key, LeafHash)>>,
) -> Option<(&'a Key, bool)> {
    let order = match (one.peek(), other.peek()) {
        (Some((key, _)), Some((theirs, _))) => key.cmp(theirs),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    match order {
        Ordering::Less => one.next().map(|(key, _)| (key, false)),
        Ordering::Greater => other.next().map(|(key, _)| (key, false)),
        Ordering::Equal => {
            let ((key, leaf), theirs) = (one.next()?, other.next()?);
            Some((key, leaf == theirs.1))
        }
    }
}
