//! Rows about the store and its maps, each in the envelope of the record codec, under a kind of its own.

use layerstore_data_store::{ErrorKind, Floors, StoreError};
use layerstore_kv::KvRead;
use layerstore_record::codec::{CodecError, FrameFormat, frame, unframe};
use layerstore_record::{MapName, Version};

use crate::convert::{STORE, from_kv};
use crate::keyspaces::{META, prefixed};

/// The key of the row with the store's format.
pub(crate) const FORMAT_KEY: &[u8] = b"format";

/// The format of the store as a whole: which keyspaces there are, and what their keys mean.
pub(crate) const STORE_FORMAT: u32 = 1;

// Kinds below 16 are the record codec's own.
const FORMAT: FrameFormat = FrameFormat::new(16, 1);
const EPOCH: FrameFormat = FrameFormat::new(17, 1);
const HIGH_WATER: FrameFormat = FrameFormat::new(18, 1);
const FLOORS: FrameFormat = FrameFormat::new(19, 1);

/// Before the name of a map, in the key of its writer epoch.
pub(crate) const EPOCH_PREFIX: u8 = b'e';

/// Returns the key of a map's writer epoch.
pub(crate) fn epoch_key(map: &MapName) -> Vec<u8> {
    prefixed(EPOCH_PREFIX, map)
}

/// Returns the key of a map's high-water mark.
pub(crate) fn high_water_key(map: &MapName) -> Vec<u8> {
    prefixed(b'h', map)
}

/// Returns the key of a map's floors.
pub(crate) fn floors_key(map: &MapName) -> Vec<u8> {
    prefixed(b'l', map)
}

/// Encodes the store's format.
pub(crate) fn format_row(format: u32) -> Vec<u8> {
    row(FORMAT, format.to_le_bytes())
}

/// Encodes a writer epoch.
pub(crate) fn epoch_row(epoch: u64) -> Vec<u8> {
    row(EPOCH, epoch.to_le_bytes())
}

/// Encodes a high-water mark.
pub(crate) fn high_water_row(version: Version) -> Vec<u8> {
    row(HIGH_WATER, version.to_bytes())
}

/// Encodes floors: cleared, then purged.
pub(crate) fn floors_row(floors: Floors) -> Vec<u8> {
    let mut content = [0; 32];
    let (cleared, purged) = content.split_at_mut(16);
    cleared.copy_from_slice(&floors.cleared.to_bytes());
    purged.copy_from_slice(&floors.purged.to_bytes());
    row(FLOORS, content)
}

/// Reads the store's format; `None` in a new store.
pub(crate) fn read_format(kv: &(impl KvRead + ?Sized)) -> Result<Option<u32>, StoreError> {
    Ok(read(kv, FORMAT_KEY, FORMAT)?.map(u32::from_le_bytes))
}

/// Reads a map's epoch; 0 before its first claim.
pub(crate) fn read_epoch(kv: &(impl KvRead + ?Sized), map: &MapName) -> Result<u64, StoreError> {
    let content = read(kv, &epoch_key(map), EPOCH).map_err(|error| error.in_map(map))?;
    Ok(content.map_or(0, u64::from_le_bytes))
}

/// Reads a map's high-water mark.
pub(crate) fn read_high_water(kv: &(impl KvRead + ?Sized), map: &MapName) -> Result<Version, StoreError> {
    let content = read(kv, &high_water_key(map), HIGH_WATER).map_err(|error| error.in_map(map))?;
    Ok(content.map_or(Version::ZERO, Version::from_bytes))
}

/// Reads a map's floors.
pub(crate) fn read_floors(kv: &(impl KvRead + ?Sized), map: &MapName) -> Result<Floors, StoreError> {
    let content: Option<[u8; 32]> = read(kv, &floors_key(map), FLOORS).map_err(|error| error.in_map(map))?;
    Ok(content.map_or(Floors::default(), floors))
}

fn floors(content: [u8; 32]) -> Floors {
    let (mut cleared, mut purged) = ([0; 16], [0; 16]);
    cleared.copy_from_slice(&content[..16]);
    purged.copy_from_slice(&content[16..]);
    Floors {
        cleared: Version::from_bytes(cleared),
        purged: Version::from_bytes(purged),
    }
}

fn read<const N: usize>(
    kv: &(impl KvRead + ?Sized),
    key: &[u8],
    format: FrameFormat,
) -> Result<Option<[u8; N]>, StoreError> {
    let row = kv.get(META, key).map_err(|error| from_kv("read", error))?;
    row.map(|row| content(format, &row)).transpose().map_err(|error| {
        let kind = match error {
            CodecError::UnknownVersion { .. } => ErrorKind::UnknownFormat,
            _ => ErrorKind::Corrupt,
        };
        let what = "a row about the store cannot be read: restore the directory from a copy";
        StoreError::new(kind, STORE, "read", what).because(error)
    })
}

/// Only a content of 4 GiB does not fit an envelope; these have at most 32 bytes.
fn row<const N: usize>(format: FrameFormat, content: [u8; N]) -> Vec<u8> {
    frame(format, &content).unwrap_or_default()
}

fn content<const N: usize>(format: FrameFormat, row: &[u8]) -> Result<[u8; N], CodecError> {
    let payload = unframe(format, row)?.payload;
    payload.try_into().map_err(|_| CodecError::Malformed {
        what: "its length is not that of its kind",
    })
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Millis, NodeId, Timestamp};

    use super::*;

    fn version(millis: u64) -> Version {
        Version::new(Timestamp::new(Millis(millis), 3, NodeId(7)))
    }

    #[test]
    fn every_row_comes_back() {
        assert_eq!(content(FORMAT, &format_row(9)).map(u32::from_le_bytes), Ok(9));
        assert_eq!(
            content(EPOCH, &epoch_row(u64::MAX)).map(u64::from_le_bytes),
            Ok(u64::MAX)
        );
        assert_eq!(
            content(HIGH_WATER, &high_water_row(version(1))).map(Version::from_bytes),
            Ok(version(1))
        );
        let both = Floors {
            cleared: version(2),
            purged: version(3),
        };
        assert_eq!(content(FLOORS, &floors_row(both)).map(floors), Ok(both));
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_swap_is_found() {
        let rows = [(EPOCH, epoch_row(3)), (FLOORS, floors_row(Floors::default()))];
        for (format, bytes) in &rows {
            let is_read = |bytes: &[u8]| unframe(*format, bytes).is_ok();
            assert!(is_read(bytes));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_read(&flipped), "bit {bit}");
            }
            assert!((0..bytes.len()).all(|len| !is_read(&bytes[..len])));
        }
        assert!(
            content::<8>(HIGH_WATER, &rows[0].1).is_err(),
            "an epoch is no high-water mark"
        );
    }
}
