use std::sync::Arc;

use layerstore_record::{Key, MapName, Record, Version};

use crate::error::StoreError;

/// One mutation of one key, for a data store. Shares the record with memory, queue and observers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Write {
    /// The map.
    pub map: MapName,
    /// The key.
    pub key: Key,
    /// What the key holds from now on; a removal brings its tombstone.
    pub record: Arc<Record>,
    /// What the key must hold for the write to be made.
    pub expect: Option<Expect>,
}

/// Whether a write stores a value or removes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOp {
    /// Stores a value.
    Put,
    /// Leaves a tombstone.
    Remove,
}

/// A condition on what a key holds. An expired record counts as absent, and so does a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No value.
    Absent,
    /// The value of this version.
    Version(Version),
}

/// What became of a write.
#[derive(Debug, Clone)]
#[must_use]
pub enum WriteResult {
    /// It is stored, now or by an earlier try.
    Applied,
    /// A newer version is there, or the map was cleared since: nothing was done.
    Stale {
        /// The highest version that stands in the way: of what is held, or the cleared floor.
        current: Version,
    },
    /// The condition does not hold: nothing was done.
    Conflict {
        /// The version of the value that is there, `None` when there is none.
        current: Option<Version>,
    },
    /// It failed; the error says whether the outcome is known.
    Rejected(StoreError),
}

impl Write {
    /// Makes an unconditional write.
    #[must_use]
    pub fn new(map: MapName, key: Key, record: Arc<Record>) -> Self {
        Self {
            map,
            key,
            record,
            expect: None,
        }
    }

    /// Makes the write conditional.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = Some(expect);
        self
    }

    /// Returns the version that fences this write.
    #[must_use]
    pub fn version(&self) -> Version {
        self.record.version()
    }

    /// Tells whether it stores or removes.
    #[must_use]
    pub fn op(&self) -> WriteOp {
        if self.record.is_tombstone() {
            WriteOp::Remove
        } else {
            WriteOp::Put
        }
    }
}

impl WriteResult {
    /// Tells whether the write is stored.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied)
    }
}
