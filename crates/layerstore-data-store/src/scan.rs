use std::ops::Bound;

use layerstore_record::{Key, Record};

/// Which part of a map to read next: a keyset page, in key byte order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScanRequest {
    /// Where to begin.
    pub start: Bound<Key>,
    /// Where to end.
    pub end: Bound<Key>,
    /// The most records to return, at least 1.
    pub limit: usize,
    /// Whether tombstones are wanted.
    pub include: Include,
}

/// Which records a scan returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Values only.
    Live,
    /// Values and tombstones.
    Tombstones,
}

/// Some records of a map, and where to go on.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// Records in key byte order.
    pub records: Vec<(Key, Record)>,
    /// The next page starts after this key; `None` after the last page. A page may be short, even empty, and not be the last.
    pub next: Option<Key>,
}

impl ScanRequest {
    /// Asks for the first `limit` values of a map.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
            limit: limit.max(1),
            include: Include::Live,
        }
    }

    /// Begins at this bound instead.
    #[must_use]
    pub fn from(mut self, start: Bound<Key>) -> Self {
        self.start = start;
        self
    }

    /// Ends at this bound instead.
    #[must_use]
    pub fn until(mut self, end: Bound<Key>) -> Self {
        self.end = end;
        self
    }

    /// Returns tombstones as well.
    #[must_use]
    pub fn with_tombstones(mut self) -> Self {
        self.include = Include::Tombstones;
        self
    }
}
