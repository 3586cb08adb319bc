//! What is in a record's object: who wrote it and when, then the record in the record codec's envelope, or nothing.

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_record::codec::{self, CodecError, FRAME_HEADER_BYTES, FrameFormat, frame, unframe};
use layerstore_record::{Key, MapName, Record, Version};

use crate::convert::STORE;

/// Kinds below 16 are the record codec's own, those up to 23 the embedded store's.
const HEADER: FrameFormat = FrameFormat::new(26, 1);

const CONTENT: usize = 33;

/// The header of an object: an envelope around epoch, group, what follows, and the guard.
pub(crate) const HEADER_BYTES: usize = FRAME_HEADER_BYTES + CONTENT;

/// Follows the header of an object with a record.
const RECORD: u8 = 1;

/// Says that nothing follows.
const VOID: u8 = 0;

/// Who wrote an object. No two writes of a key have the same stamp, so that an object never comes to hold the same bytes
/// again, and its ETag tells apart what was there before and after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// The epoch of the writer's claim.
    pub(crate) epoch: u64,
    /// The number of the group of writes, which only rises, across epochs as well.
    pub(crate) group: u64,
}

/// An object of a key.
#[derive(Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) stamp: Stamp,
    /// Versions up to this were under way when a claim settled the object, and may expect that nothing is here: until a floor
    /// has passed it, the place is kept by a void where the object goes.
    pub(crate) guard: Version,
    pub(crate) content: Content,
}

/// What an object holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// A value or a tombstone.
    Record(Record),
    /// Nothing: the object keeps the place, so that a late write that expects none there fails.
    Void,
}

impl Object {
    /// Returns the record, if there is one.
    pub(crate) fn into_record(self) -> Option<Record> {
        match self.content {
            Content::Record(record) => Some(record),
            Content::Void => None,
        }
    }
}

/// Encodes an object with a record that is in its envelope already.
pub(crate) fn encode(stamp: Stamp, record: &[u8]) -> Vec<u8> {
    let mut bytes = header(stamp, RECORD, Version::ZERO);
    bytes.extend_from_slice(record);
    bytes
}

/// Encodes an object that holds nothing.
pub(crate) fn encode_void(stamp: Stamp, guard: Version) -> Vec<u8> {
    header(stamp, VOID, guard)
}

/// Gives an object another stamp and a guard at least as high, without a look at its record.
pub(crate) fn restamped(bytes: &[u8], stamp: Stamp, guard: Version) -> Result<Vec<u8>, CodecError> {
    let (_, kind, before, record) = parts(bytes)?;
    let mut out = header(stamp, kind, guard.max(before));
    out.extend_from_slice(record);
    Ok(out)
}

/// Returns who wrote an object.
pub(crate) fn stamp_of(bytes: &[u8]) -> Result<Stamp, CodecError> {
    parts(bytes).map(|(stamp, ..)| stamp)
}

/// Decodes an object.
pub(crate) fn decode(bytes: &[u8]) -> Result<Object, CodecError> {
    let (stamp, kind, guard, record) = parts(bytes)?;
    let content = match kind {
        RECORD => Content::Record(codec::decode_record(record)?),
        _ => Content::Void,
    };
    Ok(Object {
        stamp,
        guard,
        content,
    })
}

/// Decodes the object of a key, with an error that names it.
pub(crate) fn decode_at(
    operation: &'static str,
    map: &MapName,
    key: &Key,
    bytes: &[u8],
) -> Result<Object, StoreError> {
    decode(bytes).map_err(|error| unreadable(operation, error).in_map(map).at_key(key))
}

/// Says that an object of ours cannot be read.
pub(crate) fn unreadable(operation: &'static str, error: CodecError) -> StoreError {
    let (kind, what) = match error {
        CodecError::UnknownVersion { .. } => (
            ErrorKind::UnknownFormat,
            "an object was written by a newer version of this software: use that one",
        ),
        _ => (
            ErrorKind::Corrupt,
            "an object is not what was written: restore it from a copy, or clear the map",
        ),
    };
    StoreError::new(kind, STORE, operation, what).because(error)
}

