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
