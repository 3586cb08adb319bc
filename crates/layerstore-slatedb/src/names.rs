//! Where the database of a map is.
//!
//! | path | what |
//! | --- | --- |
//! | `m/tNAME/` | the database of a map whose name is short, written as one object a record writes it |
//! | `m/hHASH/` | that of any other map, by the 128-bit XXH3 of its name |
//! | `m/hHASH/name` | its name |
//!
//! SlateDB's own names come behind it, and services bound the whole; some servers for tests bound it below 200 characters.

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_opendal::{MAPS, Place, map_dir, map_of};
use layerstore_record::MapName;
use xxhash_rust::xxh3::xxh3_128;

use crate::errors::STORE;

/// The longest directory that is written like the name.
const LONGEST: usize = 64;

/// Before the hash of a name.
const HASHED: char = 'h';

/// Returns the directory of a map, with a slash at its end.
pub(crate) fn directory_of(map: &MapName) -> String {
    let plain = map_dir(map);
    if plain.len() <= LONGEST {
        return plain;
    }
    format!("{MAPS}{HASHED}{:032x}/", xxh3_128(map.as_str().as_bytes()))
}

/// Makes it possible to tell later whose directory it is, where it does not say so itself.
pub(crate) async fn sign(place: &Place, map: &MapName) -> Result<(), StoreError> {
    let directory = directory_of(map);
    if map_of(&directory).is_some() {
        return Ok(());
    }
    let path = name_of(&directory);
    place
        .create("claim", &path, map.as_str().as_bytes().to_vec())
        .await?;
    match read(place, "claim", &directory).await? {
        owner if owner == *map => Ok(()),
        _ => {
            let what = "a map whose name has the same hash is there: name this one otherwise";
            Err(StoreError::new(ErrorKind::Rejected, STORE, "claim", what))
        }
    }
}

/// Lists the maps that have a directory, in name order.
pub(crate) async fn list(place: &Place, operation: &'static str) -> Result<Vec<MapName>, StoreError> {
    let mut maps = Vec::new();
    for directory in place.directories(operation, MAPS).await? {
        maps.push(match map_of(&directory) {
            Some(map) => map,
            None => read(place, operation, &directory).await?,
        });
    }
    maps.sort();
    Ok(maps)
}

/// Reads whose directory it is. A map that is not listed would be gone without a word.
async fn read(place: &Place, operation: &'static str, directory: &str) -> Result<MapName, StoreError> {
    let name = place.read(operation, &name_of(directory)).await?;
    let name = name.and_then(|name| String::from_utf8(name).ok());
    name.and_then(|name| MapName::new(name).ok()).ok_or_else(|| {
        let what = format!("nothing tells which map {directory} is of");
        StoreError::new(ErrorKind::Corrupt, STORE, operation, what)
    })
}

fn name_of(directory: &str) -> String {
    format!("{directory}name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_has_a_directory_of_its_own_that_leaves_room() {
        let names = [
            "a",
            "a/b",
            "%",
            "🔑",
            &"n".repeat(60),
            &"n".repeat(128),
            &"%".repeat(128),
        ];
        let directories = names.map(|name| directory_of(&MapName::new(name).unwrap()));
        for (place, directory) in directories.iter().enumerate() {
            assert!(directory.len() <= LONGEST, "{directory}");
            assert!(!directories[..place].contains(directory), "{directory}");
        }
    }
}
