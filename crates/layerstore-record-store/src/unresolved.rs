//! Writes whose outcome nobody knows: what removes their keys has to keep them out, should they land late (clause S2).

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;
use layerstore_record::{Key, Merged, Record, RecordKind, RecordValue, Tags, Timestamp, Version};

use crate::lock::lock;

/// How many keys are kept in mind: 10,000, some 2 MB. Beyond that every removal that finds nothing leaves a tombstone.
const CAP: usize = 10_000;

/// The keys to which a value may still be on its way. Whoever asks for one or changes it holds its gate.
///
/// A later process need not know: its claim fences this one's late writes out.
#[derive(Default)]
pub(crate) struct Unresolved {
    /// Whether there are any, so that a write takes no lock while every outcome is known.
    any: AtomicBool,
    /// Held for a few instructions.
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    writes: HashMap<Key, Late, RandomState>,
    /// The kind of what did not fit.
    beyond: Option<RecordKind>,
}

struct Late {
    version: Version,
    /// What a removal leaves of it.
    removed: RecordValue,
}

impl Unresolved {
    /// Notes that this write may or may not have been made. One that lands late and brings no value shows nobody anything.
    pub(crate) fn note(&self, key: &Key, record: &Record) {
        if record.is_tombstone() {
            return;
        }
        let mut table = lock(&self.table);
        self.any.store(true, Ordering::Release);
        let removed = record.value().removed(record.version().timestamp());
        if table.writes.len() >= CAP && !table.writes.contains_key(key) {
            table.beyond = Some(removed.kind());
            return;
        }
        let before = table.writes.remove(key);
        let removed = before.map_or(removed.clone(), |before| both(&before.removed, removed));
        let version = record.version();
        table.writes.insert(key.clone(), Late { version, removed });
    }

    /// Notes that a newer write stands: whatever was on its way is fenced out.
    pub(crate) fn resolve(&self, key: &Key) {
        if self.any.load(Ordering::Acquire) {
            lock(&self.table).writes.remove(key);
        }
    }

    /// Notes that the whole map was cleared up to now.
    pub(crate) fn resolve_all(&self) {
        let mut table = lock(&self.table);
        *table = Table::default();
        self.any.store(false, Ordering::Release);
    }

    /// Returns what is to be left of a key without a value, so that nothing lands there late; `None` where nothing can.
    pub(crate) fn fence(&self, key: &Key, held: Option<&Record>) -> Option<RecordValue> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let table = lock(&self.table);
        let removed = match table.writes.get(key) {
            Some(late) if held.is_some_and(|held| held.version() >= late.version) => return None,
            Some(late) => late.removed.clone(),
            None => match table.beyond? {
                RecordKind::Lww => RecordValue::Tombstone {
                    timestamp: Timestamp::ZERO,
                },
                RecordKind::OrMap => RecordValue::OrTombstones {
                    tags: Tags::default(),
                },
            },
        };
        Some(held.map_or(removed.clone(), |held| both(held.value(), removed)))
    }

    /// Returns every key that is kept in mind, with what is to be left of it.
    pub(crate) fn all(&self) -> Vec<(Key, RecordValue)> {
        let table = lock(&self.table);
        let left = |(key, late): (&Key, &Late)| (key.clone(), late.removed.clone());
        table.writes.iter().map(left).collect()
    }
}

/// Merges what is known of a key; one map has records of one kind.
fn both(one: &RecordValue, other: RecordValue) -> RecordValue {
    match one.merge(&other) {
        Ok(Merged::Unchanged) => one.clone(),
        Ok(Merged::Changed(merged)) => merged,
        Err(_) => other,
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Millis, NodeId};

    use super::*;

    fn record(at: u64) -> Record {
        let at = Timestamp::new(Millis(at), 0, NodeId(1));
        Record::builder(RecordValue::lww(1_u64, at), Version::new(at)).build()
    }

    #[test]
    fn a_key_beyond_the_cap_is_fenced_as_any_other() {
        let unresolved = Unresolved::default();
        let key = |at: usize| Key::new(format!("key:{at}")).unwrap();
        assert!(unresolved.fence(&key(0), None).is_none());
        for at in 0..CAP {
            unresolved.note(&key(at), &record(2));
        }
        assert!(
            unresolved.fence(&key(CAP), None).is_none(),
            "its outcome is known"
        );
        unresolved.note(&key(CAP), &record(2));
        assert!(unresolved.fence(&key(CAP), None).is_some());
        assert!(unresolved.fence(&key(7), Some(&record(1))).is_some());
        assert!(
            unresolved.fence(&key(7), Some(&record(2))).is_none(),
            "it has landed"
        );
        unresolved.resolve_all();
        assert!(unresolved.fence(&key(CAP), None).is_none());
    }
}
