//! Reading everything that a store holds, to find what cannot be read.

use std::ops::Bound;

use layerstore_record::{Key, MapName, Record};

use crate::error::{ErrorKind, StoreError};
use crate::scan::ScanRequest;
use crate::store::MapDataStore;

/// Corrupt records that a report names for a map; more are counted.
pub const NAMED_CORRUPT_RECORDS: usize = 1_000;

/// How many records are read at a time.
const PAGE: usize = 1_000;

/// What a verification found, map by map.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// One report a map, in name order.
    pub maps: Vec<MapReport>,
}

/// What a verification found in one map.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MapReport {
    /// The map.
    pub map: MapName,
    /// Values that have not ended.
    pub live: u64,
    /// Values that have ended and were not purged yet, as far as the store shows them.
    pub expired: u64,
    /// Removals that were not purged yet.
    pub tombstones: u64,
    /// Rows below the cleared floor: as good as gone, as far as the store shows them.
    pub cleared: u64,
    /// Records that could not be read.
    pub corrupt_count: u64,
    /// The first 1,000 of them.
    pub corrupt: Vec<CorruptRecord>,
    /// Bytes of keys and encoded records.
    pub bytes: u64,
    /// Why the rest of the map could not be read, if so.
    pub unreadable: Option<StoreError>,
}

/// A record that could not be read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CorruptRecord {
    /// Its key; where that is damaged, what is left of it.
    pub key: String,
    /// What is wrong with it.
    pub error: StoreError,
}

impl VerifyReport {
    /// Puts a report together.
    #[must_use]
    pub fn new(maps: Vec<MapReport>) -> Self {
        Self { maps }
    }

    /// Tells whether everything could be read.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.maps.iter().all(MapReport::is_sound)
    }
}

impl MapReport {
    /// Begins the report of a map, with nothing found yet.
    #[must_use]
    pub fn new(map: MapName) -> Self {
        Self {
            map,
            live: 0,
            expired: 0,
            tombstones: 0,
            cleared: 0,
            corrupt_count: 0,
            corrupt: Vec::new(),
            bytes: 0,
            unreadable: None,
        }
    }

    /// Tells whether everything in the map could be read.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.corrupt_count == 0 && self.unreadable.is_none()
    }

    /// Counts a record that cannot be read, and names it if not too many are named already.
    pub fn count_corrupt(&mut self, key: String, error: StoreError) {
        self.corrupt_count += 1;
        if self.corrupt.len() < NAMED_CORRUPT_RECORDS {
            self.corrupt.push(CorruptRecord { key, error });
        }
    }

    fn count(&mut self, key: &Key, record: &Record) {
        if record.is_tombstone() {
            self.tombstones += 1;
        } else {
            self.live += 1;
        }
        let bytes = layerstore_record::codec::encoded_len(record).unwrap_or(0) + key.as_bytes().len();
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }
}

/// Reads every map of any store through its scans, and reports what is there and what cannot be read.
///
/// Goes on behind a corrupt record that the store's error names. A store that can look deeper has a verification of its own.
///
/// # Errors
/// A [`StoreError`] when the maps cannot be listed. What a map does not give is in its report.
pub async fn verify(store: &dyn MapDataStore) -> Result<VerifyReport, StoreError> {
    let mut maps = Vec::new();
    for map in store.list_maps().await? {
        maps.push(verify_map(store, map).await);
    }
    Ok(VerifyReport { maps })
}

async fn verify_map(store: &dyn MapDataStore, map: MapName) -> MapReport {
    let mut report = MapReport::new(map.clone());
    let mut start = Bound::Unbounded;
    // A record that cannot be read, met on the way: what stands before it is read first.
    let mut ahead: Option<(Key, StoreError)> = None;
    loop {
        let end = ahead
            .as_ref()
            .map_or(Bound::Unbounded, |(key, _)| Bound::Excluded(key.clone()));
        let request = ScanRequest::first(PAGE).with_tombstones();
        let page = store
            .scan_page(&map, request.from(start.clone()).until(end))
            .await;
        let next = match page {
            Ok(page) => {
                for (key, record) in &page.records {
                    report.count(key, record);
                }
                page.next
            }
            Err(error) => match corrupt_key(&error, &start, ahead.as_ref()) {
                Some(key) => {
                    ahead = Some((key, error));
                    continue;
                }
                None => {
                    report.unreadable = Some(error);
                    return report;
                }
            },
        };
        start = match (next, ahead.take()) {
            (Some(next), still) => {
                ahead = still;
                Bound::Excluded(next)
            }
            (None, Some((key, error))) => {
                report.count_corrupt(key.as_str().to_owned(), error);
                Bound::Excluded(key)
            }
            (None, None) => return report,
        };
    }
}

/// Returns the key of the one record that an error speaks of, if it lies within what was asked for: only then can the rest be read.
fn corrupt_key(error: &StoreError, start: &Bound<Key>, ahead: Option<&(Key, StoreError)>) -> Option<Key> {
    let key = error.key().filter(|_| error.kind() == ErrorKind::Corrupt)?;
    let begins = match start {
        Bound::Unbounded => true,
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
    };
    (begins && ahead.is_none_or(|(end, _)| key < end)).then(|| key.clone())
}
