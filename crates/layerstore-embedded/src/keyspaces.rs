//! Where things are: one keyspace for what is known about maps, one for the records of each map.

use layerstore_record::MapName;

/// Holds the format of the store, and epoch, high-water mark and floors of each map.
pub(crate) const META: &[u8] = b"m";

/// Before the name of the map whose records a keyspace holds.
const RECORDS: u8 = b'r';

/// Returns the keyspace of a map's records.
pub(crate) fn records_of(map: &MapName) -> Vec<u8> {
    prefixed(RECORDS, map)
}

/// Returns the map whose records a keyspace holds; `None` for other keyspaces.
pub(crate) fn map_of(keyspace: &[u8]) -> Option<MapName> {
    let [RECORDS, name @ ..] = keyspace else {
        return None;
    };
    MapName::new(std::str::from_utf8(name).ok()?).ok()
}

/// Returns the keyspace of the records of the map that a row is about, by the row's key.
pub(crate) fn records_beside(key: &[u8]) -> Vec<u8> {
    [&[RECORDS], key.get(1..).unwrap_or_default()].concat()
}

/// Tells whether a keyspace holds the records of a map, by the letter that its name begins with.
pub(crate) fn is_of_records(keyspace: &[u8]) -> bool {
    keyspace.first() == Some(&RECORDS)
}

/// Returns a one-letter prefix and the name of a map.
pub(crate) fn prefixed(prefix: u8, map: &MapName) -> Vec<u8> {
    [&[prefix], map.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_map_name_comes_back_and_none_meets_the_meta_keyspace() {
        for name in ["m", "r", "a/b", "\0", "🔑", &"n".repeat(128)] {
            let map = MapName::new(name).unwrap();
            let keyspace = records_of(&map);
            assert_eq!(map_of(&keyspace), Some(map));
            assert_ne!(keyspace, META);
            assert!(keyspace.len() <= layerstore_kv::MAX_KEYSPACE_NAME_LEN);
        }
        assert_eq!(map_of(META), None);
        assert_eq!(map_of(b"r"), None);
    }
}
