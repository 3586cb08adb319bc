//! What the store, its readers and the writers of its maps have in common.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore_data_store::Floors;
use layerstore_record::{Clock, Key, Millis};

use crate::bucket::Bucket;
use crate::place::Place;

/// Where objects are, and how they are dealt with.
pub(crate) struct Shared {
    pub(crate) bucket: Bucket,
    pub(crate) clock: Arc<dyn Clock>,
    /// Requests of one step at once.
    pub(crate) concurrency: usize,
    pub(crate) group_records: usize,
    pub(crate) known_keys: usize,
    /// How long a claim goes on when others change the head of its map first.
    pub(crate) claim_contest: Duration,
    /// Held as long as anything of the store is at work.
    pub(crate) _place: Place,
}

/// What a map's writer tells its readers.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Never held across an await.
    inner: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    floors: Option<Floors>,
    unresolved: BTreeSet<Key>,
}

impl Shared {
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }
}

impl Facts {
    /// Returns the floors, if this store holds the claim of the map and so knows them.
    pub(crate) fn floors(&self) -> Option<Floors> {
        self.known().floors
    }

    pub(crate) fn set_floors(&self, floors: Option<Floors>) {
        self.known().floors = floors;
    }

    /// Tells whether one of these keys has a write of which nobody knows whether it will still arrive.
    pub(crate) fn is_unresolved(&self, keys: &[Key]) -> bool {
        let known = self.known();
        !known.unresolved.is_empty() && keys.iter().any(|key| known.unresolved.contains(key))
    }

    pub(crate) fn has_unresolved(&self) -> bool {
        !self.known().unresolved.is_empty()
    }

    pub(crate) fn set_unresolved(&self, keys: &BTreeSet<Key>) {
        let mut known = self.known();
        if known.unresolved != *keys {
            known.unresolved.clone_from(keys);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
