//! The head of a map: the one object that its writers take turns by.

use layerstore_data_store::Floors;
use layerstore_record::codec::{CodecError, FrameFormat, frame, unframe};
use layerstore_record::{Key, Version};

use crate::object::Stamp;

const HEAD: FrameFormat = FrameFormat::new(25, 1);

const FORMAT: FrameFormat = FrameFormat::new(24, 1);

/// The format of the store as a whole: which objects there are, and what their paths mean.
pub(crate) const STORE_FORMAT: u32 = 1;

/// The format of a place whose records are packed, far from those to come of the other layout.
pub(crate) const PACKED_FORMAT: u32 = 1_001;

/// What a map's head says. Every change of it is conditional on the head before it, and no two are alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// The writer epoch: the number of the last claim.
    pub(crate) epoch: u64,
    /// Which of several that claimed with the same number did: a number drawn by chance.
    pub(crate) owner: u64,
    /// The number of the last group of writes.
    pub(crate) group: u64,
    /// At or above every version that was ever applied.
    pub(crate) high_water: Version,
    pub(crate) floors: Floors,
    /// Every key of which a write may be under way.
    pub(crate) intents: Vec<Key>,
}

impl Head {
    /// Returns the stamp of the group's objects.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            epoch: self.epoch,
            group: self.group,
        }
    }

    /// Tells whether the map ever held anything.
    pub(crate) fn is_used(&self) -> bool {
        self.high_water > Version::ZERO || self.floors != Floors::default()
    }

    /// Encodes it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut content = Vec::new();
        for number in [self.epoch, self.owner, self.group] {
            content.extend_from_slice(&number.to_le_bytes());
        }
        for version in [self.high_water, self.floors.cleared, self.floors.purged] {
            content.extend_from_slice(&version.to_bytes());
        }
        for key in &self.intents {
            // A key has at most 1,024 bytes.
            content.extend_from_slice(&u16::try_from(key.as_bytes().len()).unwrap_or(0).to_le_bytes());
            content.extend_from_slice(key.as_bytes());
        }
        frame(HEAD, &content)
    }

    /// Decodes it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut rest = unframe(HEAD, bytes)?.payload;
        let [epoch, owner, group] = [number(&mut rest)?, number(&mut rest)?, number(&mut rest)?];
        let [high_water, cleared, purged] = [version(&mut rest)?, version(&mut rest)?, version(&mut rest)?];
        let mut intents = Vec::new();
        while !rest.is_empty() {
            let len = usize::from(u16::from_le_bytes(chunk(&mut rest)?));
            let (key, after) = rest.split_at_checked(len).ok_or(MALFORMED)?;
            let key = std::str::from_utf8(key).ok().and_then(|text| Key::new(text).ok());
            intents.push(key.ok_or(MALFORMED)?);
            rest = after;
        }
        Ok(Self {
            epoch,
            owner,
            group,
            high_water,
            floors: Floors { cleared, purged },
            intents,
        })
    }
}

/// Encodes the store's format.
pub(crate) fn encode_format(format: u32) -> Vec<u8> {
    // Only a content of 4 GiB does not fit an envelope.
    frame(FORMAT, &format.to_le_bytes()).unwrap_or_default()
}

/// Decodes the store's format.
pub(crate) fn decode_format(bytes: &[u8]) -> Result<u32, CodecError> {
    let payload = unframe(FORMAT, bytes)?.payload;
    payload.try_into().map(u32::from_le_bytes).map_err(|_| MALFORMED)
}

const MALFORMED: CodecError = CodecError::Malformed {
    what: "it is not what is written about a map",
};

fn number(rest: &mut &[u8]) -> Result<u64, CodecError> {
    chunk(rest).map(u64::from_le_bytes)
}

fn version(rest: &mut &[u8]) -> Result<Version, CodecError> {
    chunk(rest).map(Version::from_bytes)
}

fn chunk<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let (chunk, after) = rest.split_first_chunk().ok_or(MALFORMED)?;
    *rest = after;
    Ok(*chunk)
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::records::{key, version};

    use super::*;

    fn head() -> Head {
        Head {
            epoch: 7,
            owner: 8,
            group: 9,
            high_water: version(10),
            floors: Floors {
                cleared: version(3),
                purged: version(4),
            },
            intents: vec![
                key(1),
                Key::new("é😀\0").unwrap(),
                Key::new("k".repeat(1_024)).unwrap(),
            ],
        }
    }

    #[test]
    fn heads_come_back() {
        for head in [head(), Head::default()] {
            assert_eq!(Head::decode(&head.encode().unwrap()), Ok(head));
        }
        assert_eq!(decode_format(&encode_format(5)), Ok(5));
        assert!(!Head::default().is_used() && head().is_used());
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_swap_is_found() {
        let bytes = head().encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Head::decode(&flipped).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|len| Head::decode(&bytes[..len]).is_err()));
        assert!(Head::decode(&encode_format(1)).is_err() && decode_format(&bytes).is_err());
    }

    #[test]
    fn a_content_that_nobody_writes_is_refused() {
        let whole = [0_u8; 72];
        for content in [
            &whole[..71],
            &[&whole[..], &[1]].concat(),
            &[&whole[..], &[0, 0]].concat(),
        ] {
            let framed = frame(HEAD, content).unwrap();
            assert_eq!(Head::decode(&framed), Err(MALFORMED));
        }
        assert!(Head::decode(&frame(HEAD, &whole).unwrap()).is_ok());
    }
}
