//! Counts what a store does, without making readers share a cache line.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads count side by side.
const STRIPES: usize = 16;

/// A counter of one cause, written rarely.
pub(crate) type Counter = AtomicU64;

#[derive(Default)]
pub(crate) struct Counters {
    hits: [Stripe; STRIPES],
    writes: [Stripe; STRIPES],
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

/// A counter on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Stripe(AtomicU64);

thread_local! {
    static STRIPE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES
    };
}

impl Counters {
    /// Counts a hit, on this thread's stripe.
    pub(crate) fn hit(&self) {
        count_beside(&self.hits);
    }

    pub(crate) fn hits(&self) -> u64 {
        sum(&self.hits)
    }

    /// Counts a write, on this thread's stripe.
    pub(crate) fn write(&self) {
        count_beside(&self.writes);
    }

    pub(crate) fn writes(&self) -> u64 {
        sum(&self.writes)
    }
}

fn count_beside(stripes: &[Stripe; STRIPES]) {
    STRIPE.with(|stripe| stripes[*stripe].0.fetch_add(1, Ordering::Relaxed));
}

fn sum(stripes: &[Stripe; STRIPES]) -> u64 {
    stripes
        .iter()
        .map(|stripe| stripe.0.load(Ordering::Relaxed))
        .sum()
}

/// Adds one.
pub(crate) fn count(counter: &Counter) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn read(counter: &Counter) -> u64 {
    counter.load(Ordering::Relaxed)
}
