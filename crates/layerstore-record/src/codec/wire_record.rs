//! Version 1 of a record's payload: the metadata, then the record value.

use std::sync::Arc;

use bincode::Encode;
use bincode::enc::write::{SizeWriter, Writer};
use bincode::enc::{Encoder, EncoderImpl};
use bincode::error::EncodeError;

use super::cursor::Cursor;
use super::error::CodecError;
use super::{MAX_VALUE_BYTES, wire_value};
use crate::clock::Millis;
use crate::expiry::Expiry;
use crate::or_map::{OrEntries, Tags};
use crate::record::Record;
use crate::record_value::RecordValue;
use crate::timestamp::Timestamp;
use crate::value::{MAX_DEPTH, Value};
use crate::version::Version;

/// The metadata. Fields are only appended, with a new version.
#[derive(Encode)]
struct Head {
    version: [u8; 16],
    /// From the version's milliseconds to when the value was written. Times near each other take few bytes.
    updated: i64,
    /// From when the value was written to each of these.
    created: i64,
    stored: Option<i64>,
    deadline: Option<i64>,
    idle_deadline: Option<i64>,
    max_idle: Option<u64>,
}

mod tag {
    pub(super) const LWW: u8 = 0;
    pub(super) const TOMBSTONE: u8 = 1;
    pub(super) const OR_MAP: u8 = 2;
    pub(super) const OR_TOMBSTONES: u8 = 3;
}

/// Refuses a record that a decoder would refuse. Returns about how many bytes its payload has, to be asked for at once.
///
/// That is half of what its value takes in memory, where a field of a few bytes takes some forty more: a long text costs one more allocation,
/// while room that is never filled would cost every record of a batch.
pub(super) fn check(record: &Record) -> Result<usize, CodecError> {
    /// What the metadata take where no time is far from another, with the tag and the timestamp of the value.
    const HEAD: usize = 64;
    match record.value() {
        RecordValue::Lww { value, .. } => check_depth(value)?,
        RecordValue::OrMap { entries, tombstones } => {
            entries.iter().try_for_each(|(_, value)| check_depth(value))?;
            if entries.is_empty() {
                return Err(CodecError::malformed("an OR-Map has no entries"));
            }
            if entries.iter().any(|(tag, _)| tombstones.contains(*tag)) {
                return Err(CodecError::malformed("an entry is removed, too"));
            }
        }
        RecordValue::Tombstone { .. } | RecordValue::OrTombstones { .. } => {}
    }
    // Only now: a value that is too deep would overflow the stack here.
    match record.value().heap_bytes() {
        bytes if bytes > MAX_VALUE_BYTES => Err(CodecError::TooLarge {
            bytes,
            limit: MAX_VALUE_BYTES,
        }),
        bytes => Ok(HEAD + bytes / 2),
    }
}

fn check_depth(value: &Value) -> Result<(), CodecError> {
    value
        .check_depth()
        .map_err(|_| CodecError::TooDeep { limit: MAX_DEPTH })
}

/// Appends the payload of a record that was checked.
pub(super) fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), CodecError> {
    write(record, Append(out)).map(drop)
}

/// Returns the length of the payload of a record that was checked.
pub(super) fn encoded_len(record: &Record) -> Result<usize, CodecError> {
    Ok(write(record, SizeWriter::default())?.bytes_written)
}

/// Reads a payload.
pub(super) fn decode(payload: &[u8]) -> Result<Record, CodecError> {
    let mut from = Cursor::new(payload);
    let head = Head::read(&mut from)?;
    let value = read_value(&mut from)?;
    from.end()?;
    head.into_record(value)
}

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn write<W: Writer>(record: &Record, writer: W) -> Result<W, CodecError> {
    let mut encoder = EncoderImpl::new(writer, bincode::config::standard());
    Head::of(record)
        .encode(&mut encoder)
        .and_then(|()| write_value(record.value(), &mut encoder))
        .map_err(|_| CodecError::malformed("it cannot be encoded"))?;
    Ok(encoder.into_writer())
}

fn write_value<E: Encoder>(value: &RecordValue, to: &mut E) -> Result<(), EncodeError> {
    match value {
        RecordValue::Lww { value, timestamp } => {
            tag::LWW.encode(to)?;
            timestamp.to_bytes().encode(to)?;
            wire_value::write(value, to)
        }
        RecordValue::Tombstone { timestamp } => {
            tag::TOMBSTONE.encode(to)?;
            timestamp.to_bytes().encode(to)
        }
        RecordValue::OrMap { entries, tombstones } => {
            tag::OR_MAP.encode(to)?;
            wire_value::write_len(entries.len(), to)?;
            for (tag, value) in entries.iter() {
                tag.to_bytes().encode(to)?;
                wire_value::write(value, to)?;
            }
            write_tags(tombstones, to)
        }
        RecordValue::OrTombstones { tags } => {
            tag::OR_TOMBSTONES.encode(to)?;
            write_tags(tags, to)
        }
    }
}

