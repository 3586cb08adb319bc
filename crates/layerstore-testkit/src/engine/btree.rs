use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_engine::{
    ColdError, ColdFuture, ColdRecord, Computed, Cursor, Decision, Lookup, Page, Previous,
};
use layerstore_engine::{Slot, StorageEngine};
use layerstore_record::{Cost, Key, Record};

use super::state::State;

/// An engine on an ordered map behind one lock, which keeps no more records resident than it was told to: the
/// others are cold, and become resident when they are loaded.
///
/// For tests: cold records are in memory too, they are only not handed out.
///
/// ```
/// use layerstore_engine::{Lookup, StorageEngine};
/// use layerstore_testkit::engine::BTreeEngine;
/// use layerstore_testkit::records::{key, record};
///
/// let engine = BTreeEngine::new();
/// engine.put(key(1), record(1));
/// engine.chill(&key(1));
/// assert!(matches!(engine.lookup(&key(1)), Lookup::Cold(_)));
/// ```
#[derive(Debug)]
pub struct BTreeEngine {
    shared: Arc<Shared>,
    /// Begins every cursor.
    number: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    failing: AtomicBool,
}

/// A record that has to be loaded.
#[derive(Debug)]
struct ColdHandle {
    shared: Arc<Shared>,
    key: Key,
}

impl BTreeEngine {
    /// Makes an empty engine that keeps every record resident until it is [chilled](Self::chill).
    #[must_use]
    pub fn new() -> Self {
        Self::with_resident_limit(usize::MAX)
    }

    /// Makes an empty engine that keeps at most `limit` records resident.
    #[must_use]
    pub fn with_resident_limit(limit: usize) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let shared = Shared {
            state: Mutex::new(State::new(limit)),
            failing: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            number: MADE.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Makes the record of `key` cold; tells whether it was resident.
    pub fn chill(&self, key: &Key) -> bool {
        self.shared.lock().chill(key)
    }

    /// Makes every load of a cold record fail, or succeed again.
    pub fn fail_loads(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::SeqCst);
    }

    fn look(&self, state: &State, key: &Key) -> Lookup {
        match state.get(key) {
            None => Lookup::Miss,
            Some(stored) if stored.is_cold() => Lookup::Cold(Box::new(ColdHandle {
                shared: self.shared.clone(),
                key: key.clone(),
            })),
            Some(stored) => Lookup::Hit(stored.record.clone()),
        }
    }

    fn cursor_after(&self, key: &Key) -> Cursor {
        Cursor::from_bytes([&self.number.to_le_bytes(), key.as_bytes()].concat())
    }

    /// Reads a cursor of this engine.
    fn key_before(&self, cursor: &Cursor) -> Option<Key> {
        let key = cursor.as_bytes().strip_prefix(&self.number.to_le_bytes())?;
        Key::new(std::str::from_utf8(key).ok()?).ok()
    }
}

impl Default for BTreeEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A decision that panics does so before anything has changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, key: &Key) -> Result<Option<Arc<Record>>, ColdError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(ColdError("loads were told to fail".into()));
        }
        Ok(self.lock().warm(key))
    }
}

impl ColdRecord for ColdHandle {
    fn load(self: Box<Self>) -> ColdFuture {
        Box::pin(async move { self.shared.load(&self.key) })
    }
}

impl StorageEngine for BTreeEngine {
    fn lookup(&self, key: &Key) -> Lookup {
        self.look(&self.shared.lock(), key)
    }

    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> bool {
        // The lock is not held while the reader runs: others may write meanwhile.
        match self.lookup(key) {
            Lookup::Hit(record) => {
                reader(&record);
                true
            }
            Lookup::Miss | Lookup::Cold(_) => false,
        }
    }

    fn put(&self, key: Key, record: Arc<Record>) -> Previous {
        self.shared.lock().put(key, record)
    }

    fn remove(&self, key: &Key) -> Previous {
        self.shared.lock().remove(key)
    }

    fn compute(&self, key: &Key, decide: &mut dyn FnMut(Lookup) -> Decision) -> Computed {
        let mut state = self.shared.lock();
        match decide(self.look(&state, key)) {
            Decision::Keep => Computed::Kept,
            Decision::NeedsLoad => Computed::NeedsLoad,
            Decision::Remove => Computed::Removed(state.remove(key)),
            Decision::Put(record) => Computed::Put(state.put(key.clone(), record)),
        }
    }

    fn len(&self) -> usize {
        self.shared.lock().len()
    }

    fn cost(&self) -> Cost {
        self.shared.lock().cost()
    }

    fn clear(&self) -> usize {
        self.shared.lock().clear()
    }

    fn fetch(&self, cursor: &Cursor, n: usize) -> Page {
        let from = self.key_before(cursor).map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.shared.lock();
        let mut rest = state.range(from);
        let page = rest.by_ref().take(n.max(1));
        let slots: Vec<_> = page.map(|(key, stored)| (key.clone(), stored.slot())).collect();
        let last = slots.last().filter(|_| rest.next().is_some());
        let next = last.map(|(key, _): &(Key, Slot)| self.cursor_after(key));
        Page { slots, next }
    }

    fn sample(&self, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
        self.shared.lock().sample(rng, n)
    }
}
