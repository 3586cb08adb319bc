//! Errors of the data store, under its own name.

use layerstore_data_store::{ErrorKind, StoreError, WriteResult};
use layerstore_kv::KvError;
use layerstore_record::MapName;

/// How errors, spans and metrics name this store.
pub(crate) const STORE: &str = "slatedb";

/// Converts an error of opening or looking at the database of a map.
pub(crate) fn from_kv(operation: &'static str, error: KvError) -> StoreError {
    layerstore_embedded::from_kv(operation, error).in_store(STORE)
}

/// Says that the store takes no more calls.
pub(crate) fn closed(operation: &'static str) -> StoreError {
    let what = "the store was closed: open it again";
    StoreError::new(ErrorKind::Closed, STORE, operation, what)
}

/// Says that no answer came in time.
pub(crate) fn late(operation: &'static str, seconds: u64) -> StoreError {
    let what = format!("no answer within {seconds} s: is the service overloaded or cut off?");
    StoreError::new(ErrorKind::Timeout, STORE, operation, what)
}

pub(crate) fn not_claimed(operation: &'static str, map: &MapName) -> StoreError {
    let what = "claim the map before writing to it";
    StoreError::new(ErrorKind::NotClaimed, STORE, operation, what).in_map(map)
}

pub(crate) fn fenced(operation: &'static str, map: &MapName) -> StoreError {
    let what = "a later writer has claimed the map: this one must stop";
    StoreError::new(ErrorKind::Fenced, STORE, operation, what).in_map(map)
}

/// Tells whether a write was refused because the map was taken over.
pub(crate) fn is_fenced(answer: &WriteResult) -> bool {
    matches!(answer, WriteResult::Rejected(error) if error.kind() == ErrorKind::Fenced)
}

/// Tells whether a write was refused because its database had ended.
pub(crate) fn is_closed(answer: &WriteResult) -> bool {
    matches!(answer, WriteResult::Rejected(error) if error.kind() == ErrorKind::Closed)
}

/// Says who answered.
pub(crate) fn renamed(answer: WriteResult) -> WriteResult {
    match answer {
        WriteResult::Rejected(error) => WriteResult::Rejected(error.in_store(STORE)),
        answer => answer,
    }
}
