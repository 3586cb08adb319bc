//! The payload of an entry.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | operation: 1 put, 2 removal |
//! | 1 | state: 0 to be written, 1 dead letter |
//! | 2 | length of the map's name |
//! | 3 | 0 |
//! | 4..6 | length of the key |
//! | 6..8 | length of the reason, 0 unless it is a dead letter |
//! | 8..24 | version, in its sortable form |
//! | 24.. | map, key, reason, then the record in the envelope of the record codec |

use std::fmt;
use std::sync::Arc;

use layerstore_data_store::{Write, WriteOp};
use layerstore_record::codec::{decode_record, encode_record_into};
use layerstore_record::{Key, MapName, Record, Version};

use super::LogError;
use super::little_endian::u16_at;

const HEAD_BYTES: usize = 24;

/// What most records take at most; larger ones make the payload grow while it is written.
const RECORD_BYTES: usize = 512;

/// The longest reason of a dead letter, in bytes; a longer one is cut.
pub const MAX_REASON_BYTES: usize = 1024;

/// The place of an entry in the order of appends, from 1 on. It rises with each entry, and stays when the entry is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

/// What is to be appended: a write that a store shall get, or one that it refused for good.
#[derive(Debug, Clone)]
pub struct NewEntry {
    map: MapName,
    key: Key,
    record: Arc<Record>,
    dead: Option<String>,
}

/// An entry as bytes, made on the thread of whoever appends it.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedEntry {
    pub(crate) payload: Vec<u8>,
    pub(crate) crc: u32,
}

/// An entry as it comes back.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogEntry {
    /// Its place in the order of appends.
    pub sequence: Sequence,
    /// The map.
    pub map: MapName,
    /// The key.
    pub key: Key,
    /// What the key holds by it; a removal brings its tombstone.
    pub record: Arc<Record>,
    /// Why the store refused it for good; none while it is to be written.
    pub dead: Option<String>,
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl NewEntry {
    /// Makes an entry of a write that a store shall get.
    #[must_use]
    pub fn write(map: MapName, key: Key, record: Arc<Record>) -> Self {
        Self {
            map,
            key,
            record,
            dead: None,
        }
    }

    /// Makes an entry of a write that the store refused for good. The reason must hold no value.
    #[must_use]
    pub fn dead_letter(map: MapName, key: Key, record: Arc<Record>, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON_BYTES {
            let end = (0..=MAX_REASON_BYTES)
                .rev()
                .find(|end| reason.is_char_boundary(*end));
            reason.truncate(end.unwrap_or(0));
        }
        Self {
            map,
            key,
            record,
            dead: Some(reason),
        }
    }

    /// Turns it into bytes.
    ///
    /// # Errors
    /// [`LogError::Record`] for a record that the codec refuses, as one that is too large.
    pub fn encode(&self) -> Result<EncodedEntry, LogError> {
        let reason = self.dead.as_deref();
        EncodedEntry::of((&self.map, &self.key, &self.record), reason, Vec::new())
    }
}

impl EncodedEntry {
    /// Turns a write that a store shall get into bytes, in memory that another entry had before.
    ///
    /// # Errors
    /// As [`NewEntry::encode`].
    pub(crate) fn of_write(write: &Write, memory: Vec<u8>) -> Result<Self, LogError> {
        Self::of((&write.map, &write.key, &write.record), None, memory)
    }

    fn of(
        (map, key, record): (&MapName, &Key, &Record),
        reason: Option<&str>,
        memory: Vec<u8>,
    ) -> Result<Self, LogError> {
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
        let (map, key) = (map.as_str().as_bytes(), key.as_bytes());
        let (is_dead, reason) = (reason.is_some(), reason.unwrap_or_default());
        let mut payload = memory;
        payload.clear();
        payload.reserve(HEAD_BYTES + map.len() + key.len() + reason.len() + RECORD_BYTES);
        payload.extend_from_slice(&[
            operation(record.is_tombstone()),
            u8::from(is_dead),
            u8::try_from(map.len()).unwrap_or(u8::MAX),
            0,
        ]);
        payload.extend_from_slice(&short(key.len()));
        payload.extend_from_slice(&short(reason.len()));
        payload.extend_from_slice(&record.version().to_bytes());
        payload.extend_from_slice(map);
        payload.extend_from_slice(key);
        payload.extend_from_slice(reason.as_bytes());
        encode_record_into(record, &mut payload).map_err(LogError::Record)?;
        let crc = crc32c::crc32c(&payload);
        Ok(Self { payload, crc })
    }
}

impl From<&Write> for NewEntry {
    fn from(write: &Write) -> Self {
        Self::write(write.map.clone(), write.key.clone(), Arc::clone(&write.record))
    }
}

impl fmt::Debug for EncodedEntry {
    /// Not the bytes: they hold the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedEntry")
            .field("bytes", &self.payload.len())
            .finish()
    }
}

impl LogEntry {
    /// Returns the version that fences the write.
    #[must_use]
    pub fn version(&self) -> Version {
        self.record.version()
    }

    /// Tells whether it stores or removes.
    #[must_use]
    pub fn op(&self) -> WriteOp {
        if self.record.is_tombstone() {
            WriteOp::Remove
        } else {
            WriteOp::Put
        }
    }

