use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use layerstore_record::Key;
use tokio::sync::OwnedMutexGuard;

/// How many keys may stand in the table before those that nobody works on any more are taken out: small, and rare to reach.
const SWEEP_AT: usize = 1_024;

/// Lets one caller at a time make the value of a key.
#[derive(Default)]
pub(crate) struct SingleFlight {
    /// The keys that somebody works on. Held only to look one up.
    turns: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
}

impl SingleFlight {
    /// Waits for the turn to make the value of `key`; the turn ends when the guard is dropped.
    pub(crate) async fn turn(&self, key: &Key) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    fn of(&self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= SWEEP_AT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}
