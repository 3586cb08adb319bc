//! The maps that this store writes, each in a database of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_data_store::{ErrorKind, MapDataStore, StoreError};
use layerstore_embedded::KvDataStore;
use layerstore_record::MapName;

use crate::errors::{fenced, not_claimed};
use crate::watch::Watch;

/// One place for each map that was ever claimed here.
#[derive(Default)]
pub(crate) struct Maps {
    slots: HashMap<MapName, Arc<Slot>>,
}

/// Where one map stands.
#[derive(Default)]
pub(crate) struct Slot {
    /// Held across a claim, so that claims of a map happen one after another.
    pub(crate) claiming: tokio::sync::Mutex<()>,
    /// Locked for a look or a change only.
    state: Mutex<State>,
}

/// The database of a map that is claimed here.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) store: Arc<KvDataStore>,
    pub(crate) watch: Watch,
    /// That of its last claim here.
    pub(crate) epoch: u64,
}

/// What this store knows of its claim.
#[derive(Default, Clone)]
enum State {
    #[default]
    Unclaimed,
    Held(Held),
    Fenced,
}

impl Maps {
    pub(crate) fn slot(&mut self, map: &MapName) -> Arc<Slot> {
        Arc::clone(self.slots.entry(map.clone()).or_default())
    }

    pub(crate) fn known(&self, map: &MapName) -> Option<Arc<Slot>> {
        self.slots.get(map).cloned()
    }

    /// Takes all that is open.
    pub(crate) fn take(&mut self) -> Vec<Arc<KvDataStore>> {
        self.slots
            .drain()
            .filter_map(|(_, slot)| slot.held())
            .map(|held| held.store)
            .collect()
    }
}

impl Slot {
    /// Returns the database of the map, if it is claimed here and, as far as is known, nowhere else.
    pub(crate) fn held(&self) -> Option<Held> {
        match &*self.state() {
            State::Held(held) => Some(held.clone()),
            _ => None,
        }
    }

    /// Returns the database for a write.
    pub(crate) fn writable(&self, operation: &'static str, map: &MapName) -> Result<Held, StoreError> {
        match &*self.state() {
            State::Held(held) => Ok(held.clone()),
            State::Fenced => Err(fenced(operation, map)),
            State::Unclaimed => Err(not_claimed(operation, map)),
        }
    }

    /// Tells whether a database is still the one of the map, as far as is known.
    pub(crate) fn holds(&self, store: &Arc<KvDataStore>) -> bool {
        matches!(&*self.state(), State::Held(held) if Arc::ptr_eq(&held.store, store))
    }

    pub(crate) fn hold(&self, held: Held) {
        *self.state() = State::Held(held);
    }

    /// Takes note of another claim through a database, if it is still the one of the map.
    pub(crate) fn claimed_again(&self, store: &Arc<KvDataStore>, epoch: u64) {
        if let State::Held(held) = &mut *self.state()
            && Arc::ptr_eq(&held.store, store)
        {
            held.epoch = epoch;
        }
    }

    /// Remembers that a database was lost to a later opener, unless the map was claimed again meanwhile. Ends it: whatever is to be
    /// read is read as others left it.
    pub(crate) async fn fence(&self, lost: &Arc<KvDataStore>) {
        let was_held = {
            let mut state = self.state();
            let is_lost = matches!(&*state, State::Held(held) if Arc::ptr_eq(&held.store, lost));
            if is_lost {
                *state = State::Fenced;
            }
            is_lost
        };
        if was_held {
            end(Arc::clone(lost)).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a database that is of no more use. What is under way there is answered first.
pub(crate) async fn end(store: Arc<KvDataStore>) {
    let report = store.close(crate::DEFAULT_CLOSE_DEADLINE).await;
    if let Some(error) = report.error {
        tracing::warn!(%error, "a database that is of no more use did not close in time");
    }
}

/// Tells whether an error says that the database is of no more use to this store.
pub(crate) fn is_lost(error: &StoreError) -> bool {
    matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Closed)
}
