use std::borrow::Borrow;
use std::fmt;

use thiserror::Error;

use crate::text::Text;

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// Names a record within its map: 1 to [`MAX_KEY_BYTES`] bytes of UTF-8, any characters.
///
/// Ordered by its bytes. Cloning costs at most a reference count: keys of up to 23 bytes are held inline,
/// longer ones share one allocation.
///
/// ```
/// use layerstore_record::Key;
///
/// let key = Key::new("users/é/😀")?;
/// assert_eq!(key.as_str(), "users/é/😀");
/// assert_eq!(Key::new("").unwrap_err().bytes, 0);
/// # Ok::<(), layerstore_record::InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Text);

/// A key that cannot be: empty, or longer than [`MAX_KEY_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key has 1 to {MAX_KEY_BYTES} bytes of UTF-8, this one has {bytes}")]
pub struct InvalidKey {
    /// How many bytes the refused key has.
    pub bytes: usize,
}

impl Key {
    /// Makes a key.
    ///
    /// # Errors
    /// [`InvalidKey`] when `text` is empty or longer than [`MAX_KEY_BYTES`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref();
        match text.len() {
            1..=MAX_KEY_BYTES => Ok(Self(Text::new(text))),
            bytes => Err(InvalidKey { bytes }),
        }
    }

    /// Returns the key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key's bytes, whose order is the order of keys.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns the bytes that this key keeps on the heap (0 for an inline key).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<&str> for Key {
    type Error = InvalidKey;

    fn try_from(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_1024_bytes() {
        assert_eq!(Key::new(""), Err(InvalidKey { bytes: 0 }));
        assert_eq!(Key::new("k".repeat(1025)), Err(InvalidKey { bytes: 1025 }));
        assert!(Key::new("k".repeat(1024)).is_ok());
        assert_eq!(Key::new("a/../\0é😀").unwrap().as_str(), "a/../\0é😀");
    }

    #[test]
    fn keys_are_ordered_by_their_bytes() {
        let mut keys = ["b", "é", "a", "ab", "Z"].map(|text| Key::new(text).unwrap());
        keys.sort();
        assert_eq!(keys.map(|key| key.to_string()), ["Z", "a", "ab", "b", "é"]);
    }
}
