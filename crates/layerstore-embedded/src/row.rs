//! A record as a row: the record codec's envelope, and nothing else.

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_record::codec::{self, CodecError};
use layerstore_record::{Key, MapName, Record};

use crate::convert::STORE;

/// Turns a record into a row.
pub(crate) fn encode(record: &Record) -> Result<Vec<u8>, CodecError> {
    codec::encode_record(record)
}

/// Turns a row into its record.
pub(crate) fn decode(
    operation: &'static str,
    map: &MapName,
    key: &Key,
    row: &[u8],
) -> Result<Record, StoreError> {
    codec::decode_record(row).map_err(|error| {
        let kind = match error {
            CodecError::UnknownVersion { .. } => ErrorKind::UnknownFormat,
            _ => ErrorKind::Corrupt,
        };
        let what = "the stored record cannot be read: overwrite or remove it by clearing the map, or restore from a copy";
        StoreError::new(kind, STORE, operation, what).in_map(map).at_key(key).because(error)
    })
}

/// Turns a row's key into the record's key.
pub(crate) fn key(operation: &'static str, map: &MapName, bytes: &[u8]) -> Result<Key, StoreError> {
    let key = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Key::new(text).ok());
    key.ok_or_else(|| {
        let what = format!("a stored key is damaged: \"{}\"", bytes.escape_ascii());
        StoreError::new(ErrorKind::Corrupt, STORE, operation, what).in_map(map)
    })
}
