//! The envelope: 16 bytes that are the same in every version, then the payload.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..2 | magic `LS` |
//! | 2 | kind |
//! | 3 | version of the payload's format |
//! | 4..8 | length of the payload, little-endian |
//! | 8..12 | CRC32C of the payload, little-endian |
//! | 12..16 | CRC32C of bytes 0..12, little-endian |
//!
//! The header has a checksum of its own, so that a damaged version is told from an unknown one, and a damaged
//! length from a cut payload.

use super::error::CodecError;

const MAGIC: [u8; 2] = *b"LS";

/// How many bytes the envelope adds in front of the payload.
pub const FRAME_HEADER_BYTES: usize = 16;

/// What a payload is, and the newest version of its layout that is understood (and written).
///
/// Kinds below 16 belong to this crate; whoever keeps bytes of another sort takes one above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFormat {
    kind: u8,
    newest: u8,
}

/// A payload that was found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The version of the payload's layout: 1 to the newest.
    pub version: u8,
    /// The payload.
    pub payload: &'a [u8],
}

impl FrameFormat {
    /// Names a format. Versions start at 1.
    #[must_use]
    pub const fn new(kind: u8, newest: u8) -> Self {
        Self { kind, newest }
    }

    /// Returns the kind of payload.
    #[must_use]
    pub const fn kind(self) -> u8 {
        self.kind
    }

    /// Returns the newest version that is understood.
    #[must_use]
    pub const fn newest(self) -> u8 {
        self.newest
    }
}

/// Puts a payload into an envelope, under the newest version of `format`.
///
/// ```
/// use layerstore_record::codec::{FrameFormat, frame, unframe};
///
/// const FLOOR: FrameFormat = FrameFormat::new(16, 1);
/// let bytes = frame(FLOOR, b"payload")?;
/// assert_eq!(unframe(FLOOR, &bytes)?.payload, b"payload");
/// # Ok::<(), layerstore_record::codec::CodecError>(())
/// ```
///
/// # Errors
/// [`CodecError::TooLarge`] for a payload of 4 GiB or more.
pub fn frame(format: FrameFormat, payload: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    frame_into(format, &mut out, |out| {
        out.extend_from_slice(payload);
        Ok(())
    })?;
    Ok(out)
}

/// Takes a payload out of its envelope, once its kind, version, length and checksums are found right.
///
/// # Errors
/// [`CodecError::Truncated`], [`CodecError::BadMagic`], [`CodecError::Checksum`], [`CodecError::WrongKind`],
/// [`CodecError::UnknownVersion`], or [`CodecError::Malformed`] for bytes beyond the payload.
pub fn unframe(format: FrameFormat, bytes: &[u8]) -> Result<Frame<'_>, CodecError> {
    let header = Header::read(bytes)?;
    header.check(format)?;
    let (needed, found) = (FRAME_HEADER_BYTES + header.len, bytes.len());
    if found < needed {
        return Err(CodecError::Truncated { needed, found });
    }
    if found > needed {
        return Err(CodecError::malformed("bytes follow the end"));
    }
    let (_, payload) = bytes.split_at(FRAME_HEADER_BYTES);
    if crc32c::crc32c(payload) != header.payload_crc {
        return Err(CodecError::Checksum { part: "payload" });
    }
    Ok(Frame {
        version: header.version,
        payload,
    })
}

/// Appends an envelope whose payload `write` appends; on an error `out` is as it was.
pub(super) fn frame_into(
    format: FrameFormat,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    let written = write(out).and_then(|()| fill_header(format, out.get_mut(start..).unwrap_or_default()));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn fill_header(format: FrameFormat, framed: &mut [u8]) -> Result<(), CodecError> {
    let (header, payload) = framed.split_at_mut(FRAME_HEADER_BYTES);
    let len = u32::try_from(payload.len()).map_err(|_| CodecError::TooLarge {
        bytes: payload.len(),
        limit: usize::try_from(u32::MAX).unwrap_or(usize::MAX),
    })?;
    let [one, two] = MAGIC;
    let (checked, crc) = header.split_at_mut(FRAME_HEADER_BYTES - 4);
    let (name, rest) = checked.split_at_mut(4);
    name.copy_from_slice(&[one, two, format.kind, format.newest]);
    let (length, payload_crc) = rest.split_at_mut(4);
    length.copy_from_slice(&len.to_le_bytes());
    payload_crc.copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    crc.copy_from_slice(&crc32c::crc32c(checked).to_le_bytes());
    Ok(())
}

struct Header {
    kind: u8,
    version: u8,
    len: usize,
    payload_crc: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else {
            return Err(CodecError::Truncated {
                needed: FRAME_HEADER_BYTES,
                found: bytes.len(),
            });
        };
        let [m0, m1, kind, version, l0, l1, l2, l3, p0, p1, p2, p3, h @ ..] = *header;
        if [m0, m1] != MAGIC {
            return Err(CodecError::BadMagic);
        }
        let (checked, _) = header.split_at(FRAME_HEADER_BYTES - h.len());
        if crc32c::crc32c(checked) != u32::from_le_bytes(h) {
            return Err(CodecError::Checksum { part: "header" });
        }
        let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        Ok(Self {
            kind,
            version,
            len,
            payload_crc: u32::from_le_bytes([p0, p1, p2, p3]),
        })
    }

    fn check(&self, format: FrameFormat) -> Result<(), CodecError> {
        if self.kind != format.kind {
            return Err(CodecError::WrongKind {
                found: self.kind,
                expected: format.kind,
            });
        }
        if !(1..=format.newest).contains(&self.version) {
            return Err(CodecError::UnknownVersion {
                found: self.version,
                newest: format.newest,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_says_what_it_was_made_of() {
        let format = FrameFormat::new(16, 3);
        assert_eq!((format.kind(), format.newest()), (16, 3));
    }
}
