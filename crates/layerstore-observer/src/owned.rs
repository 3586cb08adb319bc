use std::sync::Arc;

use layerstore_record::{Cost, Key, MapName, Provenance, Record, Version};

use crate::mutation::{Mutation, MutationEvent, Ownership, PreviousValue, RemoveReason};

/// A [`Mutation`] that outlives the call: it shares records and key instead of borrowing them.
///
/// For observers that hand on what they were told. It keeps the records alive, the previous one included, so
/// whoever collects them needs a bound (see [`OwnedMutation::cost`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMutation {
    /// The map.
    pub map: MapName,
    /// The partition of the map, 0 when it has one.
    pub partition: u32,
    /// Whether this process owns the records or keeps a copy for another.
    pub ownership: Ownership,
    /// Where the mutation comes from.
    pub provenance: Provenance,
    /// What happened.
    pub event: OwnedEvent,
}

/// A [`MutationEvent`] that outlives the call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// See [`MutationEvent::Put`].
    Put {
        /// The key.
        key: Key,
        /// The new record.
        record: Arc<Record>,
    },
    /// See [`MutationEvent::Update`].
    Update {
        /// The key.
        key: Key,
        /// The new record.
        record: Arc<Record>,
        /// What was there.
        previous: OwnedPrevious,
    },
    /// See [`MutationEvent::Remove`].
    Remove {
        /// The key.
        key: Key,
        /// The tombstone that is left, `None` when it was removed from memory only.
        tombstone: Option<Arc<Record>>,
        /// What was there.
        previous: OwnedPrevious,
        /// Why.
        reason: RemoveReason,
    },
    /// See [`MutationEvent::Evict`].
    Evict {
        /// The key.
        key: Key,
        /// The record that left.
        record: Arc<Record>,
    },
    /// See [`MutationEvent::Load`].
    Load {
        /// The key.
        key: Key,
        /// The record.
        record: Arc<Record>,
    },
    /// See [`MutationEvent::ReplicationPut`].
    ReplicationPut {
        /// The key.
        key: Key,
        /// The merged record.
        record: Arc<Record>,
        /// What was there.
        previous: OwnedPrevious,
    },
    /// See [`MutationEvent::Clear`].
    Clear {
        /// How many records were in memory.
        resident: usize,
    },
    /// See [`MutationEvent::Reset`].
    Reset {
        /// How many records were in memory.
        resident: usize,
    },
    /// See [`MutationEvent::Destroy`].
    Destroy {
        /// Whether the whole service shuts down, or this map alone goes.
        shutdown: bool,
    },
}

/// A [`PreviousValue`] that outlives the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedPrevious {
    /// This record.
    Known(Arc<Record>),
    /// Nothing.
    Absent,
    /// Not known: a blind write met a key that was not in memory.
    Unknown,
}

impl OwnedMutation {
    /// Lends the mutation, to tell it to an observer once more.
    #[must_use]
    pub fn as_mutation(&self) -> Mutation<'_> {
        Mutation::new(&self.map, self.provenance, self.event.as_event())
            .in_partition(self.partition)
            .owned_as(self.ownership)
    }

    /// Returns the key, of the events that have one.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.event.as_event().key()
    }

    /// Returns the version that the key has after the mutation, of the events that tell one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.event.as_event().version()
    }

    /// Returns the memory that the mutation keeps alive: its own size, and its records counted in full, though
    /// others may share them.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let Some(key) = self.key() else {
            return Cost::from_bytes(size_of::<Self>());
        };
        let (record, previous) = self.event.records();
        let records = [record, previous].into_iter().flatten();
        Cost::from_bytes(size_of::<Self>()) + records.map(|record| record.cost(key)).sum()
    }
}

impl From<&Mutation<'_>> for OwnedMutation {
    fn from(mutation: &Mutation<'_>) -> Self {
        Self {
            map: mutation.map.clone(),
            partition: mutation.partition,
            ownership: mutation.ownership,
            provenance: mutation.provenance,
            event: OwnedEvent::from(&mutation.event),
        }
    }
}

