//! What a replica holds of keys, removals included.

use std::ops::Bound;

use layerstore_data_store::ScanRequest;
use layerstore_observer::{LeafHash, MerkleTree};
use layerstore_record::{Expiry, Key, Record, RecordKind, RecordValue};
use layerstore_record_store::RecordStoreError;

use crate::error::{SyncError, SyncErrorKind};
use crate::message::ReplicaRecord;
use crate::replica::Replica;

impl Replica {
    /// Reads what we hold of these keys, in their order; leaves out those of which we hold nothing, or what has ended. The tree
    /// covers none of these any more: no sweep may ever come to them.
    pub(crate) async fn states(&self, keys: &[Key]) -> Result<Vec<ReplicaRecord>, SyncError> {
        let leaves: Vec<_> = keys.iter().map(|key| self.leaf(key)).collect();
        let unread = |error| self.store_failed("records could not be read", error);
        let found = self.store.get_all(keys).await.map_err(unread)?;
        let mut states = Vec::with_capacity(keys.len());
        for ((key, leaf), record) in keys.iter().zip(leaves).zip(found) {
            let held = match record {
                Some(record) => Some(ReplicaRecord::of(key, &record)),
                None => self.covered_removal(key).await.map_err(unread)?,
            };
            if let (None, Some(leaf)) = (&held, leaf) {
                self.tree.uncover(key, leaf);
            }
            states.extend(held);
        }
        Ok(states)
    }

    pub(crate) fn leaf(&self, key: &Key) -> Option<LeafHash> {
        self.tree.read(|tree: &MerkleTree| tree.leaf(key)).flatten()
    }

    /// Returns the removal of a key, whether it counts or not.
    pub(crate) async fn removal(&self, key: &Key) -> Result<Option<ReplicaRecord>, RecordStoreError> {
        match self.covered_removal(key).await? {
            Some(removal) => Ok(Some(removal)),
            None => self.stored_removal(key).await,
        }
    }

    /// Returns the removal of a key that the tree covers.
    async fn covered_removal(&self, key: &Key) -> Result<Option<ReplicaRecord>, RecordStoreError> {
        match self.tree.removal(key) {
            None => Ok(None),
            // All that it says is when: nobody has to be asked, which without a data store would mean to look through all of memory.
            Some(removal) if removal.kind == RecordKind::Lww => {
                let timestamp = removal.at;
                let value = RecordValue::Tombstone { timestamp };
                Ok(Some(ReplicaRecord::removal(key, value)))
            }
            Some(_) => self.stored_removal(key).await,
        }
    }

    /// Returns the removal that the tree covers, where that is all that it takes to know that it wins over what was sent.
    pub(crate) fn covered_removal_over(&self, sent: &ReplicaRecord) -> Option<ReplicaRecord> {
        let removal = self.tree.removal(&sent.key)?;
        let is_lww = removal.kind == RecordKind::Lww && sent.value.kind() == RecordKind::Lww;
        let timestamp = removal.at;
        (is_lww && sent.value.timestamp() <= timestamp)
            .then(|| ReplicaRecord::removal(&sent.key, RecordValue::Tombstone { timestamp }))
    }

    /// Reads the removal of a key that the store still knows, whether it counts or not.
    pub(crate) async fn stored_removal(&self, key: &Key) -> Result<Option<ReplicaRecord>, RecordStoreError> {
        let mut start = Bound::Included(key.clone());
        loop {
            let request = ScanRequest::first(1)
                .from(start)
                .until(Bound::Included(key.clone()));
            let page = self.store.scan_page(request.with_tombstones()).await?;
            let removed = page
                .records
                .into_iter()
                .find(|(found, record)| found == key && record.is_tombstone());
            match (removed, page.next) {
                (Some((key, record)), _) => return Ok(Some(ReplicaRecord::of(&key, &record))),
                (None, Some(next)) if next < *key => start = Bound::Excluded(next),
                (None, _) => return Ok(None),
            }
        }
    }

    pub(crate) fn store_failed(&self, what: &str, error: RecordStoreError) -> SyncError {
        self.error(SyncErrorKind::Store, what).because(error)
    }
}

impl ReplicaRecord {
    /// Takes what is the same on every replica of a record.
    #[must_use]
    pub fn of(key: &Key, record: &Record) -> Self {
        Self {
            key: key.clone(),
            value: record.value().clone(),
            expiry: record.expiry(),
        }
    }

    fn removal(key: &Key, value: RecordValue) -> Self {
        Self {
            key: key.clone(),
            value,
            expiry: Expiry::NEVER,
        }
    }

    /// About how many bytes it takes in a message: what it takes in memory, which is more.
    pub(crate) fn bytes(&self) -> usize {
        self.key.as_bytes().len() + size_of::<Self>() + self.value.heap_bytes()
    }
}
