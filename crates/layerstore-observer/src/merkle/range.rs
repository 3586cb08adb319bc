use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds};

use layerstore_record::Key;

/// A range of keys, in key byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub start: Bound<Key>,
    /// Where it ends.
    pub end: Bound<Key>,
}

impl KeyRange {
    /// Every key there is.
    pub const ALL: Self = Self {
        start: Bound::Unbounded,
        end: Bound::Unbounded,
    };

    /// The keys from `first` to `last`, both included.
    #[must_use]
    pub fn of_run(first: Key, last: Key) -> Self {
        Self {
            start: Bound::Included(first),
            end: Bound::Included(last),
        }
    }

    /// Tells whether no key can be in it: it ends where it begins, or before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let (start, end) = (self.start.as_ref(), self.end.as_ref());
        let (Some(from), Some(to)) = (key_of(start), key_of(end)) else {
            return false;
        };
        let both_in = matches!((start, end), (Bound::Included(_), Bound::Included(_)));
        match from.cmp(to) {
            Ordering::Less => false,
            Ordering::Equal => !both_in,
            Ordering::Greater => true,
        }
    }

    /// Returns its two ends.
    #[must_use]
    pub fn bounds(&self) -> (Bound<&Key>, Bound<&Key>) {
        (self.start.as_ref(), self.end.as_ref())
    }

    /// Tells whether it has this key.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.bounds().contains(key)
    }
}

fn key_of(bound: Bound<&Key>) -> Option<&Key> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            Bound::Included(key) => write!(f, "[{key:?}, ")?,
            Bound::Excluded(key) => write!(f, "({key:?}, ")?,
            Bound::Unbounded => f.write_str("(.., ")?,
        }
        match &self.end {
            Bound::Included(key) => write!(f, "{key:?}]"),
            Bound::Excluded(key) => write!(f, "{key:?})"),
            Bound::Unbounded => f.write_str("..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_ends_before_it_begins_is_empty() {
        let key = |text: &str| Key::new(text).unwrap();
        let range = |start, end| KeyRange { start, end };
        assert!(range(Bound::Included(key("b")), Bound::Included(key("a"))).is_empty());
        assert!(range(Bound::Excluded(key("a")), Bound::Excluded(key("a"))).is_empty());
        assert!(range(Bound::Included(key("a")), Bound::Excluded(key("a"))).is_empty());
        let one = KeyRange::of_run(key("a"), key("a"));
        assert!(!one.is_empty() && one.contains(&key("a")) && !one.contains(&key("b")));
        assert!(!KeyRange::ALL.is_empty() && KeyRange::ALL.contains(&key("z")));
    }
}
