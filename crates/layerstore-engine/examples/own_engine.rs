//! A storage engine of your own: records in a vector behind one lock. Run it: `cargo run --example own_engine`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_engine::{Computed, Cursor, Decision, Lookup, Page, Previous, Slot, StorageEngine};
use layerstore_record::{Cost, Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};

/// What every record costs beyond itself: its slot, and its place in the index.
const COST_A_RECORD: Cost = Cost((size_of::<(Key, Arc<Record>)>() + size_of::<(Key, usize)>()) as u64);

/// Keeps records in slots without holes, and an index of where they are.
#[derive(Debug)]
pub(crate) struct SlotEngine {
    /// Tells cursors of this engine from those of others.
    id: u64,
    /// Guards all of it: fine for one writer, slow for many.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<(Key, Arc<Record>)>,
    places: HashMap<Key, usize>,
    cost: Cost,
}

impl SlotEngine {
    /// Makes an empty engine.
    pub(crate) fn new() -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            state: Mutex::default(),
        }
    }

    fn cursor(&self, place: usize) -> Cursor {
        Cursor::from_bytes(format!("{}:{place}", self.id).into_bytes())
    }

    /// Reads a cursor of this engine's; any other starts the scan again.
    fn place(&self, cursor: &Cursor) -> Option<usize> {
        let (id, place) = std::str::from_utf8(cursor.as_bytes()).ok()?.split_once(':')?;
        (id.parse() == Ok(self.id)).then(|| place.parse().ok())?
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step below can panic half-way, so what a panicking closure leaves behind is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, key: &Key) -> Option<&Arc<Record>> {
        self.places.get(key).map(|place| &self.slots[*place].1)
    }

    fn put(&mut self, key: Key, record: Arc<Record>) -> Previous {
        self.cost += cost(&key, &record);
        let Some(place) = self.places.get(&key) else {
            self.places.insert(key.clone(), self.slots.len());
            self.slots.push((key, record));
            return Previous::Absent;
        };
        let old = std::mem::replace(&mut self.slots[*place].1, record);
        self.cost = self.cost.minus(cost(&key, &old));
        Previous::Present(old)
    }

    fn remove(&mut self, key: &Key) -> Previous {
        let Some(place) = self.places.remove(key) else {
            return Previous::Absent;
        };
        // The last record fills the hole, so that slots stay without holes.
        let (_, old) = self.slots.swap_remove(place);
        if let Some((moved, _)) = self.slots.get(place) {
            self.places.insert(moved.clone(), place);
        }
        self.cost = self.cost.minus(cost(key, &old));
        Previous::Present(old)
    }
}

impl StorageEngine for SlotEngine {
    fn lookup(&self, key: &Key) -> Lookup {
        self.lock()
            .get(key)
            .map_or(Lookup::Miss, |record| Lookup::Hit(Arc::clone(record)))
    }

    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> bool {
        // E-borrow: others may write while the reader reads, so it reads without the lock.
        let record = self.lock().get(key).cloned();
        record.inspect(reader).is_some()
    }

    fn put(&self, key: Key, record: Arc<Record>) -> Previous {
        self.lock().put(key, record)
    }

    fn remove(&self, key: &Key) -> Previous {
        self.lock().remove(key)
    }

    fn compute(&self, key: &Key, decide: &mut dyn FnMut(Lookup) -> Decision) -> Computed {
        // E-compute: deciding and doing are one step, under one lock.
        let mut state = self.lock();
        let found = state
            .get(key)
            .map_or(Lookup::Miss, |record| Lookup::Hit(Arc::clone(record)));
        match decide(found) {
            Decision::Keep => Computed::Kept,
            Decision::Put(record) => Computed::Put(state.put(key.clone(), record)),
            Decision::Remove => Computed::Removed(state.remove(key)),
            Decision::NeedsLoad => Computed::NeedsLoad,
        }
    }

    fn len(&self) -> usize {
        self.lock().slots.len()
    }

    fn cost(&self) -> Cost {
        self.lock().cost
    }

    fn clear(&self) -> usize {
        // The records are dropped when the lock is not held any more.
        let taken = std::mem::take(&mut *self.lock());
        taken.slots.len()
    }

    fn fetch(&self, cursor: &Cursor, n: usize) -> Page {
        let state = self.lock();
        // E-scan: slots are read downwards. A removal moves the last record into the hole, so a record that has not been
        // read yet never moves to where the scan has been.
        let len = state.slots.len();
        let end = self.place(cursor).map_or(len, |place| place.min(len));
        let start = end.saturating_sub(n.max(1));
        let slots = state.slots[start..end].iter().rev();
        Page {
            slots: slots
                .map(|(key, record)| (key.clone(), Slot::Resident(Arc::clone(record))))
                .collect(),
            next: (start > 0).then(|| self.cursor(start)),
        }
    }

    fn sample(&self, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
        // E-sample: no holes, so any place is as good as another; a record may be drawn twice.
        let state = self.lock();
        let draws = if state.slots.is_empty() { 0 } else { n };
        (0..draws)
            .map(|_| state.slots[rng.usize(..state.slots.len())].clone())
            .collect()
    }
}

fn cost(key: &Key, record: &Record) -> Cost {
    record.cost(key) + COST_A_RECORD
}

/// Puts a record in and gets it out again.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let engine = SlotEngine::new();
    let at = Timestamp::new(Millis(1), 0, NodeId(1));
    let record = Record::builder(RecordValue::lww("Alice", at), Version::new(at)).build();
    engine.put(Key::new("alice")?, Arc::new(record));
    let found = engine.lookup(&Key::new("alice")?).hit();
    println!(
        "{} record of {}: {:?}",
        engine.len(),
        engine.cost(),
        found.map(|record| record.version())
    );
    Ok(())
}
