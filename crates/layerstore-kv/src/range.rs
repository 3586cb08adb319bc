//! Which keys a scan covers, and in which order.

use std::ops::Bound;

/// The order of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Ascending key bytes.
    Forward,
    /// Descending key bytes.
    Backward,
}

/// A range of keys in byte order. A range whose end lies before its start covers nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where the range starts.
    pub start: Bound<Vec<u8>>,
    /// Where the range ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Covers every key.
    #[must_use]
    pub fn all() -> Self {
        Self {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
        }
    }

    /// Covers the keys that start with `prefix`; the empty prefix covers every key.
    ///
    /// ```
    /// use layerstore_kv::KeyRange;
    /// assert!(KeyRange::prefix(b"a\xFF").contains(b"a\xFF\xFF"));
    /// assert!(!KeyRange::prefix(b"a\xFF").contains(b"b"));
    /// ```
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self {
            start: Bound::Included(prefix.to_vec()),
            end: end_of_prefix(prefix),
        }
    }

    /// Narrows the range to keys at or after `key`.
    #[must_use]
    pub fn from(mut self, key: &[u8]) -> Self {
        self.start = later(self.start, Bound::Included(key.to_vec()));
        self
    }

    /// Narrows the range to keys after `key`, which is how the next page of a scan starts.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        self.start = later(self.start, Bound::Excluded(key.to_vec()));
        self
    }

    /// Narrows the range to keys before `key`.
    #[must_use]
    pub fn before(mut self, key: &[u8]) -> Self {
        self.end = earlier(self.end, Bound::Excluded(key.to_vec()));
        self
    }

    /// Tells whether the range covers `key`.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let starts = match &self.start {
            Bound::Included(start) => key >= start.as_slice(),
            Bound::Excluded(start) => key > start.as_slice(),
            Bound::Unbounded => true,
        };
        let ends = match &self.end {
            Bound::Included(end) => key <= end.as_slice(),
            Bound::Excluded(end) => key < end.as_slice(),
            Bound::Unbounded => true,
        };
        starts && ends
    }

    /// Tells whether the bounds alone rule out every key. Ordered maps panic on such ranges: ask first.
    #[must_use]
    pub fn is_inverted(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
        }
    }
}

/// The first key after every key with this prefix: the prefix with its last byte below 0xFF raised, the rest cut.
fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(raised) = last.checked_add(1) {
            end.push(raised);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

fn later(one: Bound<Vec<u8>>, other: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match (&one, &other) {
        (Bound::Unbounded, _) => other,
        (_, Bound::Unbounded) => one,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            match a.cmp(b) {
                std::cmp::Ordering::Less => other,
                std::cmp::Ordering::Greater => one,
                std::cmp::Ordering::Equal if matches!(one, Bound::Excluded(_)) => one,
                std::cmp::Ordering::Equal => other,
            }
        }
    }
}

fn earlier(one: Bound<Vec<u8>>, other: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match (&one, &other) {
        (Bound::Unbounded, _) => other,
        (_, Bound::Unbounded) => one,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            match a.cmp(b) {
                std::cmp::Ordering::Less => one,
                std::cmp::Ordering::Greater => other,
                std::cmp::Ordering::Equal if matches!(one, Bound::Excluded(_)) => one,
                std::cmp::Ordering::Equal => other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_0xff_has_no_end() {
        assert_eq!(KeyRange::prefix(&[0xFF, 0xFF]).end, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(&[1, 0xFF]).end, Bound::Excluded(vec![2]));
        assert_eq!(KeyRange::prefix(b"").end, Bound::Unbounded);
    }

    #[test]
    fn narrowing_never_widens() {
        let range = KeyRange::prefix(b"b")
            .after(b"a")
            .after(b"ba")
            .from(b"b")
            .before(b"z")
            .before(b"bx");
        assert_eq!(range.start, Bound::Excluded(b"ba".to_vec()));
        assert_eq!(range.end, Bound::Excluded(b"bx".to_vec()));
        assert!(range.contains(b"bb") && !range.contains(b"ba") && !range.contains(b"bx"));
    }

    #[test]
    fn inverted_ranges_are_recognised() {
        assert!(KeyRange::all().from(b"b").before(b"a").is_inverted());
        assert!(KeyRange::all().from(b"b").before(b"b").is_inverted());
        assert!(!KeyRange::all().after(b"a").before(b"a\0").contains(b"a\0"));
        assert!(!KeyRange::all().from(b"a").before(b"b").is_inverted());
    }
}
