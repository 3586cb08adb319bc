use std::sync::Arc;

use layerstore_record::{Key, NodeId, Record, RecordValue, Timestamp, Value, Version};

/// What is measured: a map or a cache of records by key. Called by several threads at once.
pub trait Subject: Sync {
    /// Reads a record as a caller keeps it: its count of owners goes up and down. Tells whether it was there.
    fn get(&self, key: &Key) -> bool;

    /// Reads a record in place, where that can be done. Tells whether it was there.
    fn read(&self, key: &Key) -> bool;

    /// Writes a record, whether there is one or not.
    fn put(&self, key: &Key, fresh: &Fresh);

    /// Removes a record.
    fn remove(&self, key: &Key);

    /// Does what is left to be done, where writes leave something to be done later.
    fn settle(&self) {}
}

/// What a write brings. Layers below a record store are given the record; who stands beside a record store makes one of the value while
/// measured, as the store does.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// The record as it is.
    pub record: Arc<Record>,
    /// Its value.
    pub value: Arc<Value>,
    /// When it was written.
    pub written: Timestamp,
}

impl Fresh {
    /// Makes a record of the value.
    #[must_use]
    pub fn make(&self) -> Arc<Record> {
        let timestamp = self.written;
        let value = RecordValue::Lww {
            value: Arc::clone(&self.value),
            timestamp,
        };
        Arc::new(Record::builder(value, Version::new(timestamp)).build())
    }

    /// Makes what a write brings, of a value that others may share.
    #[must_use]
    pub fn of(value: Arc<Value>, written: Timestamp) -> Self {
        let value_of_record = RecordValue::Lww {
            value: Arc::clone(&value),
            timestamp: written,
        };
        let record = Record::builder(value_of_record, Version::new(written)).build();
        Self {
            record: Arc::new(record),
            value,
            written,
        }
    }
}

/// The node of records that are made by hand.
pub(crate) const NODE: NodeId = NodeId(1);
