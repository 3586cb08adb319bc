//! The form that a record has in cold: the codec's bytes of it, whole, under a version of cold's own.

use layerstore_record::codec::{CodecError, decode_record, encode_record};
use layerstore_record::{Record, RecordValue, Value, Version};

/// What a row of cold holds.
pub(crate) enum Copied {
    /// The copy of a record.
    Record(Record),
    /// Nothing that a copy can be; the row is left alone, and never believed.
    Unreadable(Option<CodecError>),
}

/// Encodes a record for cold.
///
/// # Errors
/// What the codec refuses: such a record stays in hot.
pub(crate) fn encode(record: &Record) -> Result<Box<[u8]>, CodecError> {
    encode_record(record).map(Vec::into_boxed_slice)
}

/// Makes the row of cold. It has no end of its own: what has ended, hot's clock says, and nobody else's.
pub(crate) fn row(record: &Record, bytes: Box<[u8]>, version: Version) -> Record {
    Record::builder(
        RecordValue::lww(Value::Bytes(bytes), version.timestamp()),
        version,
    )
    .created(record.created())
    .updated(record.updated())
    .build()
}

/// Makes the row that takes a copy's place when it is waste.
pub(crate) fn removal(version: Version) -> Record {
    let timestamp = version.timestamp();
    Record::builder(RecordValue::Tombstone { timestamp }, version).build()
}

/// Reads what a row of cold holds.
pub(crate) fn read(row: &Record) -> Copied {
    match row.value().value().map(|value| &**value) {
        Some(Value::Bytes(bytes)) => match decode_record(bytes) {
            Ok(record) => Copied::Record(record),
            Err(error) => Copied::Unreadable(Some(error)),
        },
        _ => Copied::Unreadable(None),
    }
}

impl Copied {
    /// Returns the record, where it carries this version.
    pub(crate) fn of_version(self, version: Version) -> Option<Record> {
        match self {
            Self::Record(record) if record.version() == version => Some(record),
            _ => None,
        }
    }
}
