use std::sync::Arc;

use thiserror::Error;

use crate::or_map::{OrEntries, Tags};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// What a record holds, in one of two kinds that are never mixed within a map.
///
/// Make OR-Maps with [`RecordValue::or_map`]: it keeps removed tags out of the entries, as merging and the codec expect.
/// Values stand behind an `Arc`, so that a merge or a new version never copies them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordValue {
    /// Last writer wins: a value and when it was written.
    Lww {
        /// The value.
        value: Arc<Value>,
        /// When it was written, by the writer's clock.
        timestamp: Timestamp,
    },
    /// Last writer wins, and the last one removed it. Stays until the horizon.
    Tombstone {
        /// When it was removed, by the remover's clock.
        timestamp: Timestamp,
    },
    /// An observed-remove map with at least one entry.
    OrMap {
        /// What is there.
        entries: Arc<OrEntries>,
        /// Tags of what was removed.
        tombstones: Tags,
    },
    /// An observed-remove map of which only removals are left.
    OrTombstones {
        /// Tags of what was removed.
        tags: Tags,
    },
}

/// The two kinds of record; a map holds one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Last writer wins.
    Lww,
    /// Observed-remove map.
    OrMap,
}

/// What merging came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// What was there already contains the other: nothing to do.
    Unchanged,
    /// The two together.
    Changed(RecordValue),
}

/// What forgetting old removals came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pruned {
    /// There was nothing to forget.
    Unchanged,
    /// What remains.
    Changed(RecordValue),
    /// Nothing remains: the record may go.
    Gone,
}

/// A record of one kind met one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a map holds records of one kind: this one holds {held:?}, the write brings {brought:?}")]
pub struct KindMismatch {
    /// The kind that the map holds.
    pub held: RecordKind,
    /// The kind that was brought.
    pub brought: RecordKind,
}

impl RecordValue {
    /// Makes a last-writer-wins value.
    #[must_use]
    pub fn lww(value: impl Into<Value>, timestamp: Timestamp) -> Self {
        Self::Lww {
            value: Arc::new(value.into()),
            timestamp,
        }
    }

