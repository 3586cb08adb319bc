use std::fmt;

use thiserror::Error;

use super::MAX_DEPTH;
use crate::text::Text;

/// Something that no [`Value`](super::Value) can hold, or a value that is not what was asked for.
///
/// Says what and where; never repeats a value. (A `Deserialize` of your own whose custom message quotes its input
/// is passed on as it is.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    reason: ValueErrorReason,
    path: String,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueErrorReason {
    /// An integer outside of -2^63 to 2^64 - 1.
    #[error("an integer lies outside of -2^63 to 2^64 - 1: keep it as a string")]
    OutOfRange,
    /// A map's key that has no one text.
    #[error("{0} cannot name a field: use a string, an integer, a bool, a char or a unit variant")]
    UnfitKey(&'static str),
    /// A field that comes twice.
    #[error("the field {0:?} comes twice")]
    DuplicateField(Text),
    /// Arrays and maps nested deeper than [`MAX_DEPTH`].
    #[error("arrays and maps are nested deeper than {MAX_DEPTH} levels: flatten the value")]
    TooDeep,
    /// The value has another shape than was asked for, or its own serde code refused it.
    #[error("{0}")]
    Refused(String),
}

/// A path is for a reader: beyond this many bytes its inner end is left out.
const MAX_PATH_BYTES: usize = 256;

impl ValueError {
    pub(crate) fn new(reason: ValueErrorReason) -> Self {
        Self {
            reason,
            path: String::new(),
        }
    }

    pub(crate) fn refused(what: impl fmt::Display) -> Self {
        Self::new(ValueErrorReason::Refused(what.to_string()))
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn reason(&self) -> &ValueErrorReason {
        &self.reason
    }

    /// Returns where it is, as in `orders[3].total`; empty for the whole value.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Says in which field of the surrounding map it happened.
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self.shorten()
    }

    /// Says in which item of the surrounding array it happened.
    pub(crate) fn in_item(mut self, at: usize) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("[{at}]{dot}{}", self.path);
        self.shorten()
    }

    fn shorten(mut self) -> Self {
        if self.path.len() > MAX_PATH_BYTES {
            let cut = self.path.floor_char_boundary(MAX_PATH_BYTES);
            self.path.truncate(cut);
            self.path.push('…');
        }
        self
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", self.path)?;
        }
        self.reason.fmt(f)
    }
}

impl std::error::Error for ValueError {}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::refused(message)
    }
}

/// Serde's default messages quote the value that was found; these name its shape.
impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::refused(message)
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::refused(format_args!("{} is here, not {expected}", shape(&found)))
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::refused(format_args!("{} is here that is not {expected}", shape(&found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::refused(format_args!("the variant is none of {}", expected.join(", ")))
    }
}

fn shape(found: &serde::de::Unexpected<'_>) -> &'static str {
    use serde::de::Unexpected;
    match found {
        Unexpected::Bool(_) => "a bool",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a map",
        _ => "something else",
    }
}
