//! An engine whose disk tier takes as long as the test wants, and may lose what it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use layerstore_engine::{
    ColdFuture, ColdRecord, Computed, Cursor, Decision, Lookup, Page, Previous, StorageEngine,
};
use layerstore_record::{Cost, Key, Record};
use layerstore_testkit::engine::BTreeEngine;
use tokio::sync::Semaphore;

/// Loads of cold records wait until the test lets them through.
pub(crate) struct SlowTier {
    pub(crate) inner: BTreeEngine,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    passes: Semaphore,
    loses: AtomicBool,
    fetched: AtomicUsize,
}

#[derive(Debug)]
struct SlowCold {
    inner: Box<dyn ColdRecord>,
    shared: Arc<Shared>,
}

impl SlowTier {
    pub(crate) fn new() -> Self {
        let shared = Shared {
            passes: Semaphore::new(0),
            loses: AtomicBool::new(false),
            fetched: AtomicUsize::new(0),
        };
        Self {
            inner: BTreeEngine::new(),
            shared: Arc::new(shared),
        }
    }

    /// Lets this many loads through.
    pub(crate) fn let_pass(&self, loads: usize) {
        self.shared.passes.add_permits(loads);
    }

    /// Returns how many slots scans have been given.
    pub(crate) fn fetched(&self) -> usize {
        self.shared.fetched.load(Ordering::SeqCst)
    }

    /// Answers from now on as though a cold record had been removed between the lookup and its load.
    pub(crate) fn lose(&self) {
        self.shared.loses.store(true, Ordering::SeqCst);
    }
}

impl ColdRecord for SlowCold {
    fn load(self: Box<Self>) -> ColdFuture {
        Box::pin(async move {
            if let Ok(pass) = self.shared.passes.acquire().await {
                pass.forget();
            }
            if self.shared.loses.load(Ordering::SeqCst) {
                return Ok(None);
            }
            self.inner.load().await
        })
    }
}

impl StorageEngine for SlowTier {
    fn lookup(&self, key: &Key) -> Lookup {
        match self.inner.lookup(key) {
            Lookup::Cold(inner) => Lookup::Cold(Box::new(SlowCold {
                inner,
                shared: Arc::clone(&self.shared),
            })),
            other => other,
        }
    }

    fn read(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> bool {
        self.inner.read(key, reader)
    }

    fn put(&self, key: Key, record: Arc<Record>) -> Previous {
        self.inner.put(key, record)
    }

    fn remove(&self, key: &Key) -> Previous {
        self.inner.remove(key)
    }

    fn compute(&self, key: &Key, decide: &mut dyn FnMut(Lookup) -> Decision) -> Computed {
        self.inner.compute(key, decide)
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn cost(&self) -> Cost {
        self.inner.cost()
    }

    fn clear(&self) -> usize {
        self.inner.clear()
    }

    fn fetch(&self, cursor: &Cursor, n: usize) -> Page {
        let page = self.inner.fetch(cursor, n);
        self.shared.fetched.fetch_add(page.slots.len(), Ordering::SeqCst);
        page
    }

    fn sample(&self, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
        self.inner.sample(rng, n)
    }
}
