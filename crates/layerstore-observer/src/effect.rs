use std::sync::Arc;

use layerstore_record::{Key, Record};

use crate::mutation::MutationEvent;

/// What an event leaves behind: the nine events as they concern who keeps something about the records of a partition.
///
/// ```
/// use layerstore_observer::{Effect, MutationEvent};
///
/// assert!(matches!(MutationEvent::Clear { resident: 3 }.effect(), Effect::Emptied));
/// assert!(matches!(MutationEvent::Reset { resident: 3 }.effect(), Effect::Unknown));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<'a> {
    /// The key holds this record, which is in memory now: put, update, replication put, load.
    Holds {
        /// The key.
        key: &'a Key,
        /// The record.
        record: &'a Arc<Record>,
    },
    /// The key holds nothing: remove, or a replication put that left no value.
    Gone {
        /// The key.
        key: &'a Key,
        /// The tombstone that is left, `None` when it was removed from memory only.
        tombstone: Option<&'a Arc<Record>>,
    },
    /// The key still holds this record, which has left memory: evict.
    Evicted {
        /// The key.
        key: &'a Key,
        /// The record that left.
        record: &'a Arc<Record>,
    },
    /// No key holds anything: clear.
    Emptied,
    /// Memory is empty, and what the keys hold nobody has told: writes that were told of may be lost. Reset.
    Unknown,
    /// Nothing more will be told: destroy.
    Ended,
}

impl<'a> MutationEvent<'a> {
    /// Returns what the event leaves behind.
    #[must_use]
    pub fn effect(&self) -> Effect<'a> {
        match *self {
            Self::Put { key, record }
            | Self::Update { key, record, .. }
            | Self::ReplicationPut { key, record, .. }
            | Self::Load { key, record } => {
                if record.is_tombstone() {
                    let tombstone = Some(record);
                    Effect::Gone { key, tombstone }
                } else {
                    Effect::Holds { key, record }
                }
            }
            Self::Remove { key, tombstone, .. } => Effect::Gone { key, tombstone },
            Self::Evict { key, record } => Effect::Evicted { key, record },
            Self::Clear { .. } => Effect::Emptied,
            Self::Reset { .. } => Effect::Unknown,
            Self::Destroy { .. } => Effect::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Millis, NodeId, RecordValue, Timestamp, Version};

    use super::*;
    use crate::mutation::{PreviousValue, RemoveReason};

    fn record(value: RecordValue) -> Arc<Record> {
        let version = Version::new(value.timestamp());
        Arc::new(Record::builder(value, version).build())
    }

    #[test]
    fn an_event_leaves_a_record_or_none_and_a_merged_removal_is_one() {
        let timestamp = Timestamp::new(Millis(1), 0, NodeId(7));
        let (key, held) = (&Key::new("k").unwrap(), &record(RecordValue::lww(1, timestamp)));
        let removed = &record(RecordValue::Tombstone { timestamp });
        let previous = PreviousValue::Unknown;
        let holds = Effect::Holds { key, record: held };
        let gone = Effect::Gone {
            key,
            tombstone: Some(removed),
        };
        let merged = |record| MutationEvent::ReplicationPut {
            key,
            record,
            previous,
        };
        let remove = |tombstone| MutationEvent::Remove {
            key,
            tombstone,
            previous,
            reason: RemoveReason::Removed,
        };
        for (event, effect) in [
            (MutationEvent::Put { key, record: held }, holds),
            (
                MutationEvent::Update {
                    key,
                    record: held,
                    previous,
                },
                holds,
            ),
            (MutationEvent::Load { key, record: held }, holds),
            (merged(held), holds),
            (merged(removed), gone),
            (remove(Some(removed)), gone),
            (remove(None), Effect::Gone { key, tombstone: None }),
            (
                MutationEvent::Evict { key, record: held },
                Effect::Evicted { key, record: held },
            ),
            (MutationEvent::Destroy { shutdown: true }, Effect::Ended),
        ] {
            assert_eq!(event.effect(), effect, "{event:?}");
        }
    }
}
