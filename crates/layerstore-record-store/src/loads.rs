//! Loads under way: one a key, shared by all who wait for it, poisoned by a mutation (clause S5).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use foldhash::fast::RandomState;
use layerstore_record::{Key, Record};
use tokio::sync::{Semaphore, watch};

use crate::error::RecordStoreError;
use crate::lock::lock;

/// What a load found: a record, a tombstone included.
pub(crate) type Loaded = Result<Option<Arc<Record>>, RecordStoreError>;

/// Waits for a load; `None` until it has ended.
pub(crate) type Waiting = watch::Receiver<Option<Loaded>>;

/// The loads of one store.
pub(crate) struct Loads {
    table: Arc<Table>,
    pub(crate) permits: Arc<Semaphore>,
    cap: usize,
}

struct Table {
    flights: Mutex<HashMap<Key, Flight, RandomState>>,
    /// How many flights there are, so that a write takes no lock while nothing is being loaded.
    len: AtomicUsize,
    /// How many loads have not ended yet, those included that nobody may join any more.
    under_way: AtomicUsize,
    next: AtomicU64,
}

struct Flight {
    id: u64,
    poisoned: Arc<AtomicBool>,
    waiting: Waiting,
}

/// The duty to load a key and to tell all who wait.
pub(crate) struct Ticket {
    pub(crate) key: Key,
    id: u64,
    poisoned: Arc<AtomicBool>,
    table: Arc<Table>,
    result: watch::Sender<Option<Loaded>>,
    /// Whether it counts as under way.
    counts: bool,
}

/// Who asks for a key first loads it; the others wait.
pub(crate) struct Joined {
    pub(crate) waiting: Waiting,
    pub(crate) ticket: Option<Ticket>,
}

/// Too many keys are waiting to be loaded.
#[derive(Debug)]
pub(crate) struct Full;

impl Loads {
    pub(crate) fn new(concurrency: usize, cap: usize) -> Self {
        Self {
            table: Arc::new(Table {
                flights: Mutex::default(),
                len: AtomicUsize::new(0),
                under_way: AtomicUsize::new(0),
                next: AtomicU64::new(0),
            }),
            permits: Arc::new(Semaphore::new(concurrency)),
            cap,
        }
    }

    /// Joins the load of a key, or begins it.
    pub(crate) fn join(&self, key: &Key) -> Result<Joined, Full> {
        let mut flights = lock(&self.table.flights);
        if let Some(flight) = flights.get(key) {
            let waiting = flight.waiting.clone();
            return Ok(Joined {
                waiting,
                ticket: None,
            });
        }
        // Raised under the lock alone, so that it never passes the cap.
        if self.table.under_way.load(Ordering::Acquire) >= self.cap {
            return Err(Full);
        }
        self.table.under_way.fetch_add(1, Ordering::AcqRel);
        let (result, waiting) = watch::channel(None);
        let id = self.table.next.fetch_add(1, Ordering::Relaxed);
        let poisoned = Arc::new(AtomicBool::new(false));
        let flight = Flight {
            id,
            poisoned: Arc::clone(&poisoned),
            waiting: waiting.clone(),
        };
        flights.insert(key.clone(), flight);
        self.table.len.store(flights.len(), Ordering::SeqCst);
        let ticket = Ticket {
            key: key.clone(),
            id,
            poisoned,
            table: Arc::clone(&self.table),
            result,
            counts: true,
        };
        Ok(Joined {
            waiting,
            ticket: Some(ticket),
        })
    }

    /// Poisons the load of a key: who waits for it may still have what it finds, who comes later may not.
    ///
    /// Called under the gate once the data store has answered: a load that begins after this sees the write.
    pub(crate) fn poison(&self, key: &Key) {
        if self.table.len.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut flights = lock(&self.table.flights);
        if let Some(flight) = flights.remove(key) {
            flight.poisoned.store(true, Ordering::Release);
        }
        self.table.len.store(flights.len(), Ordering::SeqCst);
    }

    /// Poisons all loads.
    pub(crate) fn poison_all(&self) {
        let mut flights = lock(&self.table.flights);
        for (_, flight) in flights.drain() {
            flight.poisoned.store(true, Ordering::Release);
        }
        self.table.len.store(0, Ordering::SeqCst);
    }
}

impl Ticket {
    /// Tells whether a mutation came between. The answer holds while the caller holds the key's gate.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Ends the load: who comes from now on does not join it.
    pub(crate) fn land(&self) {
        let mut flights = lock(&self.table.flights);
        if flights.get(&self.key).is_some_and(|flight| flight.id == self.id) {
            flights.remove(&self.key);
            self.table.len.store(flights.len(), Ordering::SeqCst);
        }
    }

    /// Lets others have its place.
    fn end(&mut self) {
        self.land();
        if std::mem::take(&mut self.counts) {
            self.table.under_way.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Tells all who wait.
    pub(crate) fn tell(mut self, loaded: Loaded) {
        // First, so that who hears of it finds its place in the queue free.
        self.end();
        self.result.send_replace(Some(loaded));
    }
}

impl Drop for Ticket {
    /// A load that ends without a result (its runtime went away) must not be waited for.
    fn drop(&mut self) {
        self.end();
    }
}
