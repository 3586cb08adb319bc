//! Entries that are made of a number, so that whoever finds one can tell who appended it and what it must hold.

use std::sync::Arc;

use layerstore_record::{Key, MapName, Record, RecordValue, Value};
use layerstore_testkit::records::version;
use layerstore_write_behind::{LogEntry, NewEntry};

/// Callers that append beside each other.
pub(crate) const WRITERS: u64 = 8;

/// Keys of each writer: each is written again and again.
const KEYS: u64 = 5;

/// The most that one append takes.
const MOST_ENTRIES: u64 = 3;

/// An entry of an append of a writer of a cycle. A writer's numbers rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(pub(crate) u64);

impl Number {
    /// The entries of one append.
    pub(crate) fn of_append(cycle: u64, writer: u64, append: u64) -> Vec<Self> {
        let first = (((cycle * WRITERS + writer) << 22) + append) << 2;
        (0..=append % MOST_ENTRIES)
            .map(|index| Self(first + index))
            .collect()
    }

    /// The number of an entry that was found, by the version of its record.
    pub(crate) fn of(entry: &LogEntry) -> Self {
        Self(entry.version().millis().0)
    }

    pub(crate) fn cycle(self) -> u64 {
        (self.0 >> 24) / WRITERS
    }

    pub(crate) fn writer(self) -> u64 {
        (self.0 >> 24) % WRITERS
    }

    /// Which append of its writer in its cycle, from 0.
    pub(crate) fn append(self) -> u64 {
        (self.0 >> 2) & ((1 << 22) - 1)
    }

    /// Which entry of its append, from 0.
    pub(crate) fn index(self) -> u64 {
        self.0 & 3
    }

    /// How many entries its append has.
    pub(crate) fn together(self) -> u64 {
        self.append() % MOST_ENTRIES + 1
    }

    /// What was submitted under this number, with at most so many bytes of value.
    pub(crate) fn entry(self, most: usize) -> NewEntry {
        NewEntry::write(map(), self.key(), self.record(most))
    }

    /// Tells whether an entry is what was submitted under this number, to the byte.
    pub(crate) fn is(self, entry: &LogEntry, most: usize) -> bool {
        entry.map == map()
            && entry.key == self.key()
            && *entry.record == *self.record(most)
            && entry.dead.is_none()
    }

    fn key(self) -> Key {
        Key::new(format!("{}:{}", self.writer(), self.append() % KEYS)).unwrap()
    }

    /// One in eight is a removal.
    fn record(self, most: usize) -> Arc<Record> {
        let mut rng = fastrand::Rng::with_seed(self.0);
        let version = version(self.0);
        let value = if rng.u8(..8) == 0 {
            RecordValue::Tombstone {
                timestamp: version.timestamp(),
            }
        } else {
            let bytes: Vec<u8> = (0..rng.usize(..=most)).map(|_| rng.u8(..)).collect();
            RecordValue::lww(Value::Bytes(bytes.into()), version.timestamp())
        };
        Arc::new(Record::builder(value, version).build())
    }
}

fn map() -> MapName {
    MapName::new("power").unwrap()
}