fn header(stamp: Stamp, kind: u8, guard: Version) -> Vec<u8> {
    let mut content = [0; CONTENT];
    let (epoch, rest) = content.split_at_mut(8);
    let (group, rest) = rest.split_at_mut(8);
    let (what, at) = rest.split_at_mut(1);
    epoch.copy_from_slice(&stamp.epoch.to_le_bytes());
    group.copy_from_slice(&stamp.group.to_le_bytes());
    what.copy_from_slice(&[kind]);
    at.copy_from_slice(&guard.to_bytes());
    // Only a content of 4 GiB does not fit an envelope.
    frame(HEADER, &content).unwrap_or_default()
}

fn parts(bytes: &[u8]) -> Result<(Stamp, u8, Version, &[u8]), CodecError> {
    let Some((head, record)) = bytes.split_at_checked(HEADER_BYTES) else {
        // The version is looked at before the length: a later header may be shorter.
        return Err(unframe(HEADER, bytes).err().unwrap_or(CodecError::Truncated {
            needed: HEADER_BYTES,
            found: bytes.len(),
        }));
    };
    let payload = unframe(HEADER, head)?.payload;
    let malformed = CodecError::Malformed {
        what: "the header of an object is not what is written",
    };
    let Some((epoch, rest)) = payload.split_first_chunk() else {
        return Err(malformed);
    };
    let Some((group, rest)) = rest.split_first_chunk() else {
        return Err(malformed);
    };
    let Some((kind, rest)) = rest.split_first() else {
        return Err(malformed);
    };
    let Ok(guard) = rest.try_into().map(Version::from_bytes) else {
        return Err(malformed);
    };
    match *kind {
        VOID if record.is_empty() => {}
        RECORD => {}
        _ => return Err(malformed),
    }
    let stamp = Stamp {
        epoch: u64::from_le_bytes(*epoch),
        group: u64::from_le_bytes(*group),
    };
    Ok((stamp, *kind, guard, record))
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::records::{record, version};

    use super::*;

    const STAMP: Stamp = Stamp { epoch: 3, group: 4 };

    fn encoded() -> Vec<u8> {
        encode(STAMP, &codec::encode_record(&record(7)).unwrap())
    }

    #[test]
    fn objects_come_back() {
        let object = decode(&encoded()).unwrap();
        assert_eq!((object.stamp, object.guard), (STAMP, Version::ZERO));
        assert_eq!(object.into_record().as_ref(), Some(&*record(7)));
        let void = decode(&encode_void(STAMP, version(9))).unwrap();
        assert_eq!((void.guard, void.content), (version(9), Content::Void));
    }

    #[test]
    fn a_new_stamp_leaves_the_record_as_it_is_and_never_lowers_the_guard() {
        let later = Stamp { epoch: 5, group: 6 };
        let guarded = restamped(&encoded(), later, version(8)).unwrap();
        let object = decode(&restamped(&guarded, later, version(3)).unwrap()).unwrap();
        assert_eq!((object.stamp, object.guard), (later, version(8)));
        assert_eq!(object.into_record().as_ref(), Some(&*record(7)));
        let void = restamped(&encode_void(STAMP, version(9)), later, version(3)).unwrap();
        assert_eq!(void, encode_void(later, version(9)));
        assert_eq!(stamp_of(&void), Ok(later));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        for bytes in [encoded(), encode_void(STAMP, version(9))] {
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(&flipped).is_err(), "bit {bit}");
            }
            assert!((0..bytes.len()).all(|len| decode(&bytes[..len]).is_err()));
            assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let later = frame(FrameFormat::new(26, 2), &[1, 2, 3]).unwrap();
        assert!(matches!(
            decode(&later),
            Err(CodecError::UnknownVersion { found: 2, .. })
        ));
        assert_eq!(
            unreadable("load", decode(&later).unwrap_err()).kind(),
            ErrorKind::UnknownFormat
        );
    }
}
