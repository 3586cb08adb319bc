//! Reading everything that is stored, to find what cannot be read.

use layerstore_data_store::{MapReport, StoreError, VerifyReport};
use layerstore_kv::{Direction, KeyRange, KvRead};
use layerstore_record::{Key, MapName, Millis, Version};

use crate::convert::from_kv;
use crate::keyspaces::records_of;
use crate::reader::claimed_maps;
use crate::{meta, row};

/// Reads everything, from one state, and reports what is there and what cannot be read.
///
/// # Errors
/// When the list of maps cannot be read. What a map does not give is in its report.
pub fn verify(state: &dyn KvRead, now: Millis) -> Result<VerifyReport, StoreError> {
    let maps = claimed_maps(state)?
        .into_iter()
        .map(|map| verify_map(state, map, now))
        .collect();
    Ok(VerifyReport::new(maps))
}

fn verify_map(state: &dyn KvRead, map: MapName, now: Millis) -> MapReport {
    let mut report = MapReport::new(map);
    if let Err(error) = read_map(state, &mut report, now) {
        report.unreadable = Some(error);
    }
    report
}

fn read_map(state: &dyn KvRead, report: &mut MapReport, now: Millis) -> Result<(), StoreError> {
    let operation = "verify";
    let map = report.map.clone();
    meta::read_epoch(state, &map)?;
    let high_water = meta::read_high_water(state, &map)?;
    let floors = meta::read_floors(state, &map)?;
    let fail = |error| from_kv(operation, error).in_map(&map);
    for item in state
        .scan(&records_of(&map), KeyRange::all(), Direction::Forward)
        .map_err(fail)?
    {
        let (key, row) = item.map_err(fail)?;
        report.bytes += (key.len() + row.len()) as u64;
        let record = row::key(operation, &map, &key).and_then(|key| {
            let record = row::decode(operation, &map, &key, &row)?;
            check_version(&map, &key, record.version(), high_water)?;
            Ok(record)
        });
        match record {
            Err(error) => report.count_corrupt(key.escape_ascii().to_string(), error),
            Ok(record) if floors.hide(record.version()) => report.cleared += 1,
            Ok(record) if record.is_tombstone() => report.tombstones += 1,
            Ok(record) if record.is_expired(now) => report.expired += 1,
            Ok(_) => report.live += 1,
        }
    }
    Ok(())
}

/// A row above the high-water mark would be overtaken by no new write: versions start anew from the mark.
fn check_version(map: &MapName, key: &Key, version: Version, high_water: Version) -> Result<(), StoreError> {
    use layerstore_data_store::ErrorKind;
    if version <= high_water {
        return Ok(());
    }
    let what = "the record is newer than the newest version of its map";
    Err(
        StoreError::new(ErrorKind::Corrupt, crate::convert::STORE, "verify", what)
            .in_map(map)
            .at_key(key),
    )
}
