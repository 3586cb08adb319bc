use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::Held;
use layerstore_record::{Key, Millis, Record, Version};

/// A write as it comes to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) version: Version,
    pub(crate) is_removal: bool,
    /// When it ends by what is persisted of it.
    pub(crate) end: Option<Millis>,
    /// None where the log alone has it.
    pub(crate) record: Option<Arc<Record>>,
    /// Its place in the log.
    pub(crate) sequence: Option<u64>,
    /// What the record takes in memory, in bytes.
    pub(crate) cost: u64,
}

/// A write that was acknowledged and is not in the final store yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// Its place in the order of acceptance; a write that replaces one that waits takes its place.
    pub(crate) order: u64,
    pub(crate) version: Version,
    pub(crate) is_removal: bool,
    pub(crate) end: Option<Millis>,
    /// None where it was spilled: the log has it.
    pub(crate) record: Option<Arc<Record>>,
    pub(crate) sequence: Option<u64>,
    pub(crate) cost: u64,
    pub(crate) accepted: Duration,
    pub(crate) due: Duration,
    /// The final store may hold something newer: it was pending when the map was claimed, and the claim does not rule that out.
    pub(crate) is_unsure: bool,
    /// It was cleared, forgotten or overtaken while it was on its way: nobody reads it, and it is not tried again.
    pub(crate) is_void: bool,
}

impl Arrival {
    /// Describes a record.
    pub(crate) fn of(key: &Key, record: Arc<Record>, sequence: Option<u64>) -> Self {
        Self {
            version: record.version(),
            is_removal: record.is_tombstone(),
            end: record.expiry().persisted_end(),
            cost: record.cost(key).0,
            record: Some(record),
            sequence,
        }
    }
}

impl Pending {
    pub(super) fn new(arrival: Arrival, order: u64, now: Duration, due: Duration) -> Self {
        let Arrival {
            version,
            is_removal,
            end,
            record,
            sequence,
            cost,
        } = arrival;
        Self {
            order,
            version,
            is_removal,
            end,
            record,
            sequence,
            cost,
            accepted: now,
            due,
            is_unsure: false,
            is_void: false,
        }
    }

    /// Takes the place of an older write of the key: its order and its due time.
    pub(super) fn inherit(&mut self, older: &Self) {
        self.order = older.order;
        self.accepted = older.accepted;
        self.due = older.due;
    }

    /// Describes it for the rule book of data stores.
    pub(super) fn held(&self, now: Millis) -> Held {
        let has_ended = self.end.is_some_and(|end| end <= now);
        Held {
            version: self.version,
            is_live: !self.is_removal && !has_ended,
        }
    }
}
