//! A record as a row, and back.

use layerstore_data_store::{ErrorKind, StoreError, Write};
use layerstore_record::codec::{self, CodecError};
use layerstore_record::{Key, MapName, Millis, Record, RecordValue, Value, Version};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::builder::ValueFormat;
use crate::convert::{STORE, from_driver};
use crate::json;

/// What the columns of a record hold.
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) version: [u8; 16],
    pub(crate) ends_at: Option<i64>,
    pub(crate) tombstone: bool,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) body: Vec<u8>,
    pub(crate) value: Option<String>,
}

impl Row {
    /// Turns a write into its row.
    pub(crate) fn of(write: &Write, format: ValueFormat) -> Result<Self, StoreError> {
        let (body, value) = encode(&write.record, format).map_err(|error| refuse(write, error))?;
        let record = &write.record;
        Ok(Self {
            key: write.key.clone(),
            version: record.version().to_bytes(),
            ends_at: record.expiry().persisted_end().map(millis),
            tombstone: record.is_tombstone(),
            created_at: millis(record.created()),
            updated_at: millis(record.updated()),
            body,
            value,
        })
    }

    /// Returns about how many bytes it takes on the wire.
    pub(crate) fn bytes(&self) -> usize {
        /// What the fixed columns take, and the lengths before each element of an array.
        const FIXED: usize = 90;
        FIXED + self.key.as_bytes().len() + self.body.len() + self.value.as_ref().map_or(0, String::len)
    }
}

/// Returns a time as its column holds it; what does not fit is some 292 million years away.
pub(crate) fn millis(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// Reads a version.
pub(crate) fn version(operation: &'static str, bytes: &[u8]) -> Result<Version, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| damaged(operation, "a version has not 16 bytes"))?;
    Ok(Version::from_bytes(bytes))
}

/// Reads a column.
pub(crate) fn column<'r, T>(operation: &'static str, row: &'r PgRow, number: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(number).map_err(|error| from_driver(operation, error))
}

/// Reads a column of bytes or text as it came: which types the columns of our statements have is known.
pub(crate) fn raw<'r>(
    operation: &'static str,
    row: &'r PgRow,
    number: usize,
) -> Result<Option<&'r [u8]>, StoreError> {
    let value = row
        .try_get_raw(number)
        .map_err(|error| from_driver(operation, error))?;
    // What has no bytes is NULL.
    Ok(value.as_bytes().ok())
}

/// Reads a column as [`raw`] does, where there is no NULL.
pub(crate) fn raw_filled<'r>(
    operation: &'static str,
    row: &'r PgRow,
    number: usize,
) -> Result<&'r [u8], StoreError> {
    raw(operation, row, number)?.ok_or_else(|| damaged(operation, "a column is NULL that never is"))
}

/// Reads a key.
pub(crate) fn key(operation: &'static str, map: &MapName, bytes: &[u8]) -> Result<Key, StoreError> {
    let key = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Key::new(text).ok());
    key.ok_or_else(|| {
        let what = format!("a stored key is no key: \"{}\"", bytes.escape_ascii());
        damaged(operation, &what).in_map(map)
    })
}

/// Puts a record together from its columns.
pub(crate) fn record(
    operation: &'static str,
    (map, key): (&MapName, &Key),
    version: &[u8],
    body: &[u8],
    value: Option<&[u8]>,
) -> Result<Record, StoreError> {
    let record = decode(operation, body, value).map_err(|error| error.in_map(map).at_key(key))?;
    if record.version().to_bytes() != *version {
        let what = "version and body of a row do not belong together: was it changed by hand?";
        return Err(damaged(operation, what).in_map(map).at_key(key));
    }
    Ok(record)
}

fn decode(operation: &'static str, body: &[u8], value: Option<&[u8]>) -> Result<Record, StoreError> {
    let record = codec::decode_record(body).map_err(|error| {
        let kind = match error {
            CodecError::UnknownVersion { .. } => ErrorKind::UnknownFormat,
            _ => ErrorKind::Corrupt,
        };
        let what = "a stored record cannot be read: overwrite it, clear its map, or restore from a backup";
        StoreError::new(kind, STORE, operation, what).because(error)
    })?;
    let Some(text) = value else { return Ok(record) };
    // The error of the parser may show what it stumbled over.
    let value = json::value(text).map_err(|_| damaged(operation, "a stored JSON value is none of ours"))?;
    match record.value() {
        RecordValue::Lww { timestamp, .. } => Ok(with_value(&record, RecordValue::lww(value, *timestamp))),
        _ => Err(damaged(
            operation,
            "a row has a JSON value that is not a record's",
        )),
    }
}