fn write_tags<E: Encoder>(tags: &Tags, to: &mut E) -> Result<(), EncodeError> {
    wire_value::write_len(tags.len(), to)?;
    tags.removals().try_for_each(|(tag, removed)| {
        tag.to_bytes().encode(to)?;
        removed.to_bytes().encode(to)
    })
}

fn read_value(from: &mut Cursor<'_>) -> Result<RecordValue, CodecError> {
    match from.fixed()? {
        [tag::LWW] => {
            let timestamp = from.timestamp()?;
            let value = Arc::new(wire_value::read(from)?);
            Ok(RecordValue::Lww { value, timestamp })
        }
        [tag::TOMBSTONE] => from
            .timestamp()
            .map(|timestamp| RecordValue::Tombstone { timestamp }),
        [tag::OR_MAP] => read_or_map(from),
        [tag::OR_TOMBSTONES] => read_tags(from).map(|tags| RecordValue::OrTombstones { tags }),
        _ => Err(CodecError::malformed("its kind of record is not known")),
    }
}

fn read_or_map(from: &mut Cursor<'_>) -> Result<RecordValue, CodecError> {
    // An entry takes at least a tag and a byte.
    let len = from.count(17, size_of::<(Timestamp, Value)>())?;
    let mut entries = Vec::with_capacity(len);
    for _ in 0..len {
        entries.push((from.timestamp()?, wire_value::read(from)?));
    }
    let tombstones = read_tags(from)?;
    if entries.is_empty() {
        return Err(CodecError::malformed("an OR-Map has no entries"));
    }
    if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(CodecError::malformed("entries are out of order"));
    }
    if entries.iter().any(|(tag, _)| tombstones.contains(*tag)) {
        return Err(CodecError::malformed("an entry is removed, too"));
    }
    Ok(RecordValue::OrMap {
        entries: Arc::new(OrEntries::new(entries)),
        tombstones,
    })
}

fn read_tags(from: &mut Cursor<'_>) -> Result<Tags, CodecError> {
    let len = from.count(32, size_of::<(Timestamp, Timestamp)>())?;
    let mut tags = Vec::with_capacity(len);
    for _ in 0..len {
        tags.push((from.timestamp()?, from.timestamp()?));
    }
    if !tags.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(CodecError::malformed("removed tags are out of order"));
    }
    Ok(Tags::new(tags))
}

impl Head {
    fn of(record: &Record) -> Self {
        let (version, updated) = (record.version(), record.updated());
        let expiry = record.expiry();
        Self {
            version: version.to_bytes(),
            updated: offset(version.millis(), updated),
            created: offset(updated, record.created()),
            stored: record.last_stored().map(|at| offset(updated, at)),
            deadline: expiry.deadline.map(|at| offset(updated, at)),
            idle_deadline: expiry.idle_deadline.map(|at| offset(updated, at)),
            max_idle: expiry.max_idle,
        }
    }

    fn read(from: &mut Cursor<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            version: from.fixed()?,
            updated: from.signed()?,
            created: from.signed()?,
            stored: from.optional(Cursor::signed)?,
            deadline: from.optional(Cursor::signed)?,
            idle_deadline: from.optional(Cursor::signed)?,
            max_idle: from.optional(Cursor::varint)?,
        })
    }

    fn into_record(self, value: RecordValue) -> Result<Record, CodecError> {
        let version = Version::from_bytes(self.version);
        let updated = after(version.millis(), self.updated);
        let expiry = Expiry {
            deadline: self.deadline.map(|at| after(updated, at)),
            max_idle: self.max_idle,
            idle_deadline: self.idle_deadline.map(|at| after(updated, at)),
        };
        let record = Record::builder(value, version)
            .updated(updated)
            .created(after(updated, self.created))
            .expiry(expiry);
        match self.stored.map(|at| after(updated, at)) {
            None => Ok(record.build()),
            Some(Millis(0)) => Err(CodecError::malformed("it was stored before there was time")),
            Some(stored) => Ok(record.stored(stored).build()),
        }
    }
}

/// Returns the way from one time to another; every pair of times has one, and it leads back.
fn offset(from: Millis, to: Millis) -> i64 {
    to.0.wrapping_sub(from.0).cast_signed()
}

fn after(from: Millis, offset: i64) -> Millis {
    Millis(from.0.wrapping_add_signed(offset))
}
