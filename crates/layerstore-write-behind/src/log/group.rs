//! What one write brings: entries and the commit that makes them count.

use super::frame::{COMMIT_FRAME_BYTES, Commit, FRAME_BYTES, FrameHeader, FrameKind, Seed};
use super::pending::Place;
use super::segment::SEGMENT_HEADER_BYTES;

/// What goes into a frame.
pub(super) struct Framed<'a> {
    pub(super) kind: FrameKind,
    pub(super) sequence: u64,
    pub(super) payload: &'a [u8],
    pub(super) crc: u32,
}

/// A group under way, or the start of a segment.
pub(super) struct Group {
    segment: u64,
    /// The number of the next frame.
    pub(super) number: u64,
    durable: u64,
    seed: Seed,
    pub(super) bytes: Vec<u8>,
}

impl Group {
    pub(super) fn new(segment: u64, number: u64, durable: u64, seed: Seed) -> Self {
        Self {
            segment,
            number,
            durable,
            seed,
            bytes: Vec::new(),
        }
    }

    /// Frames entries and their commit. Places are given as if the group were the first of its segment.
    pub(super) fn frame(
        &mut self,
        frames: &[Framed<'_>],
        start: u64,
        (first_segment, watermark, highest): (u64, u64, u64),
    ) -> Vec<(u64, Place)> {
        if frames.is_empty() {
            return Vec::new();
        }
        let mut places = Vec::with_capacity(frames.len());
        for frame in frames {
            let offset = (SEGMENT_HEADER_BYTES + self.bytes.len()) as u64;
            self.push(frame);
            let bytes = (FRAME_BYTES + frame.payload.len()) as u64;
            let place = Place {
                segment: self.segment,
                offset,
                bytes,
            };
            places.push((frame.sequence, place));
        }
        let commit = Commit {
            start,
            frames: u32::try_from(frames.len()).unwrap_or(u32::MAX),
            first_segment,
            watermark,
        };
        let payload = commit.to_payload();
        self.push(&Framed {
            kind: FrameKind::Commit,
            sequence: highest,
            crc: crc32c::crc32c(&payload),
            payload: &payload,
        });
        places
    }

    fn push(&mut self, frame: &Framed<'_>) {
        let header = FrameHeader {
            kind: frame.kind,
            len: u32::try_from(frame.payload.len()).unwrap_or(u32::MAX),
            segment: self.segment,
            number: self.number,
            sequence: frame.sequence,
            durable: self.durable,
            payload_crc: frame.crc,
        };
        header.write(self.seed, frame.payload, &mut self.bytes);
        self.number += 1;
    }
}

/// What a group takes on disk, its commit included.
pub(super) fn group_bytes(payloads: impl Iterator<Item = usize>) -> u64 {
    let frames: usize = payloads.map(|payload| FRAME_BYTES + payload).sum();
    (frames + COMMIT_FRAME_BYTES) as u64
}
