use std::collections::HashSet;

use foldhash::fast::RandomState;
use layerstore_record::Key;

/// The keys of the records with one value.
#[derive(Debug)]
pub(super) enum KeySet {
    /// One, as every value has where values are unique: no table for it.
    One(Key),
    Several(HashSet<Key, RandomState>),
}

impl KeySet {
    pub(super) fn insert(&mut self, key: &Key) {
        match self {
            Self::One(only) if only == key => {}
            Self::One(only) => *self = Self::Several([only.clone(), key.clone()].into_iter().collect()),
            Self::Several(keys) => drop(keys.insert(key.clone())),
        }
    }

    /// Removes a key; tells whether none is left.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        match self {
            Self::One(only) => only == key,
            Self::Several(keys) => {
                keys.remove(key);
                keys.is_empty()
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(keys) => keys.len(),
        }
    }

    pub(super) fn copy_into(&self, found: &mut Vec<Key>) {
        match self {
            Self::One(key) => found.push(key.clone()),
            Self::Several(keys) => found.extend(keys.iter().cloned()),
        }
    }
}
