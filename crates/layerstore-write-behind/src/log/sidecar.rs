//! The sidecar: what was synced, what is needed, and whether the log was closed. Two slots, 4,096 bytes apart, each an
//! envelope of the record codec (kind 33) around 57 bytes.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | generation: the slot with the higher one counts |
//! | 8..16 | the log's identity |
//! | 16..24 | first segment that is needed |
//! | 24..32 | last segment, 0 where none was begun |
//! | 32..40 | durable: the position below which all is synced |
//! | 40..48 | the highest sequence below it |
//! | 48..56 | watermark: entries up to it are done |
//! | 56 | 1 when the log was closed, and nothing was written since |
//!
//! A slot is written after each sync of the log, and not synced itself: that costs no sync, and survives the end of the
//! process. The slot that was synced last is never written to before the other one is synced in its turn, so that a torn
//! write leaves one that is whole.

use std::io;

use layerstore_record::codec::{CodecError, FRAME_HEADER_BYTES, FrameFormat, frame, unframe};

use super::little_endian::{u64_at, u64s};
use crate::failpoints::{Failpoint, Failpoints};
use crate::storage::StorageFile;

/// The sidecar's file.
pub(crate) const SIDECAR_FILE: &str = "sidecar";

const FORMAT: FrameFormat = FrameFormat::new(33, 1);
const PAYLOAD_BYTES: usize = 57;
const SLOT_BYTES: usize = FRAME_HEADER_BYTES + PAYLOAD_BYTES;

/// Far enough apart for no disk to write both at once.
const SLOT_DISTANCE: usize = 4096;

/// What the file takes, in bytes.
const FILE_BYTES: usize = SLOT_DISTANCE + SLOT_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) generation: u64,
    pub(crate) identity: u64,
    pub(crate) first_segment: u64,
    pub(crate) last_segment: u64,
    pub(crate) durable: u64,
    pub(crate) sequence: u64,
    pub(crate) watermark: u64,
    pub(crate) is_closed: bool,
}

/// The open file, and which slot must not be touched.
#[derive(Debug)]
pub(crate) struct Sidecar {
    file: Box<dyn StorageFile>,
    synced: Slot,
    generation: u64,
    failpoints: Failpoints,
}

/// What a sidecar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) mark: Mark,
    slot: Slot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    One,
    Two,
}

impl Slot {
    fn offset(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => SLOT_DISTANCE,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}

impl Mark {
    fn to_bytes(self) -> Vec<u8> {
        let mut payload = u64s([
            self.generation,
            self.identity,
            self.first_segment,
            self.last_segment,
            self.durable,
            self.sequence,
            self.watermark,
        ]);
        payload.push(u8::from(self.is_closed));
        // Only a payload of 4 GiB is refused.
        frame(FORMAT, &payload).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let short = CodecError::Malformed {
            what: "the slot is short",
        };
        let payload = unframe(FORMAT, bytes)?.payload;
        let number = |at| u64_at(payload, at).ok_or(short);
        Ok(Self {
            generation: number(0)?,
            identity: number(8)?,
            first_segment: number(16)?,
            last_segment: number(24)?,
            durable: number(32)?,
            sequence: number(40)?,
            watermark: number(48)?,
            is_closed: match payload.get(PAYLOAD_BYTES - 1..) {
                Some([0]) => false,
                Some([1]) => true,
                _ => return Err(short),
            },
        })
    }

