//! Reading through the records of a partition, a page after another, whatever their number.

use std::sync::Arc;

use layerstore_engine::Cursor;
use layerstore_record::{Key, Record};
use layerstore_record_store::{RecordStore, RecordStoreError, ScanPlace};

use crate::index::Scope;

/// How many records a page has: some milliseconds of a data store, and some 256 KB of typical records.
pub(crate) const PAGE: usize = 1_000;

/// Records as they were read, with their keys.
pub(crate) type Found = Vec<(Key, Arc<Record>)>;

/// Where a reader of one partition stands.
#[derive(Debug, Clone)]
pub(crate) enum Pages {
    /// Among all of its records.
    Stored(ScanPlace),
    /// Among those in memory.
    Resident(Cursor),
}

/// Some records.
pub(crate) struct Page {
    pub(crate) records: Found,
    /// Where to go on.
    pub(crate) next: Option<Pages>,
    /// Whether the partition is read in key byte order; otherwise a record may come twice.
    pub(crate) is_in_key_order: bool,
}

impl Pages {
    pub(crate) fn first(scope: Scope) -> Self {
        match scope {
            Scope::Stored => Self::Stored(ScanPlace::start()),
            Scope::Resident => Self::Resident(Cursor::start()),
        }
    }

    /// Reads the next page.
    pub(crate) async fn read(self, store: &dyn RecordStore) -> Result<Page, RecordStoreError> {
        match self {
            Self::Stored(place) => {
                let page = store.scan_unordered(&place, PAGE).await?;
                Ok(Page {
                    records: page.records,
                    next: page.next.map(Self::Stored),
                    is_in_key_order: page.is_in_key_order,
                })
            }
            Self::Resident(cursor) => {
                let page = store.scan_resident(&cursor, PAGE);
                Ok(Page {
                    records: page.records,
                    next: page.next.map(Self::Resident),
                    is_in_key_order: false,
                })
            }
        }
    }
}
