use std::borrow::Borrow;
use std::fmt;

use smol_str::SmolStr;
use thiserror::Error;

/// The longest map name, in bytes of UTF-8.
pub const MAX_MAP_NAME_BYTES: usize = 128;

/// Names a map: 1 to [`MAX_MAP_NAME_BYTES`] bytes of UTF-8, any characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapName(SmolStr);

/// A map name that cannot be: empty, or longer than [`MAX_MAP_NAME_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a map name has 1 to {MAX_MAP_NAME_BYTES} bytes of UTF-8, this one has {bytes}")]
pub struct InvalidMapName {
    /// How many bytes the refused name has.
    pub bytes: usize,
}

impl MapName {
    /// Makes a map name.
    ///
    /// # Errors
    /// [`InvalidMapName`] when `text` is empty or longer than [`MAX_MAP_NAME_BYTES`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidMapName> {
        let text = text.as_ref();
        match text.len() {
            1..=MAX_MAP_NAME_BYTES => Ok(Self(SmolStr::new(text))),
            bytes => Err(InvalidMapName { bytes }),
        }
    }

    /// Returns the name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for MapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for MapName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for MapName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<&str> for MapName {
    type Error = InvalidMapName;

    fn try_from(text: &str) -> Result<Self, InvalidMapName> {
        Self::new(text)
    }
}

impl TryFrom<String> for MapName {
    type Error = InvalidMapName;

    fn try_from(text: String) -> Result<Self, InvalidMapName> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_name_has_1_to_128_bytes() {
        assert_eq!(MapName::new(""), Err(InvalidMapName { bytes: 0 }));
        assert_eq!(MapName::new("m".repeat(129)), Err(InvalidMapName { bytes: 129 }));
        assert!(MapName::new("m".repeat(128)).is_ok());
    }
}