    /// The whole file of a new log, both slots alike.
    pub(crate) fn to_file(self) -> Vec<u8> {
        let slot = self.to_bytes();
        let mut file = slot.clone();
        file.resize(SLOT_DISTANCE, 0);
        file.extend_from_slice(&slot);
        file
    }
}

/// Reads the slot that counts.
///
/// # Errors
/// [`CodecError::UnknownVersion`] where either slot is of a later version; any other where neither is whole.
pub(crate) fn read(bytes: &[u8]) -> Result<Reading, CodecError> {
    let slot = |slot: Slot| {
        let bytes = bytes.get(slot.offset()..).unwrap_or_default();
        let bytes = bytes.get(..SLOT_BYTES).unwrap_or(bytes);
        Mark::read(bytes).map(|mark| Reading { mark, slot })
    };
    match (slot(Slot::One), slot(Slot::Two)) {
        (Err(unknown @ CodecError::UnknownVersion { .. }), _)
        | (_, Err(unknown @ CodecError::UnknownVersion { .. })) => Err(unknown),
        (Ok(one), Ok(two)) if two.mark.generation > one.mark.generation => Ok(two),
        (Ok(one), _) => Ok(one),
        (Err(_), Ok(two)) => Ok(two),
        (Err(error), Err(_)) => Err(error),
    }
}

impl Sidecar {
    /// Goes on with a file. The slot that counts is taken for the one that was synced last: where it was not, the next write
    /// goes to the other slot and is synced before this one is touched.
    pub(crate) fn new(file: Box<dyn StorageFile>, reading: Reading, failpoints: Failpoints) -> Self {
        Self {
            file,
            synced: reading.slot,
            generation: reading.mark.generation,
            failpoints,
        }
    }

    /// Returns how much of a file is worth reading.
    pub(crate) const fn file_bytes() -> usize {
        FILE_BYTES
    }

    /// Writes what was just synced; survives the process, and perhaps a power cut.
    pub(crate) fn write(&mut self, mark: Mark) -> io::Result<()> {
        self.generation += 1;
        let mark = Mark {
            generation: self.generation,
            ..mark
        };
        let offset = self.synced.other().offset();
        self.failpoints.pass(Failpoint::SidecarWrite)?;
        self.file.write_at(offset as u64, &mark.to_bytes())?;
        self.failpoints.pass(Failpoint::SidecarWritten)
    }

    /// Writes it and syncs.
    pub(crate) fn write_durably(&mut self, mark: Mark) -> io::Result<()> {
        self.write(mark)?;
        self.file.sync()?;
        self.synced = self.synced.other();
        self.failpoints.pass(Failpoint::SidecarSynced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(generation: u64) -> Mark {
        Mark {
            generation,
            identity: 1,
            first_segment: 2,
            last_segment: 3,
            durable: 4,
            sequence: 5,
            watermark: 6,
            is_closed: generation.is_multiple_of(2),
        }
    }

    fn file(one: &[u8], two: &[u8]) -> Vec<u8> {
        let mut file = one.to_vec();
        file.resize(SLOT_DISTANCE, 0);
        file.extend_from_slice(two);
        file
    }

    #[test]
    fn the_later_of_two_whole_slots_counts() {
        let (old, new) = (mark(7).to_bytes(), mark(8).to_bytes());
        assert_eq!(mark(7).to_file().len(), FILE_BYTES);
        assert_eq!(read(&mark(7).to_file()).unwrap().mark, mark(7));
        assert_eq!(read(&file(&old, &new)).unwrap().mark, mark(8));
        assert_eq!(read(&file(&new, &old)).unwrap().mark, mark(8));
        assert_eq!(read(&file(&new, &old[..30])).unwrap().mark, mark(8));
        assert_eq!(read(&file(&[0; 73], &old)).unwrap().mark, mark(7));
        assert!(read(&file(&[0; 73], &old[..72])).is_err());
    }

    #[test]
    fn r7_a_flipped_bit_of_a_slot_is_found_wherever_it_is() {
        let whole = mark(8).to_bytes();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Mark::read(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_slot_of_a_later_version_is_told_from_damage() {
        let later = frame(FrameFormat::new(33, 2), &[0; 64]).unwrap();
        for bytes in [
            file(&later, &mark(1).to_bytes()),
            file(&mark(1).to_bytes(), &later),
        ] {
            assert!(matches!(
                read(&bytes),
                Err(CodecError::UnknownVersion { found: 2, newest: 1 })
            ));
        }
    }
}