impl OwnedEvent {
    /// Lends the event.
    #[must_use]
    pub fn as_event(&self) -> MutationEvent<'_> {
        match self {
            Self::Put { key, record } => MutationEvent::Put { key, record },
            Self::Update {
                key,
                record,
                previous,
            } => MutationEvent::Update {
                key,
                record,
                previous: previous.as_previous(),
            },
            Self::Remove {
                key,
                tombstone,
                previous,
                reason,
            } => MutationEvent::Remove {
                key,
                tombstone: tombstone.as_ref(),
                previous: previous.as_previous(),
                reason: *reason,
            },
            Self::Evict { key, record } => MutationEvent::Evict { key, record },
            Self::Load { key, record } => MutationEvent::Load { key, record },
            Self::ReplicationPut {
                key,
                record,
                previous,
            } => MutationEvent::ReplicationPut {
                key,
                record,
                previous: previous.as_previous(),
            },
            Self::Clear { resident } => MutationEvent::Clear { resident: *resident },
            Self::Reset { resident } => MutationEvent::Reset { resident: *resident },
            Self::Destroy { shutdown } => MutationEvent::Destroy { shutdown: *shutdown },
        }
    }

    /// Returns the name used in metrics and spans.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.as_event().name()
    }

    /// Returns the record that the event is about and the one that was there before.
    fn records(&self) -> (Option<&Arc<Record>>, Option<&Arc<Record>>) {
        match self {
            Self::Put { record, .. } | Self::Evict { record, .. } | Self::Load { record, .. } => {
                (Some(record), None)
            }
            Self::Update { record, previous, .. } | Self::ReplicationPut { record, previous, .. } => {
                (Some(record), previous.record())
            }
            Self::Remove {
                tombstone, previous, ..
            } => (tombstone.as_ref(), previous.record()),
            Self::Clear { .. } | Self::Reset { .. } | Self::Destroy { .. } => (None, None),
        }
    }
}

impl From<&MutationEvent<'_>> for OwnedEvent {
    fn from(event: &MutationEvent<'_>) -> Self {
        match *event {
            MutationEvent::Put { key, record } => Self::Put {
                key: key.clone(),
                record: Arc::clone(record),
            },
            MutationEvent::Update {
                key,
                record,
                previous,
            } => Self::Update {
                key: key.clone(),
                record: Arc::clone(record),
                previous: previous.into(),
            },
            MutationEvent::Remove {
                key,
                tombstone,
                previous,
                reason,
            } => Self::Remove {
                key: key.clone(),
                tombstone: tombstone.map(Arc::clone),
                previous: previous.into(),
                reason,
            },
            MutationEvent::Evict { key, record } => Self::Evict {
                key: key.clone(),
                record: Arc::clone(record),
            },
            MutationEvent::Load { key, record } => Self::Load {
                key: key.clone(),
                record: Arc::clone(record),
            },
            MutationEvent::ReplicationPut {
                key,
                record,
                previous,
            } => Self::ReplicationPut {
                key: key.clone(),
                record: Arc::clone(record),
                previous: previous.into(),
            },
            MutationEvent::Clear { resident } => Self::Clear { resident },
            MutationEvent::Reset { resident } => Self::Reset { resident },
            MutationEvent::Destroy { shutdown } => Self::Destroy { shutdown },
        }
    }
}

impl OwnedPrevious {
    /// Lends what was there.
    #[must_use]
    pub fn as_previous(&self) -> PreviousValue<'_> {
        match self {
            Self::Known(record) => PreviousValue::Known(record),
            Self::Absent => PreviousValue::Absent,
            Self::Unknown => PreviousValue::Unknown,
        }
    }

    fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Known(record) => Some(record),
            Self::Absent | Self::Unknown => None,
        }
    }
}

impl From<PreviousValue<'_>> for OwnedPrevious {
    fn from(previous: PreviousValue<'_>) -> Self {
        match previous {
            PreviousValue::Known(record) => Self::Known(Arc::clone(record)),
            PreviousValue::Absent => Self::Absent,
            PreviousValue::Unknown => Self::Unknown,
        }
    }
}
