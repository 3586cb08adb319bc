use thiserror::Error;

/// Why bytes are not a record, or a record cannot become bytes. Never holds bytes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end too early: a torn write or a cut copy.
    #[error("{found} bytes are there of the {needed} that were written: the end is missing")]
    Truncated {
        /// How many bytes the whole has.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// The bytes do not begin as ours do.
    #[error("these bytes do not start as Layerstore's do: they come from elsewhere or are damaged")]
    BadMagic,
    /// The bytes are ours, but something else than was asked for.
    #[error("these bytes are of kind {found}, not {expected}: they stand in the wrong place")]
    WrongKind {
        /// The kind that the bytes name.
        found: u8,
        /// The kind that was asked for.
        expected: u8,
    },
    /// The bytes are whole, and written by a later version of Layerstore (or by none). This is no corruption.
    #[error("format version {found} is not known here, the newest is {newest}: use a later Layerstore")]
    UnknownVersion {
        /// The version that the bytes name.
        found: u8,
        /// The newest version that is understood.
        newest: u8,
    },
    /// The bytes are not those that were written.
    #[error("the checksum of the {part} does not match: the bytes were damaged after they were written")]
    Checksum {
        /// "header" or "payload".
        part: &'static str,
    },
    /// More bytes than a record may have.
    #[error("{bytes} bytes are above the limit of {limit}: split the value over several records")]
    TooLarge {
        /// How many bytes there are (or are claimed).
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Arrays and maps stand deeper within each other than they may.
    #[error("arrays and maps are nested deeper than {limit} levels: flatten the value")]
    TooDeep {
        /// How many levels there may be.
        limit: usize,
    },
    /// The checksum is right, but the content is not what this version writes.
    #[error("the content is not a record's: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
}

impl CodecError {
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }
}
