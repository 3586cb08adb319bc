use std::sync::Arc;

use layerstore_record::{Key, MapName, Provenance, Record, Version};

/// Something that happened to the records of one partition of a map, told after memory has changed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Mutation<'a> {
    /// The map.
    pub map: &'a MapName,
    /// The partition of the map, 0 when it has one.
    pub partition: u32,
    /// Whether this process owns the records or keeps a copy for another.
    pub ownership: Ownership,
    /// Where the mutation comes from.
    pub provenance: Provenance,
    /// What happened.
    pub event: MutationEvent<'a>,
}

/// The nine things that happen.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MutationEvent<'a> {
    /// A key got a value that it did not have.
    Put {
        /// The key.
        key: &'a Key,
        /// The new record.
        record: &'a Arc<Record>,
    },
    /// A key's value was replaced (or may have been: see [`PreviousValue::Unknown`]).
    Update {
        /// The key.
        key: &'a Key,
        /// The new record.
        record: &'a Arc<Record>,
        /// What was there.
        previous: PreviousValue<'a>,
    },
    /// A key's value was removed.
    Remove {
        /// The key.
        key: &'a Key,
        /// The tombstone that is left, `None` when it was removed from memory only.
        tombstone: Option<&'a Arc<Record>>,
        /// What was there.
        previous: PreviousValue<'a>,
        /// Why.
        reason: RemoveReason,
    },
    /// A record left memory; the data store still has it.
    Evict {
        /// The key.
        key: &'a Key,
        /// The record that left.
        record: &'a Arc<Record>,
    },
    /// A record was read from the data store into memory.
    Load {
        /// The key.
        key: &'a Key,
        /// The record.
        record: &'a Arc<Record>,
    },
    /// A replication changed a key, or removed its value.
    ReplicationPut {
        /// The key.
        key: &'a Key,
        /// The merged record; a tombstone where the merge left no value.
        record: &'a Arc<Record>,
        /// What was there.
        previous: PreviousValue<'a>,
    },
    /// Every record was removed, from memory and the data store.
    Clear {
        /// How many records were in memory.
        resident: usize,
    },
    /// Memory was emptied; the data store is as it was.
    Reset {
        /// How many records were in memory.
        resident: usize,
    },
    /// The record store is going away; the data store is as it was.
    Destroy {
        /// Whether the whole service shuts down, or this map alone goes.
        shutdown: bool,
    },
}

/// What a key held before.
#[derive(Debug, Clone, Copy)]
pub enum PreviousValue<'a> {
    /// This record, which was in memory or was read from the data store for the purpose.
    Known(&'a Arc<Record>),
    /// Nothing.
    Absent,
    /// Not known: a blind write met a key that was not in memory.
    Unknown,
}

/// Why a record was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoveReason {
    /// Somebody asked for it.
    Removed,
    /// Its time to live was over.
    Expired,
    /// It was not read for too long.
    Idle,
}

/// Whose records they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// This process's own.
    Owner,
    /// A copy of another process's.
    Backup,
}

impl<'a> Mutation<'a> {
    /// Puts a mutation together, of an owner's partition 0.
    #[must_use]
    pub fn new(map: &'a MapName, provenance: Provenance, event: MutationEvent<'a>) -> Self {
        Self {
            map,
            partition: 0,
            ownership: Ownership::Owner,
            provenance,
            event,
        }
    }

    /// Sets the partition.
    #[must_use]
    pub fn in_partition(mut self, partition: u32) -> Self {
        self.partition = partition;
        self
    }

    /// Sets whose records they are.
    #[must_use]
    pub fn owned_as(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }
}

impl<'a> MutationEvent<'a> {
    /// Returns the key, of the events that have one.
    #[must_use]
    pub fn key(&self) -> Option<&'a Key> {
        match self {
            Self::Put { key, .. }
            | Self::Update { key, .. }
            | Self::Remove { key, .. }
            | Self::Evict { key, .. }
            | Self::Load { key, .. }
            | Self::ReplicationPut { key, .. } => Some(key),
            Self::Clear { .. } | Self::Reset { .. } | Self::Destroy { .. } => None,
        }
    }

    /// Returns the version that the key has after the event: of its record or tombstone.
    ///
    /// `None` for events without a key, and for a removal from memory alone, which leaves no version.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Put { record, .. }
            | Self::Update { record, .. }
            | Self::Evict { record, .. }
            | Self::Load { record, .. }
            | Self::ReplicationPut { record, .. } => Some(record.version()),
            Self::Remove { tombstone, .. } => tombstone.map(|tombstone| tombstone.version()),
            Self::Clear { .. } | Self::Reset { .. } | Self::Destroy { .. } => None,
        }
    }

    /// Returns the name used in metrics and spans.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put",
            Self::Update { .. } => "update",
            Self::Remove { .. } => "remove",
            Self::Evict { .. } => "evict",
            Self::Load { .. } => "load",
            Self::ReplicationPut { .. } => "replication-put",
            Self::Clear { .. } => "clear",
            Self::Reset { .. } => "reset",
            Self::Destroy { .. } => "destroy",
        }
    }
}

impl Ownership {
    /// Returns the name used in metrics and spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Backup => "backup",
        }
    }
}

impl RemoveReason {
    /// Returns the name used in metrics and spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::Idle => "idle",
        }
    }
}
