use layerstore_data_store::StoreError;
use layerstore_observer::NameTaken;
use layerstore_query::QueryError;
use layerstore_record::{InvalidKey, InvalidMapName, Key, MapName, ValueError};
use layerstore_record_store::RecordStoreError;
use thiserror::Error;

use crate::config::ConfigError;

/// An operation failed: says what, where and what to do. Holds no value and no credential.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key cannot be.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// The name of the map cannot be.
    #[error(transparent)]
    InvalidMapName(#[from] InvalidMapName),
    /// The data store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record store refused or failed.
    #[error(transparent)]
    Records(#[from] RecordStoreError),
    /// An index or a live query could not be built, or cannot be believed any more.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A map has an index or a live query of that name already.
    #[error(transparent)]
    ObserverName(#[from] NameTaken),
    /// A value of the caller's type has no form as a record's value.
    #[error("map {map:?}, key {key:?}: the value cannot be held")]
    Encode {
        /// The map.
        map: MapName,
        /// The key.
        key: Key,
        /// Where in the value, and why.
        #[source]
        source: ValueError,
    },
    /// A record's value is not of the caller's type.
    #[error("map {map:?}, key {key:?}: the record's value is not of the type that the map is read as")]
    Decode {
        /// The map.
        map: MapName,
        /// The key.
        key: Key,
        /// Where in the value, and why.
        #[source]
        source: ValueError,
    },
    /// A record is an observed-remove map, which has no single value.
    #[error("map {map:?}, key {key:?}: the record is an observed-remove map: read it with `record`")]
    NotPlain {
        /// The map.
        map: MapName,
        /// The key.
        key: Key,
    },
    /// The store was closed.
    #[error("the store was closed: open it again")]
    Closed,
}

impl Error {
    /// Returns the data store's error, where it is this or the cause of it.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Records(error) | Self::Query(QueryError::Records(error)) => error.store_error(),
            _ => None,
        }
    }

    /// Tells whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Records(error) | Self::Query(QueryError::Records(error)) => error.is_retryable(),
            _ => false,
        }
    }
}
