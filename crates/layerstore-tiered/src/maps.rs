//! What is known of the maps that this store has claimed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_data_store::{MapClaim, Write};
use layerstore_record::{Key, MapName, Version};
use tokio::sync::Mutex as Turns;

/// The maps that this store has claimed, by name.
#[derive(Default)]
pub(crate) struct Maps {
    /// Guards the table for the time of a look-up.
    maps: Mutex<BTreeMap<MapName, Arc<MapState>>>,
}

/// What is known of one map.
pub(crate) struct MapState {
    /// At or above every version that hot may hold: raised before a write is handed to hot.
    applied: Mutex<Version>,
    /// How this store stands with cold.
    cold: Mutex<ColdClaim>,
    /// Where archiving and sweeping stand. Whoever works holds it, so that calls at once do not do the same work twice; nothing
    /// depends on that but the work.
    pub(crate) turn: Turns<Turn>,
}

/// How this store stands with a map in cold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColdClaim {
    /// Not claimed yet: cold was away, or another writer came.
    Open,
    /// Claimed; tells whether the map ever had anything in cold.
    Held {
        /// Whether cold may hold anything of the map.
        was_written: bool,
    },
}

/// Where the two rounds through a map stand; both begin anew after a restart.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Hot was looked through up to this key.
    pub(crate) archived: Option<Key>,
    /// Cold was looked through up to this key.
    pub(crate) swept: Option<Key>,
    /// How many copies went from cold since its removals were dropped.
    pub(crate) removed: u64,
}

impl Maps {
    /// Takes note of a claim in hot.
    pub(crate) fn claimed(&self, map: &MapName, claim: &MapClaim) -> Arc<MapState> {
        let mut maps = locked(&self.maps);
        let state = maps
            .entry(map.clone())
            .or_insert_with(|| Arc::new(MapState::new()));
        state.raise(claim.high_water);
        Arc::clone(state)
    }

    /// Returns a map that was claimed.
    pub(crate) fn get(&self, map: &MapName) -> Option<Arc<MapState>> {
        locked(&self.maps).get(map).cloned()
    }

    /// Returns the names of all that were claimed, in order.
    pub(crate) fn names(&self) -> Vec<MapName> {
        locked(&self.maps).keys().cloned().collect()
    }

    /// Takes note of writes that are about to be handed to hot.
    pub(crate) fn note(&self, writes: &[Write]) {
        let maps = locked(&self.maps);
        for write in writes {
            if let Some(state) = maps.get(&write.map) {
                state.raise(write.version());
            }
        }
    }
}

impl MapState {
    fn new() -> Self {
        Self {
            applied: Mutex::default(),
            cold: Mutex::new(ColdClaim::Open),
            turn: Turns::default(),
        }
    }

    fn raise(&self, version: Version) {
        let mut applied = locked(&self.applied);
        *applied = (*applied).max(version);
    }

    /// Returns the version that nothing in hot is above.
    pub(crate) fn applied(&self) -> Version {
        *locked(&self.applied)
    }

    pub(crate) fn cold(&self) -> ColdClaim {
        *locked(&self.cold)
    }

    pub(crate) fn set_cold(&self, claim: ColdClaim) {
        *locked(&self.cold) = claim;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
