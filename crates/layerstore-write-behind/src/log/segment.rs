//! The start of a segment: an envelope of the record codec (kind 32) around 40 bytes.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | the log's identity |
//! | 8..16 | segment: 1 for the first, one more for each |
//! | 16..24 | base: the position of the segment's first byte, and so where the segment before it ends |
//! | 24..32 | number of the first frame |
//! | 32..40 | the highest sequence before it |
//!
//! A segment has its name only once its header is synced. What a segment before it holds beyond the base was cut off.

use layerstore_record::codec::{CodecError, FRAME_HEADER_BYTES, FrameFormat, frame, unframe};

use super::little_endian::{u64_at, u64s};

const FORMAT: FrameFormat = FrameFormat::new(32, 1);
const PAYLOAD_BYTES: usize = 40;

/// What a segment's header takes, in bytes.
pub(crate) const SEGMENT_HEADER_BYTES: usize = FRAME_HEADER_BYTES + PAYLOAD_BYTES;

const SUFFIX: &str = ".segment";

/// Where a file is written before it gets its name.
pub(crate) const UNFINISHED: &str = ".new";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) identity: u64,
    pub(crate) segment: u64,
    pub(crate) base: u64,
    pub(crate) first_number: u64,
    pub(crate) last_sequence: u64,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let numbers = [
            self.identity,
            self.segment,
            self.base,
            self.first_number,
            self.last_sequence,
        ];
        // Only a payload of 4 GiB is refused.
        frame(FORMAT, &u64s(numbers)).unwrap_or_default()
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let header = bytes.get(..SEGMENT_HEADER_BYTES).unwrap_or(bytes);
        let payload = unframe(FORMAT, header)?.payload;
        let number = |at| {
            u64_at(payload, at).ok_or(CodecError::Malformed {
                what: "the header is short",
            })
        };
        Ok(Self {
            identity: number(0)?,
            segment: number(8)?,
            base: number(16)?,
            first_number: number(24)?,
            last_sequence: number(32)?,
        })
    }
}

/// Returns the name of a segment's file.
pub(crate) fn segment_name(segment: u64) -> String {
    format!("{segment:020}{SUFFIX}")
}

/// Returns the segment whose file has this name.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let segment = digits.parse().ok()?;
    (segment_name(segment) == name).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_a_name_says_the_segment() {
        let header = SegmentHeader {
            identity: 1,
            segment: u64::MAX,
            base: 3,
            first_number: 4,
            last_sequence: 5,
        };
        assert_eq!(header.to_bytes().len(), SEGMENT_HEADER_BYTES);
        assert_eq!(SegmentHeader::read(&header.to_bytes()), Ok(header));
        for segment in [0, 1, u64::MAX] {
            assert_eq!(segment_of(&segment_name(segment)), Some(segment));
        }
        for other in [
            "1.segment",
            "x.segment",
            "00000000000000000001.segment.new",
            "sidecar",
        ] {
            assert_eq!(segment_of(other), None);
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let later = frame(FrameFormat::new(32, 2), &[0; 48]).unwrap();
        let read = SegmentHeader::read(&later);
        assert!(matches!(
            read,
            Err(CodecError::UnknownVersion { found: 2, newest: 1 })
        ));
    }
}
