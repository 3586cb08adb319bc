use std::sync::atomic::Ordering;

use layerstore_data_store::WriteOp;
use layerstore_record::{Key, MapName, Version};

use crate::store::WriteBehindDataStore;

/// A write that the store behind refused for good. It is read as if it were stored, until it is retried, discarded or superseded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The map.
    pub map: MapName,
    /// The key.
    pub key: Key,
    /// Its version.
    pub version: Version,
    /// Whether it stores or removes.
    pub op: WriteOp,
    /// Why the store refused it.
    pub reason: String,
}

impl WriteBehindDataStore {
    /// Returns the dead letters, by map and key.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let queue = self.shared.queue();
        let letters = queue.dead_letters().map(|(map, key, dead)| DeadLetter {
            map: map.clone(),
            key: key.clone(),
            version: dead.pending.version,
            op: if dead.pending.is_removal {
                WriteOp::Remove
            } else {
                WriteOp::Put
            },
            reason: dead.reason.clone(),
        });
        let mut letters: Vec<DeadLetter> = letters.collect();
        letters.sort_by(|one, other| (&one.map, &one.key).cmp(&(&other.map, &other.key)));
        letters
    }

    /// Tries a dead letter again, at once; tells whether there was one. What becomes of it is told by a flush of the key.
    #[must_use]
    pub fn retry_dead_letter(&self, map: &MapName, key: &Key) -> bool {
        let was_there = {
            let mut queue = self.shared.queue();
            let place = queue.place(map);
            queue.retry_dead(place, key)
        };
        self.shared.retried.fetch_or(was_there, Ordering::AcqRel);
        self.shared.work.notify_one();
        was_there
    }

    /// Throws a dead letter away, so that the key holds again what the store behind has; tells whether there was one. With a log, a
    /// crash within moments may bring it back.
    #[must_use]
    pub fn discard_dead_letter(&self, map: &MapName, key: &Key) -> bool {
        let discarded = {
            let mut queue = self.shared.queue();
            let place = queue.place(map);
            queue.discard_dead(place, key)
        };
        let was_there = discarded.is_some();
        self.shared.done(discarded.unwrap_or_default());
        if was_there {
            self.shared.forget_done_soon();
        }
        self.shared.moved.notify_waiters();
        was_there
    }
}
