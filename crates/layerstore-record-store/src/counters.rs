//! Counts what a store does, without making readers share a cache line.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads count side by side.
const STRIPES: usize = 16;

/// A counter of one cause, written rarely.
pub(crate) type Counter = AtomicU64;

#[derive(Default)]
pub(crate) struct Counters {
    /// Made when something is counted first: a map that nobody uses takes no room for it.
    stripes: OnceLock<Box<[Stripe; STRIPES]>>,
    pub(crate) misses: Counter,
    pub(crate) loads: Counter,
    pub(crate) load_failures: Counter,
    pub(crate) loads_poisoned: Counter,
    pub(crate) rejected: Counter,
    pub(crate) unknown: Counter,
    pub(crate) stale_retries: Counter,
    pub(crate) evictions: Counter,
    pub(crate) expirations: Counter,
    pub(crate) over_budget: Counter,
    pub(crate) observer_errors: Counter,
}

/// What a thread counts often, on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Stripe {
    hits: AtomicU64,
    writes: AtomicU64,
}

thread_local! {
    static STRIPE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES
    };
}

impl Counters {
    /// Counts a hit, on this thread's stripe.
    pub(crate) fn hit(&self) {
        count(&self.stripe().hits);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.sum(|stripe| &stripe.hits)
    }

    /// Counts a write, on this thread's stripe.
    pub(crate) fn write(&self) {
        count(&self.stripe().writes);
    }

    pub(crate) fn writes(&self) -> u64 {
        self.sum(|stripe| &stripe.writes)
    }

    fn stripe(&self) -> &Stripe {
        let stripes = self.stripes.get_or_init(Box::default);
        &stripes[STRIPE.with(|stripe| *stripe)]
    }

    fn sum(&self, counter: impl Fn(&Stripe) -> &Counter) -> u64 {
        let stripes = self.stripes.get().into_iter().flat_map(|stripes| stripes.iter());
        stripes.map(|stripe| read(counter(stripe))).sum()
    }
}

/// Adds one.
pub(crate) fn count(counter: &Counter) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn read(counter: &Counter) -> u64 {
    counter.load(Ordering::Relaxed)
}
