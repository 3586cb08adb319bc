//! The bytes of a record: an envelope that says what they are and whether they are whole, around bincode.
//!
//! **R-codec**: what was encoded comes back as it was; bytes that are damaged, cut, of a later version, too large, too
//! deep, or not what we write are each an error of their own, and cost a reader no more memory than the largest record.
//!
//! bincode is no longer developed (RUSTSEC-2025-0141), so it is used in this module alone, and its bytes are
//! pinned by the fixtures of this crate. Variants and fields are only appended; every change of layout raises
//! [`RECORD_FORMAT`]'s version.

mod cursor;
mod error;
mod frame;
mod wire_record;
mod wire_value;

pub use error::CodecError;
pub use frame::{FRAME_HEADER_BYTES, Frame, FrameFormat, frame, unframe};

use crate::record::Record;

/// The largest record, in bytes of its encoded form: 16 MiB, envelope included.
///
/// It is what one broken or hostile record may cost a reader: a claim above it is refused before memory is asked
/// for, and it lies far above what belongs into one record.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// What version, times and envelope of an encoded record take, at most, in bytes.
const METADATA_BYTES: usize = 1024;

/// The largest value, in bytes that it keeps on the heap: [`MAX_RECORD_BYTES`] without 1 KiB for the metadata.
///
/// Both ways count the value in memory, and the bytes: so whatever was encoded can be decoded,
/// and a small input never grows into a large value.
pub const MAX_VALUE_BYTES: usize = MAX_RECORD_BYTES - METADATA_BYTES;

/// The format of a record's bytes.
pub const RECORD_FORMAT: FrameFormat = FrameFormat::new(1, 1);

/// Returns how many bytes [`encode_record`] gives at most for a record that takes `in_memory` bytes, which it knows without being looked at
/// ([`Record::cost`]).
///
/// A text of 23 bytes is held in 24, and takes 25 encoded; everything else takes less encoded than in memory. What the metadata take is added.
#[must_use]
pub const fn most_encoded(in_memory: usize) -> usize {
    in_memory
        .saturating_add(in_memory / 24)
        .saturating_add(METADATA_BYTES)
}

/// Encodes a record with all its metadata, without its access statistics.
///
/// ```
/// use layerstore_record::{Millis, NodeId, Record, RecordValue, Timestamp, Version};
/// use layerstore_record::codec::{decode_record, encode_record};
///
/// let now = Timestamp::new(Millis(1_700_000_000_000), 0, NodeId(7));
/// let record = Record::builder(RecordValue::lww("hello", now), Version::new(now)).build();
/// let bytes = encode_record(&record)?;
/// assert_eq!(decode_record(&bytes)?, record);
/// # Ok::<(), layerstore_record::codec::CodecError>(())
/// ```
///
/// # Errors
/// As [`encode_record_into`].
pub fn encode_record(record: &Record) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_record_into(record, &mut bytes)?;
    Ok(bytes)
}

/// Appends the encoded record to `out`; on an error `out` is as it was.
///
/// # Errors
/// [`CodecError::TooLarge`] for a value above [`MAX_VALUE_BYTES`] or a record above [`MAX_RECORD_BYTES`], [`CodecError::TooDeep`] for one nested deeper
/// than [`MAX_DEPTH`](crate::MAX_DEPTH), [`CodecError::Malformed`] for an OR-Map without entries or with an entry
/// that is also removed (which [`RecordValue::or_map`](crate::RecordValue::or_map) never makes).
pub fn encode_record_into(record: &Record, out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.reserve(FRAME_HEADER_BYTES + wire_record::check(record)?);
    let start = out.len();
    frame::frame_into(RECORD_FORMAT, out, |out| {
        wire_record::encode(record, out)?;
        check_len(out.len() - start)
    })
}

/// Returns how many bytes [`encode_record`] gives, without making them.
///
/// # Errors
/// As [`encode_record_into`].
pub fn encoded_len(record: &Record) -> Result<usize, CodecError> {
    wire_record::check(record)?;
    let bytes = FRAME_HEADER_BYTES + wire_record::encoded_len(record)?;
    check_len(bytes).map(|()| bytes)
}

/// Decodes a record. Its access statistics start anew, at the time when it was written.
///
/// Only what [`encode_record`] gives is accepted: whatever decodes, encodes to the same bytes again.
///
/// # Errors
/// [`CodecError::UnknownVersion`] for bytes of a later version; any other [`CodecError`] for bytes that are not
/// a whole record. No error holds bytes of the value.
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    check_len(bytes.len())?;
    wire_record::decode(unframe(RECORD_FORMAT, bytes)?.payload)
}

fn check_len(bytes: usize) -> Result<(), CodecError> {
    if bytes > MAX_RECORD_BYTES {
        let limit = MAX_RECORD_BYTES;
        return Err(CodecError::TooLarge { bytes, limit });
    }
    Ok(())
}