    /// Returns the write that the store shall get.
    #[must_use]
    pub fn to_write(&self) -> Write {
        Write::new(self.map.clone(), self.key.clone(), Arc::clone(&self.record))
    }

    /// Reads a payload whole; says what is wrong with one that we do not write.
    pub(crate) fn read(sequence: Sequence, payload: &[u8]) -> Result<Self, &'static str> {
        let parts = Parts::read(payload)?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "a name is no UTF-8");
        let map = MapName::new(text(parts.map)?).map_err(|_| "the name of the map is too long or empty")?;
        let key = Key::new(text(parts.key)?).map_err(|_| "the key is too long or empty")?;
        let reason = text(parts.reason)?;
        let record = decode_record(parts.record).map_err(|_| "the record cannot be decoded")?;
        if record.version() != parts.version || operation(record.is_tombstone()) != parts.operation {
            return Err("the record is another than the entry names");
        }
        Ok(Self {
            sequence,
            map,
            key,
            record: Arc::new(record),
            dead: parts.is_dead.then(|| reason.to_owned()),
        })
    }
}

/// A payload taken apart, nothing of it looked at but its lengths.
struct Parts<'a> {
    operation: u8,
    is_dead: bool,
    version: Version,
    map: &'a [u8],
    key: &'a [u8],
    reason: &'a [u8],
    record: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "the entry ends too early";
        let (head, rest) = payload.split_at_checked(HEAD_BYTES).ok_or(SHORT)?;
        let [operation @ (1 | 2), state @ (0 | 1), map_len, 0, ..] = *head else {
            return Err("the entry is of a kind that is not known");
        };
        let len = |at| u16_at(head, at).map(usize::from).ok_or(SHORT);
        let (key_len, reason_len) = (len(4)?, len(6)?);
        let version = head.get(8..).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
        let (map, rest) = rest.split_at_checked(map_len.into()).ok_or(SHORT)?;
        let (key, rest) = rest.split_at_checked(key_len).ok_or(SHORT)?;
        let (reason, record) = rest.split_at_checked(reason_len).ok_or(SHORT)?;
        if reason_len > MAX_REASON_BYTES || (state == 0 && reason_len > 0) {
            return Err("the reason is longer than it may be");
        }
        Ok(Self {
            operation,
            is_dead: state == 1,
            version: Version::from_bytes(*version),
            map,
            key,
            reason,
            record,
        })
    }
}

/// Tells whether a payload is shaped as an entry's.
pub(crate) fn is_entry(payload: &[u8]) -> bool {
    Parts::read(payload).is_ok()
}

fn operation(is_removal: bool) -> u8 {
    if is_removal { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Millis, NodeId, RecordValue, Timestamp};

    use super::*;

    fn tombstone() -> Arc<Record> {
        let now = Timestamp::new(Millis(5), 0, NodeId(1));
        let value = RecordValue::Tombstone { timestamp: now };
        Arc::new(Record::builder(value, Version::new(now)).build())
    }

    fn names() -> (MapName, Key) {
        (MapName::new("a/b\0🔑").unwrap(), Key::new("é").unwrap())
    }

    #[test]
    fn an_entry_comes_back_as_it_was_encoded() {
        let (map, key) = names();
        let now = Timestamp::new(Millis(5), 0, NodeId(1));
        let value = Arc::new(Record::builder(RecordValue::lww("secret", now), Version::new(now)).build());
        for (entry, op) in [
            (
                NewEntry::write(map.clone(), key.clone(), Arc::clone(&value)),
                WriteOp::Put,
            ),
            (
                NewEntry::dead_letter(map.clone(), key.clone(), value, "too large"),
                WriteOp::Put,
            ),
            (
                NewEntry::write(map.clone(), key.clone(), tombstone()),
                WriteOp::Remove,
            ),
        ] {
            let encoded = entry.encode().unwrap();
            let read = LogEntry::read(Sequence(9), &encoded.payload).unwrap();
            assert_eq!(
                (&read.map, &read.key, &read.record, &read.dead),
                (&entry.map, &entry.key, &entry.record, &entry.dead)
            );
            assert_eq!(
                (read.sequence, read.op(), read.version()),
                (Sequence(9), op, entry.record.version())
            );
            assert_eq!(read.to_write().version(), read.version());
            assert!(is_entry(&encoded.payload));
            assert!(!format!("{encoded:?}").contains("secret"));
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let (map, key) = names();
        let entry = NewEntry::dead_letter(map, key, tombstone(), "é".repeat(1000) + "x");
        let read = LogEntry::read(Sequence(1), &entry.encode().unwrap().payload).unwrap();
        assert_eq!(read.dead.unwrap(), "é".repeat(512));
    }

    #[test]
    fn what_we_do_not_write_is_refused() {
        let (map, key) = names();
        let whole = NewEntry::write(map, key, tombstone()).encode().unwrap().payload;
        for (at, byte) in [
            (0, 0),
            (0, 1),
            (1, 2),
            (2, 255),
            (3, 1),
            (4, 255),
            (7, 255),
            (8, 1),
            (24, 0xff),
        ] {
            let mut payload = whole.clone();
            payload[at] = byte;
            assert!(LogEntry::read(Sequence(1), &payload).is_err(), "{at}");
        }
        for len in 0..whole.len() {
            assert!(LogEntry::read(Sequence(1), &whole[..len]).is_err(), "{len}");
        }
    }
}
