//! Reading through the records of a partition, a page after another, whatever their number.

use std::ops::Bound;
use std::sync::Arc;

use layerstore_data_store::ScanRequest;
use layerstore_engine::Cursor;
use layerstore_record::{Key, Record};
use layerstore_record_store::{RecordStore, RecordStoreError};

use crate::index::Scope;

/// How many records a page has: some milliseconds of a data store, and some 256 KB of typical records.
pub(crate) const PAGE: usize = 1_000;

/// Records as they were read, with their keys.
pub(crate) type Found = Vec<(Key, Arc<Record>)>;

/// Where a reader of one partition stands.
#[derive(Debug, Clone)]
pub(crate) enum Pages {
    /// Behind this key.
    Stored(Bound<Key>),
    /// At this place in memory.
    Resident(Cursor),
}

impl Pages {
    pub(crate) fn first(scope: Scope) -> Self {
        match scope {
            Scope::Stored => Self::Stored(Bound::Unbounded),
            Scope::Resident => Self::Resident(Cursor::start()),
        }
    }

    /// Reads the next page; returns its records, and where to go on. Of what is in memory a record may come twice.
    pub(crate) async fn read(
        self,
        store: &dyn RecordStore,
    ) -> Result<(Found, Option<Self>), RecordStoreError> {
        match self {
            Self::Stored(start) => {
                let page = store.scan_page(ScanRequest::first(PAGE).from(start)).await?;
                let next = page.next.map(|last| Self::Stored(Bound::Excluded(last)));
                Ok((page.records, next))
            }
            Self::Resident(cursor) => {
                let page = store.scan_resident(&cursor, PAGE);
                Ok((page.records, page.next.map(Self::Resident)))
            }
        }
    }
}
