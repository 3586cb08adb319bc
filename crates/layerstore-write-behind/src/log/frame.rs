//! The frames of a segment: 48 bytes that name segment, number and sequence, then the payload.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..2 | magic `LW` |
//! | 2 | kind: 1 entry, 2 copy of an entry, 3 commit |
//! | 3 | 0 |
//! | 4..8 | length of the payload |
//! | 8..16 | segment |
//! | 16..24 | number of the frame; it rises by one from frame to frame, through all segments |
//! | 24..32 | sequence of the entry; of a commit, the highest so far |
//! | 32..40 | durable: the position below which all was synced when this was written |
//! | 40..44 | CRC32C of the payload |
//! | 44..48 | CRC32C of the log's identity and bytes 0..44 |
//!
//! Little-endian. A position counts the bytes of all segments from the first one on. The payload of a commit is the position where its
//! group begins, the number of frames before it in the group (4 bytes), the first segment that is needed, and the watermark.

use super::little_endian::{u32_at, u64_at};

const MAGIC: [u8; 2] = *b"LW";

/// How many bytes a frame adds to its payload.
pub(crate) const FRAME_BYTES: usize = 48;

/// The payload of a commit, in bytes.
const COMMIT_BYTES: usize = 28;

/// What a commit takes, in bytes.
pub(crate) const COMMIT_FRAME_BYTES: usize = FRAME_BYTES + COMMIT_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Entry,
    Copy,
    Commit,
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    pub(crate) len: u32,
    pub(crate) segment: u64,
    pub(crate) number: u64,
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
    pub(crate) payload_crc: u32,
}

/// What a commit says of its group and of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) start: u64,
    pub(crate) frames: u32,
    pub(crate) first_segment: u64,
    pub(crate) watermark: u64,
}

/// Mixed into the checksum of each header, so that frames of another log are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn of(identity: u64) -> Self {
        Self(crc32c::crc32c(&identity.to_le_bytes()))
    }
}

impl FrameKind {
    fn number(self) -> u8 {
        match self {
            Self::Entry => 1,
            Self::Copy => 2,
            Self::Commit => 3,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Entry, Self::Copy, Self::Commit]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

impl FrameHeader {
    /// Appends the header and the payload.
    pub(crate) fn write(&self, seed: Seed, payload: &[u8], out: &mut Vec<u8>) {
        let [m0, m1] = MAGIC;
        let mut header = [0; FRAME_BYTES];
        put(&mut header, 0, [m0, m1, self.kind.number(), 0]);
        put(&mut header, 4, self.len.to_le_bytes());
        put(&mut header, 8, self.segment.to_le_bytes());
        put(&mut header, 16, self.number.to_le_bytes());
        put(&mut header, 24, self.sequence.to_le_bytes());
        put(&mut header, 32, self.durable.to_le_bytes());
        put(&mut header, 40, self.payload_crc.to_le_bytes());
        let (checked, _) = header.split_at(FRAME_BYTES - 4);
        let crc = crc32c::crc32c_append(seed.0, checked);
        put(&mut header, 44, crc.to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(payload);
    }

    /// Reads a header at the start of `bytes`; none where there is no whole one.
    pub(crate) fn read(seed: Seed, bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<FRAME_BYTES>()?;
        let (checked, crc) = header.split_at(FRAME_BYTES - 4);
        let [m0, m1, kind, zero, ..] = *checked else {
            return None;
        };
        if [m0, m1] != MAGIC || zero != 0 {
            return None;
        }
        if crc32c::crc32c_append(seed.0, checked) != u32_at(crc, 0)? {
            return None;
        }
        Some(Self {
            kind: FrameKind::of(kind)?,
            len: u32_at(checked, 4)?,
            segment: u64_at(checked, 8)?,
            number: u64_at(checked, 16)?,
            sequence: u64_at(checked, 24)?,
            durable: u64_at(checked, 32)?,
            payload_crc: u32_at(checked, 40)?,
        })
    }

    /// Finds the next offset from `from` on that may begin a frame.
    pub(crate) fn find(bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let at = rest.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        Some(from + at)
    }

    /// Returns the payload, where all of it is there and is what was written.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let len = usize::try_from(self.len).ok()?;
        let payload = bytes.get(FRAME_BYTES..FRAME_BYTES.checked_add(len)?)?;
        (crc32c::crc32c(payload) == self.payload_crc).then_some(payload)
    }
}

impl Commit {
    pub(crate) fn to_payload(self) -> [u8; COMMIT_BYTES] {
        let mut payload = [0; COMMIT_BYTES];
        put(&mut payload, 0, self.start.to_le_bytes());
        put(&mut payload, 8, self.frames.to_le_bytes());
        put(&mut payload, 12, self.first_segment.to_le_bytes());
        put(&mut payload, 20, self.watermark.to_le_bytes());
        payload
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        if payload.len() != COMMIT_BYTES {
            return None;
        }
        Some(Self {
            start: u64_at(payload, 0)?,
            frames: u32_at(payload, 8)?,
            first_segment: u64_at(payload, 12)?,
            watermark: u64_at(payload, 20)?,
        })
    }
}

/// Puts bytes to their place, in memory of a length that is known: every write comes by here.
fn put<const ALL: usize, const N: usize>(all: &mut [u8; ALL], at: usize, bytes: [u8; N]) {
    all[at..at + N].copy_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(7);

    fn framed(payload: &[u8]) -> (FrameHeader, Vec<u8>) {
        let header = FrameHeader {
            kind: FrameKind::Copy,
            len: u32::try_from(payload.len()).unwrap(),
            segment: 1,
            number: 2,
            sequence: 3,
            durable: u64::MAX,
            payload_crc: crc32c::crc32c(payload),
        };
        let mut bytes = Vec::new();
        header.write(SEED, payload, &mut bytes);
        (header, bytes)
    }

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        let (header, bytes) = framed(b"payload");
        assert_eq!(bytes.len(), FRAME_BYTES + 7);
        assert_eq!(FrameHeader::read(SEED, &bytes), Some(header));
        assert_eq!(header.payload(&bytes), Some(&b"payload"[..]));
        let commit = Commit {
            start: 1,
            frames: 2,
            first_segment: 3,
            watermark: u64::MAX,
        };
        assert_eq!(commit.to_payload().len(), COMMIT_BYTES);
        assert_eq!(Commit::read(&commit.to_payload()), Some(commit));
        assert_eq!(Commit::read(&[0; COMMIT_BYTES + 1]), None);
    }

    #[test]
    fn a_frame_of_another_log_is_none() {
        let (_, bytes) = framed(b"payload");
        assert_eq!(FrameHeader::read(Seed(8), &bytes), None);
        assert_ne!(Seed::of(1), Seed::of(2));
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let (header, whole) = framed(b"payload");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = FrameHeader::read(SEED, &bytes).and_then(|header| header.payload(&bytes).map(drop));
            assert_eq!(found, None, "bit {bit}");
        }
        assert_eq!(header.payload(&whole[..whole.len() - 1]), None);
    }

    #[test]
    fn the_next_frame_is_looked_for_byte_by_byte() {
        assert_eq!(FrameHeader::find(b"xLW.LW", 0), Some(1));
        assert_eq!(FrameHeader::find(b"xLW.LW", 2), Some(4));
        assert_eq!(FrameHeader::find(b"xLW.LW", 5), None);
        assert_eq!(FrameHeader::find(b"L", 9), None);
    }
}
