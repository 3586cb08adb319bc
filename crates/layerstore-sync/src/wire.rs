//! Messages as bytes: an envelope with a checksum, then what a message says, little-endian, every length before what it counts.
//!
//! | bytes | what |
//! | --- | --- |
//! | 16 | the envelope of `layerstore_record::codec`, kind 40 for a request, 41 for a response, version 1 |
//! | 1 | which message it is |
//! | rest | its fields, in the order in which they are declared |
//!
//! A text is a length of 2 bytes and its UTF-8; a list is a count of 4 bytes and its items; a record is a length of 4 bytes and its
//! own envelope.

mod read;
mod write;

use layerstore_record::codec::{CodecError, FrameFormat, frame, unframe};

use crate::message::{Request, Response};

/// The largest message that is made or read: 48 MiB, three of the largest records.
///
/// A message holds up to the bound of [`SyncOptions`](crate::SyncOptions) or one record above it; a transport refuses
/// what claims to be larger before it asks for memory.
pub const MAX_MESSAGE_BYTES: usize = 48 << 20;

const REQUEST: FrameFormat = FrameFormat::new(40, 1);
const RESPONSE: FrameFormat = FrameFormat::new(41, 1);

/// Makes bytes of a request.
///
/// # Errors
/// [`CodecError`] for a record that cannot be encoded, or a message above [`MAX_MESSAGE_BYTES`].
pub fn encode_request(request: &Request) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    write::request(request, &mut out)?;
    frame(REQUEST, bounded(&out)?)
}

/// Makes bytes of a response.
///
/// # Errors
/// As [`encode_request`].
pub fn encode_response(response: &Response) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    write::response(response, &mut out)?;
    frame(RESPONSE, bounded(&out)?)
}

/// Reads a request. Costs no more memory than the bytes that are there.
///
/// # Errors
/// [`CodecError`] for bytes that are damaged, cut, too large, of a later version, or not what [`encode_request`] makes.
pub fn decode_request(bytes: &[u8]) -> Result<Request, CodecError> {
    read::request(unframe(REQUEST, bounded(bytes)?)?.payload)
}

/// Reads a response.
///
/// # Errors
/// As [`decode_request`].
pub fn decode_response(bytes: &[u8]) -> Result<Response, CodecError> {
    read::response(unframe(RESPONSE, bounded(bytes)?)?.payload)
}

fn bounded(bytes: &[u8]) -> Result<&[u8], CodecError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(CodecError::TooLarge {
            bytes: bytes.len(),
            limit: MAX_MESSAGE_BYTES,
        });
    }
    Ok(bytes)
}
