use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use smol_str::SmolStr;

/// The longest text that takes no memory beside its own 24 bytes.
const MAX_INLINE_BYTES: usize = 23;

/// Text that does not change: of keys, of fields' names, of values.
///
/// Up to 23 bytes are held inline, longer text in one allocation that clones share: cloning costs at most a reference count. Most names of
/// fields and many values are short, so that a record of some fields takes a few allocations instead of two for each field.
///
/// ```
/// use layerstore_record::Text;
///
/// let name = Text::new("address");
/// assert_eq!(name, "address");
/// assert_eq!((name.len(), name.heap_bytes()), (7, 0));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(SmolStr);

impl Text {
    /// Makes a text of a copy.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(SmolStr::new(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the bytes that this text keeps on the heap: 0 up to 23 bytes. (Blanks alone may take less than is told.)
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        Self::heap_bytes_of(self.len())
    }

    /// Returns what a text of `len` bytes keeps on the heap: two reference counts stand in front, and it is filled up to whole words.
    pub(crate) fn heap_bytes_of(len: usize) -> usize {
        const WORD: usize = size_of::<usize>();
        match len {
            0..=MAX_INLINE_BYTES => 0,
            _ => len.saturating_add(3 * WORD - 1) / WORD * WORD,
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Box<str>> for Text {
    fn from(text: Box<str>) -> Self {
        Self::new(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_short_or_shared() {
        assert_eq!(size_of::<Text>(), 24);
        let (short, long) = (Text::new("é".repeat(11)), Text::new("é".repeat(12)));
        assert_eq!((short.heap_bytes(), long.heap_bytes()), (0, 40));
        assert_eq!(long.as_str().as_ptr(), long.clone().as_str().as_ptr());
        assert_eq!(Text::heap_bytes_of(usize::MAX) % size_of::<usize>(), 0);
    }

    #[test]
    fn text_is_ordered_by_its_bytes_and_comes_back_through_serde() {
        let mut texts = ["b", "é", "a", "ab", ""].map(Text::from);
        texts.sort();
        assert_eq!(texts.each_ref().map(Text::as_str), ["", "a", "ab", "b", "é"]);
        let json = serde_json::to_string(&texts).unwrap();
        assert_eq!(serde_json::from_str::<[Text; 5]>(&json).unwrap(), texts);
        assert!(
            serde_json::from_str::<Text>("1")
                .unwrap_err()
                .to_string()
                .contains("text")
        );
    }
}
