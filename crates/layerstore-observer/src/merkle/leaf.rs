//! What a leaf hashes: the same bytes on every machine, in every process, for ever.

use std::fmt;

use layerstore_record::{Key, OrEntries, RecordValue, Tags, Timestamp, Value};
use sha2::{Digest as _, Sha256};

/// The first bytes of every leaf: another layout gets another number, so that two never pass for each other.
const LAYOUT: &[u8] = b"layerstore leaf 1\0";

/// The hash of one record: of its key, its value, the value's timestamps, and whether it was removed.
///
/// The first 128 bits of a SHA-256. Neither the version nor the expiry is in it, nor when it was created or read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafHash([u8; 16]);

impl LeafHash {
    /// Hashes what a key holds.
    #[must_use]
    pub fn of(key: &Key, value: &RecordValue) -> Self {
        let mut hasher = Hasher(Sha256::new());
        hasher.raw(LAYOUT);
        hasher.text(key.as_str());
        hasher.record_value(value);
        let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]: [u8; 32] =
            hasher.0.finalize().into();
        Self(hash)
    }

    /// Returns the hash's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Takes bytes for a hash.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for LeafHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Takes things in so that no two sequences of them give the same bytes: every length and every kind goes before.
struct Hasher(Sha256);

impl Hasher {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn len(&mut self, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.raw(&len.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.len(text.len());
        self.raw(text.as_bytes());
    }

    fn timestamp(&mut self, timestamp: Timestamp) {
        self.raw(&timestamp.to_bytes());
    }

    fn record_value(&mut self, value: &RecordValue) {
        match value {
            RecordValue::Lww { value, timestamp } => {
                self.raw(b"l");
                self.timestamp(*timestamp);
                self.value(value);
            }
            RecordValue::Tombstone { timestamp } => {
                self.raw(b"t");
                self.timestamp(*timestamp);
            }
            RecordValue::OrMap { entries, tombstones } => {
                self.raw(b"o");
                self.entries(entries);
                self.tags(tombstones);
            }
            RecordValue::OrTombstones { tags } => {
                self.raw(b"r");
                self.tags(tags);
            }
            // A kind that this layout does not know has no leaf of its own; adding one means adding it here.
            _ => self.raw(b"?"),
        }
    }

    fn entries(&mut self, entries: &OrEntries) {
        self.len(entries.len());
        for (tag, value) in entries.iter() {
            self.timestamp(*tag);
            self.value(value);
        }
    }

    fn tags(&mut self, tags: &Tags) {
        self.len(tags.len());
        for (tag, removed) in tags.removals() {
            self.timestamp(tag);
            self.timestamp(removed);
        }
    }

    /// Recurses as deep as a value may be nested, which is 64 levels.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.raw(b"n"),
            Value::Bool(is) => self.raw(if *is { b"T" } else { b"F" }),
            Value::I64(number) => self.number(b"i", number.to_le_bytes()),
            Value::U64(number) => self.number(b"u", number.to_le_bytes()),
            Value::F64(number) => self.number(b"f", number.to_bits().to_le_bytes()),
            Value::String(text) => {
                self.raw(b"s");
                self.text(text);
            }
            Value::Bytes(bytes) => {
                self.raw(b"b");
                self.len(bytes.len());
                self.raw(bytes);
            }
            Value::Array(items) => {
                self.raw(b"a");
                self.len(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(fields) => {
                self.raw(b"m");
                self.len(fields.len());
                for (name, value) in fields.iter() {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    fn number(&mut self, kind: &[u8; 1], bytes: [u8; 8]) {
        self.raw(kind);
        self.raw(&bytes);
    }
}
