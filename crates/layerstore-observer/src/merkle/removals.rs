use std::collections::{BTreeMap, BTreeSet};

use layerstore_record::{Key, RecordKind, RecordValue, Timestamp};

/// A removal that a tree covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// When it was made, by the remover's clock; of an OR-Map the latest.
    pub at: Timestamp,
    /// Of which kind of record.
    pub kind: RecordKind,
}

/// The removals among the leaves of a tree, by key and by time: a cutoff takes the oldest ones.
#[derive(Debug, Default)]
pub(super) struct Removals {
    of_keys: BTreeMap<Key, Removal>,
    by_time: BTreeSet<(Timestamp, Key)>,
}

impl Removal {
    /// Returns the removal that a value is; `None` for one that holds something.
    pub(super) fn of(value: &RecordValue) -> Option<Self> {
        let (at, kind) = (value.timestamp(), value.kind());
        value.is_tombstone().then_some(Self { at, kind })
    }
}

impl Removals {
    pub(super) fn get(&self, key: &Key) -> Option<Removal> {
        self.of_keys.get(key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.of_keys.len()
    }

    /// Takes note of what a key holds now: a removal, or none.
    pub(super) fn note(&mut self, key: &Key, removal: Option<Removal>) {
        if self.get(key) == removal {
            return;
        }
        if let Some((key, before)) = self.of_keys.remove_entry(key) {
            self.by_time.remove(&(before.at, key));
        }
        if let Some(removal) = removal {
            self.of_keys.insert(key.clone(), removal);
            self.by_time.insert((removal.at, key.clone()));
        }
    }

    /// Takes the oldest removal out, if it is not later than `cutoff`.
    pub(super) fn pop_until(&mut self, cutoff: Timestamp) -> Option<Key> {
        let oldest = self.by_time.first().filter(|(at, _)| *at <= cutoff)?.clone();
        self.by_time.remove(&oldest);
        self.of_keys.remove(&oldest.1);
        Some(oldest.1)
    }
}
