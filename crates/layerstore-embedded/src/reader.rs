//! Reading: blocking work on one state of the store.

use std::ops::Bound;

use layerstore_data_store::{ErrorKind, Floors, Include, ScanPage, ScanRequest, StoreError};
use layerstore_kv::{Direction, KeyRange, KvError, KvErrorKind, KvIter, KvRead};
use layerstore_record::{Key, MapName, Millis, Record};

use crate::convert::{STORE, from_kv};
use crate::keyspaces::{META, is_of_records, map_of, records_beside, records_of};
use crate::sweep::is_visible;
use crate::{meta, row};

/// Rows that a page looks at beyond its limit, when they are expired, cleared or tombstones: bounds a page's time.
const SCAN_SLACK: usize = 4_096;

/// Reads the records of keys, in the order given, from one state.
///
/// # Errors
/// A [`StoreError`] when a row could not be read or is not what was written.
pub fn load_all(
    state: &dyn KvRead,
    map: &MapName,
    keys: &[Key],
    now: Millis,
) -> Result<Vec<Option<Record>>, StoreError> {
    let floors = meta::read_floors(state, map)?;
    let mut records = load_stored(state, map, keys)?;
    for record in &mut records {
        *record = record.take().filter(|record| is_visible(record, floors, now));
    }
    Ok(records)
}

/// Reads what is stored under keys, in the order given, whether or not a reader may see it.
///
/// # Errors
/// As [`load_all`].
pub fn load_stored(
    state: &dyn KvRead,
    map: &MapName,
    keys: &[Key],
) -> Result<Vec<Option<Record>>, StoreError> {
    let operation = "load";
    let keyspace = records_of(map);
    let stored = keys.iter().map(|key| {
        let row = match state.get(&keyspace, key.as_bytes()) {
            Err(error) if is_unknown(&error) => None,
            row => row.map_err(|error| from_kv(operation, error).in_map(map).at_key(key))?,
        };
        row.map(|row| row::decode(operation, map, key, &row)).transpose()
    });
    stored.collect()
}

/// Reads the epoch of a map's last claim; 0 before its first.
///
/// # Errors
/// As [`load_all`].
pub fn epoch(state: &dyn KvRead, map: &MapName) -> Result<u64, StoreError> {
    meta::read_epoch(state, map)
}

/// Reads a page of a map.
///
/// # Errors
/// As [`load_all`].
pub fn scan_page(
    state: &dyn KvRead,
    map: &MapName,
    request: &ScanRequest,
    now: Millis,
) -> Result<ScanPage, StoreError> {
    let operation = "scan";
    let floors = meta::read_floors(state, map)?;
    let Some(rows) = start(state, map, request)? else {
        return Ok(ScanPage::default());
    };
    let mut page = ScanPage::default();
    for (looked_at, item) in rows.enumerate() {
        let (key, row) = item.map_err(|error| from_kv(operation, error).in_map(map))?;
        let key = row::key(operation, map, &key)?;
        let record = row::decode(operation, map, &key, &row)?;
        if is_wanted(&record, request.include, floors, now) {
            page.records.push((key.clone(), record));
        }
        if page.records.len() >= request.limit.max(1) || looked_at >= request.limit.saturating_add(SCAN_SLACK)
        {
            page.next = Some(key);
            return Ok(page);
        }
    }
    Ok(page)
}

/// Lists the maps that hold rows or floors.
///
/// # Errors
/// As [`load_all`], and when the name of a map is damaged.
pub fn list_maps(state: &dyn KvRead) -> Result<Vec<MapName>, StoreError> {
    let operation = "list maps";
    let mut maps = Vec::new();
    for map in claimed_maps(state)? {
        let rows = state.scan(&records_of(&map), KeyRange::all(), Direction::Forward);
        let first = rows
            .map_err(|error| from_kv(operation, error).in_map(&map))?
            .next();
        let first = first
            .transpose()
            .map_err(|error| from_kv(operation, error).in_map(&map))?;
        if first.is_some() || meta::read_floors(state, &map)? != Floors::default() {
            maps.push(map);
        }
    }
    Ok(maps)
}

/// Lists every map that was ever claimed, in name order.
pub(crate) fn claimed_maps(state: &dyn KvRead) -> Result<Vec<MapName>, StoreError> {
    let fail = |error| from_kv("list maps", error);
    let names = state.keyspaces().map_err(fail)?;
    for name in claimed_keyspaces(state).map_err(fail)? {
        // The keyspace is made before the claim is written: without it, the records are lost and not absent.
        if !names.contains(&name) {
            let what = format!("the records of map \"{}\" are missing", name.escape_ascii());
            return Err(StoreError::new(ErrorKind::Corrupt, STORE, "list maps", what));
        }
    }
    let maps = names.iter().filter(|name| is_of_records(name));
    maps.map(|name| map_of(name).ok_or_else(|| nameless(name)))
        .collect()
}

/// The keyspaces of the maps that have a writer epoch.
fn claimed_keyspaces(state: &dyn KvRead) -> Result<Vec<Vec<u8>>, KvError> {
    let rows = match state.scan(META, KeyRange::prefix(&[meta::EPOCH_PREFIX]), Direction::Forward) {
        Err(error) if is_unknown(&error) => return Ok(Vec::new()),
        rows => rows?,
    };
    rows.map(|row| row.map(|(key, _)| records_beside(&key))).collect()
}

/// A map that is not listed would be gone without a word.
fn nameless(keyspace: &[u8]) -> StoreError {
    let what = format!("the name of a map is damaged: \"{}\"", keyspace.escape_ascii());
    StoreError::new(ErrorKind::Corrupt, STORE, "list maps", what)
}

fn start(state: &dyn KvRead, map: &MapName, request: &ScanRequest) -> Result<Option<KvIter>, StoreError> {
    let bytes = |bound: &Bound<Key>| bound.as_ref().map(|key| key.as_bytes().to_vec());
    let range = KeyRange {
        start: bytes(&request.start),
        end: bytes(&request.end),
    };
    match state.scan(&records_of(map), range, Direction::Forward) {
        Ok(rows) => Ok(Some(rows)),
        // A map that was never claimed is empty.
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(from_kv("scan", error).in_map(map)),
    }
}

fn is_wanted(record: &Record, include: Include, floors: Floors, now: Millis) -> bool {
    let kind = match include {
        Include::Live => !record.is_tombstone(),
        Include::Tombstones => true,
    };
    kind && is_visible(record, floors, now)
}

fn is_unknown(error: &KvError) -> bool {
    error.kind() == &KvErrorKind::UnknownKeyspace
}