    /// Makes an observed-remove map: removed tags leave the entries; without entries it is tombstones alone.
    #[must_use]
    pub fn or_map(entries: OrEntries, tombstones: Tags) -> Self {
        let entries = entries.union(&OrEntries::default(), &tombstones);
        if entries.is_empty() {
            Self::OrTombstones { tags: tombstones }
        } else {
            Self::OrMap {
                entries: Arc::new(entries),
                tombstones,
            }
        }
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Lww { .. } | Self::Tombstone { .. } => RecordKind::Lww,
            Self::OrMap { .. } | Self::OrTombstones { .. } => RecordKind::OrMap,
        }
    }

    /// Tells whether nothing is left but the memory of a removal.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Tombstone { .. } | Self::OrTombstones { .. })
    }

    /// Returns the plain value of a last-writer-wins record.
    #[must_use]
    pub fn value(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Lww { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Returns the newest timestamp in it: of a write, or of a removal.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        let last = |tags: &Tags| tags.latest().unwrap_or_default();
        match self {
            Self::Lww { timestamp, .. } | Self::Tombstone { timestamp } => *timestamp,
            Self::OrMap { entries, tombstones } => {
                let newest = entries
                    .iter()
                    .next_back()
                    .map_or(Timestamp::ZERO, |(tag, _)| *tag);
                newest.max(last(tombstones))
            }
            Self::OrTombstones { tags } => last(tags),
        }
    }

    /// Returns what a removal at `now` leaves: a tombstone, or an OR-Map with all its tags removed.
    #[must_use]
    pub fn removed(&self, now: Timestamp) -> Self {
        match self {
            Self::Lww { .. } | Self::Tombstone { .. } => Self::Tombstone { timestamp: now },
            Self::OrMap { entries, tombstones } => {
                let observed = entries.iter().map(|(tag, _)| (*tag, now));
                Self::OrTombstones {
                    tags: Tags::new(observed.chain(tombstones.removals()).collect()),
                }
            }
            Self::OrTombstones { tags } => Self::OrTombstones { tags: tags.clone() },
        }
    }

    /// Merges `other` into this.
    ///
    /// **R-merge**: merging within a kind is commutative, associative and idempotent. Of two last-writer-wins values the
    /// later stands; at the same time a removal wins over a value, and the greater value over the lesser. An entry of an
    /// OR-Map that was removed does not come back by merging in what did not see the removal, until the removal is
    /// [pruned](Self::prune); one that the removal did not see stays.
    ///
    /// ```
    /// use layerstore_record::{Merged, Millis, NodeId, RecordValue, Timestamp};
    ///
    /// let at = |millis| Timestamp::new(Millis(millis), 0, NodeId(1));
    /// let (old, new) = (RecordValue::lww("old", at(1)), RecordValue::lww("new", at(2)));
    /// assert_eq!(old.merge(&new)?, Merged::Changed(new.clone()));
    /// assert_eq!(new.merge(&old)?, Merged::Unchanged);
    /// # Ok::<(), layerstore_record::KindMismatch>(())
    /// ```
    ///
    /// # Errors
    /// [`KindMismatch`] when the kinds differ.
    pub fn merge(&self, other: &Self) -> Result<Merged, KindMismatch> {
        let (held, brought) = (self.kind(), other.kind());
        match (held, brought) {
            (RecordKind::Lww, RecordKind::Lww) => Ok(self.merge_later(other)),
            (RecordKind::OrMap, RecordKind::OrMap) => Ok(self.merge_union(other)),
            _ => Err(KindMismatch { held, brought }),
        }
    }

    /// Forgets removals up to `horizon`. What a replica wrote before it must not be merged in afterwards,
    /// or it comes back.
    #[must_use]
    pub fn prune(&self, horizon: Timestamp) -> Pruned {
        let (tags, pruned) = match self {
            Self::Lww { .. } => return Pruned::Unchanged,
            Self::Tombstone { timestamp } if *timestamp > horizon => return Pruned::Unchanged,
            Self::Tombstone { .. } => return Pruned::Gone,
            Self::OrMap { tombstones, .. } => (tombstones, tombstones.newer_than(horizon)),
            Self::OrTombstones { tags } => (tags, tags.newer_than(horizon)),
        };
        match self {
            Self::OrTombstones { .. } if pruned.is_empty() => Pruned::Gone,
            _ if pruned.len() == tags.len() => Pruned::Unchanged,
            Self::OrMap { entries, .. } => Pruned::Changed(Self::OrMap {
                entries: Arc::clone(entries),
                tombstones: pruned,
            }),
            _ => Pruned::Changed(Self::OrTombstones { tags: pruned }),
        }
    }

    /// Returns the bytes kept on the heap, the values' shared allocations included.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        match self {
            Self::Lww { value, .. } => COUNTS + size_of::<Value>() + value.heap_bytes(),
            Self::Tombstone { .. } => 0,
            Self::OrMap { entries, tombstones } => {
                COUNTS + size_of::<OrEntries>() + entries.heap_bytes() + tombstones.heap_bytes()
            }
            Self::OrTombstones { tags } => tags.heap_bytes(),
        }
    }

    fn merge_later(&self, other: &Self) -> Merged {
        // Compared from the left: the values count only where time and removal are equal.
        let [ours, theirs] = [self, other].map(|one| (one.timestamp(), one.is_tombstone(), one.value()));
        if theirs > ours {
            Merged::Changed(other.clone())
        } else {
            Merged::Unchanged
        }
    }

    fn merge_union(&self, other: &Self) -> Merged {
        let none = OrEntries::default();
        let (one, one_removed) = self.or_parts(&none);
        let (two, two_removed) = other.or_parts(&none);
        let removed = one_removed.union(&two_removed);
        let merged = Self::or_map(one.union(two, &removed), removed);
        if merged == *self {
            Merged::Unchanged
        } else {
            Merged::Changed(merged)
        }
    }

    fn or_parts<'a>(&'a self, none: &'a OrEntries) -> (&'a OrEntries, Tags) {
        match self {
            Self::OrMap { entries, tombstones } => (entries, tombstones.clone()),
            Self::OrTombstones { tags } => (none, tags.clone()),
            Self::Lww { .. } | Self::Tombstone { .. } => (none, Tags::default()),
        }
    }
}
