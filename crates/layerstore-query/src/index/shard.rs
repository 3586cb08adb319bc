use std::collections::HashMap;

use foldhash::fast::RandomState;
use layerstore_record::{Key, Record};

use super::IndexKind;
use super::phase::Generation;
use super::postings::Postings;
use super::terms::Terms;
use super::window::Window;
use crate::order::Direction;
use crate::path::Path;
use crate::predicate::Test;
use crate::term::Term;

/// An index of a share of the keys: what each has, and who has each.
#[derive(Debug)]
pub(super) struct Shard {
    entries: HashMap<Key, Entry, RandomState>,
    postings: Postings,
    pub(super) window: Window,
    /// Counts what was told, so that a key can be seen to have been told of again.
    told: u32,
}

#[derive(Debug)]
struct Entry {
    terms: Terms,
    partition: u32,
    stamp: u32,
}

/// How many values are looked at for an estimate; of more it is too low.
const ESTIMATED: usize = 64;

impl Shard {
    pub(super) fn new(kind: IndexKind, hasher: &RandomState) -> Self {
        Self {
            entries: HashMap::with_hasher(hasher.clone()),
            postings: Postings::new(kind, hasher),
            window: Window::default(),
            told: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes note of what a key holds now.
    pub(super) fn set(&mut self, key: &Key, partition: u32, record: &Record, path: &Path) {
        self.window.note(key);
        self.take_over(key, partition, record, path);
    }

    /// Takes note of what a page says that a key holds, unless the key was told of since.
    pub(super) fn offer(&mut self, build: Generation, (key, record): (&Key, &Record), of: u32, path: &Path) {
        if self.window.admits(build, key) {
            self.take_over(key, of, record, path);
        }
    }

    fn take_over(&mut self, key: &Key, partition: u32, record: &Record, path: &Path) {
        self.told = self.told.wrapping_add(1);
        let stamp = self.told;
        if let Some(entry) = self.entries.get_mut(key)
            && entry.terms.are_those_of(path, record)
        {
            (entry.partition, entry.stamp) = (partition, stamp);
            return;
        }
        self.drop_entry(key);
        let Some(terms) = Terms::of(path, record) else {
            return;
        };
        for term in terms.as_slice() {
            self.postings.add(term, key);
        }
        let entry = Entry {
            terms,
            partition,
            stamp,
        };
        self.entries.insert(key.clone(), entry);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.window.note(key);
        self.drop_entry(key);
    }

    fn drop_entry(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else {
            return;
        };
        for term in entry.terms.as_slice() {
            self.postings.remove(term, key);
        }
    }

    /// Drops the keys of a partition.
    pub(super) fn clear(&mut self, partition: u32) {
        self.window.note_clear(partition);
        let of_others = |(_, entry): (&Key, &Entry)| entry.partition != partition;
        if !self.entries.iter().any(of_others) {
            self.entries.clear();
            self.postings.clear();
            return;
        }
        let is_of = |(_, entry): &(&Key, &Entry)| entry.partition == partition;
        let keys: Vec<Key> = self
            .entries
            .iter()
            .filter(is_of)
            .map(|(key, _)| key.clone())
            .collect();
        keys.iter().for_each(|key| self.drop_entry(key));
    }

    pub(super) fn clear_all(&mut self) {
        self.entries.clear();
        self.postings.clear();
    }

    pub(super) fn estimate(&self, test: &Test) -> usize {
        let looked_at = self.postings.matching(test).take(ESTIMATED);
        looked_at.map(super::key_set::KeySet::len).sum()
    }

    pub(super) fn find(&self, test: &Test, found: &mut Vec<Key>) {
        for keys in self.postings.matching(test) {
            keys.copy_into(found);
        }
    }

    /// Copies the keys with the first values, about `most`; returns the first value whose keys were left out.
    pub(super) fn front(&self, direction: Direction, most: usize, found: &mut Vec<Key>) -> Option<Term> {
        let before = found.len();
        for (term, keys) in self.postings.in_order(direction) {
            if found.len() - before + keys.len() > most {
                return Some(term.clone());
            }
            keys.copy_into(found);
        }
        None
    }

    pub(super) fn stamp(&self, key: &Key) -> Option<u32> {
        self.entries.get(key).map(|entry| entry.stamp)
    }

    pub(super) fn drop_unchanged(&mut self, key: &Key, stamp: u32) {
        if self.stamp(key) == Some(stamp) {
            self.drop_entry(key);
        }
    }
}
