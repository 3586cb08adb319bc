//! Merges what a peer holds into our store.

use std::time::Duration;

use futures::StreamExt;
use layerstore_observer::LeafHash;
use layerstore_record::{Expiry, Millis, RecordValue};
use layerstore_record_store::{RecordStoreError, WriteOptions};

use crate::message::ReplicaRecord;
use crate::replica::Replica;

/// What became of records that a peer sent.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    pub(crate) merged: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// What we hold after merging, where that is not what was sent: the sender does not have it.
    pub(crate) ours: Vec<ReplicaRecord>,
}

/// What became of one of them.
enum Fate {
    /// We hold what was sent, now or already.
    Same { is_changed: bool },
    /// We hold something else, which has what was sent in it or is later.
    Other { ours: ReplicaRecord, is_changed: bool },
    /// It may have been removed here, so long ago that nobody knows.
    Refused,
    /// It has ended on its way.
    Ended,
}

impl Replica {
    /// Merges records, several at once. What fails for one is counted, and keeps no other from being merged.
    pub(crate) async fn merge_all(&self, records: Vec<ReplicaRecord>) -> Merges {
        let merging = futures::stream::iter(records)
            .map(|record| async move { self.merge_one(&record).await })
            .buffer_unordered(self.options.merges.max(1));
        merging
            .fold(Merges::default(), |mut merges, fate| async move {
                merges.count(fate);
                merges
            })
            .await
    }

    async fn merge_one(&self, sent: &ReplicaRecord) -> Result<Fate, RecordStoreError> {
        let held = self.leaf(&sent.key);
        if held == Some(LeafHash::of(&sent.key, &sent.value)) {
            return Ok(Fate::Same { is_changed: false });
        }
        // The data store may have purged a removal that the tree still covers: to it what was removed would be new.
        if let Some(ours) = self.covered_removal_over(sent) {
            return Ok(Fate::Other {
                ours,
                is_changed: false,
            });
        }
        if held.is_none() && self.may_be_removed(&sent.value) {
            let removal = self.stored_removal(&sent.key).await?;
            return Ok(removal.map_or(Fate::Refused, |ours| Fate::Other {
                ours,
                is_changed: false,
            }));
        }
        let Some(options) = options_until(sent.expiry, self.clock.now()) else {
            return Ok(Fate::Ended);
        };
        let value = sent.value.clone();
        let merged = self.store.merge(&sent.key, value, self.source, &options).await?;
        let is_changed = merged.version.is_some();
        let ours = match merged.value {
            Some(record) => Some(ReplicaRecord::of(&sent.key, &record)),
            None => self.removal(&sent.key).await?,
        };
        Ok(match ours {
            Some(ours) if ours.value != sent.value => Fate::Other { ours, is_changed },
            _ => Fate::Same { is_changed },
        })
    }

    /// Tells whether a value of which we hold nothing is from a time whose removals we may have forgotten.
    fn may_be_removed(&self, value: &RecordValue) -> bool {
        !value.is_tombstone() && value.timestamp() <= self.tree.forgotten()
    }
}

impl Merges {
    fn count(&mut self, fate: Result<Fate, RecordStoreError>) {
        match fate {
            Ok(Fate::Same { is_changed }) => self.merged += u64::from(is_changed),
            Ok(Fate::Other { ours, is_changed }) => {
                self.merged += u64::from(is_changed);
                self.ours.push(ours);
            }
            Ok(Fate::Refused) => self.refused += 1,
            Ok(Fate::Ended) => {}
            Err(error) => {
                tracing::warn!(%error, "a peer's record could not be merged");
                self.failed += 1;
            }
        }
    }
}

/// Lets a record end when it does with its sender; `None` when that is over.
fn options_until(expiry: Expiry, now: Millis) -> Option<WriteOptions> {
    let mut options = WriteOptions::unlimited();
    if let Some(deadline) = expiry.deadline {
        let left = deadline.since(now);
        if left == 0 {
            return None;
        }
        options = options.ttl(Duration::from_millis(left));
    }
    if let Some(idle) = expiry.max_idle {
        options = options.max_idle(Duration::from_millis(idle));
    }
    Some(options)
}