fn encode(record: &Record, format: ValueFormat) -> Result<(Vec<u8>, Option<String>), CodecError> {
    if let (ValueFormat::Jsonb, RecordValue::Lww { value, timestamp }) = (format, record.value()) {
        // Refuses what is too large or too deep, as the other format does.
        codec::encoded_len(record)?;
        if let Some(text) = json::text(value) {
            let rest = with_value(record, RecordValue::lww(Value::Null, *timestamp));
            return Ok((codec::encode_record(&rest)?, Some(text)));
        }
    }
    Ok((codec::encode_record(record)?, None))
}

fn with_value(record: &Record, value: RecordValue) -> Record {
    let other = Record::builder(value, record.version())
        .created(record.created())
        .updated(record.updated())
        .expiry(record.expiry());
    match record.last_stored() {
        Some(at) => other.stored(at).build(),
        None => other.build(),
    }
}

fn damaged(operation: &'static str, what: &str) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, STORE, operation, what)
}

fn refuse(write: &Write, error: CodecError) -> StoreError {
    let kind = match error {
        CodecError::TooLarge { .. } => ErrorKind::TooLarge,
        _ => ErrorKind::Rejected,
    };
    let refused =
        StoreError::new(kind, STORE, "apply", "the record cannot be stored as it is").because(error);
    refused.in_map(&write.map).at_key(&write.key)
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Expiry, NodeId, Timestamp};

    use super::*;

    fn written(value: RecordValue) -> Write {
        let at = Timestamp::new(Millis(9), 0, NodeId(1));
        let expiry = Expiry {
            deadline: Some(Millis(u64::MAX)),
            ..Expiry::NEVER
        };
        let record = Record::builder(value, Version::new(at))
            .created(Millis(3))
            .expiry(expiry)
            .build();
        Write::new(MapName::new("m").unwrap(), Key::new("k").unwrap(), record.into())
    }

    fn back(row: &Row) -> Result<Record, StoreError> {
        let map = MapName::new("m").unwrap();
        record(
            "load",
            (&map, &row.key),
            &row.version,
            &row.body,
            row.value.as_deref().map(str::as_bytes),
        )
    }

    #[test]
    fn a_record_comes_back_from_either_format() {
        let at = Timestamp::new(Millis(8), 1, NodeId(2));
        let values = [
            RecordValue::lww("text", at),
            RecordValue::lww(Value::Null, at),
            RecordValue::lww(Value::Bytes([1_u8, 0].into()), at),
            RecordValue::Tombstone { timestamp: at },
        ];
        for value in values {
            for format in [ValueFormat::Bytes, ValueFormat::Jsonb] {
                let write = written(value.clone());
                let row = Row::of(&write, format).unwrap();
                assert_eq!(back(&row).unwrap(), *write.record, "{format:?}");
                let plain = matches!(
                    write.record.value().value().map(|value| &**value),
                    Some(Value::String(_) | Value::Null)
                );
                assert_eq!(row.value.is_some(), plain && format == ValueFormat::Jsonb);
            }
        }
    }

    #[test]
    fn a_row_that_was_changed_by_hand_is_damaged_and_shows_no_value() {
        let at = Timestamp::new(Millis(8), 1, NodeId(2));
        let row = || Row::of(&written(RecordValue::lww("hunter2", at)), ValueFormat::Jsonb).unwrap();
        let mut wrong = [row(), row(), row(), row()];
        wrong[0].version[0] ^= 1;
        wrong[1].body[20] ^= 1;
        wrong[2].value = Some("hunter2".into());
        wrong[3].body = Row::of(
            &written(RecordValue::Tombstone { timestamp: at }),
            ValueFormat::Bytes,
        )
        .unwrap()
        .body;
        for row in wrong {
            let error = back(&row).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
