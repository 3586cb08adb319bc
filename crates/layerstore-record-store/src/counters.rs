//! Counts what a store does, without making readers share a cache line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::lock::lock;

/// How many threads count side by side, each on a stripe of its own; the others share the last one.
const STRIPES: usize = 32;

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

/// The stripe of a thread, as long as it lives: nobody else writes there meanwhile.
struct Lease(Option<usize>);

/// Stripes that no thread has.
struct Free {
    returned: Vec<usize>,
    /// This one and those after it were never taken.
    fresh: usize,
}

static FREE: Mutex<Free> = Mutex::new(Free {
    returned: Vec::new(),
    fresh: 0,
});

thread_local! {
    static LEASE: Lease = Lease::take();
}

impl Lease {
    fn take() -> Self {
        let mut free = lock(&FREE);
        if let Some(returned) = free.returned.pop() {
            return Self(Some(returned));
        }
        let fresh = free.fresh;
        if fresh == STRIPES - 1 {
            return Self(None);
        }
        free.fresh += 1;
        Self(Some(fresh))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&FREE).returned.extend(self.0);
    }
}

impl Counters {
    /// Counts a hit, on this thread's stripe.
    pub(crate) fn hit(&self) {
        self.count_here(|stripe| &stripe.hits);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.sum(|stripe| &stripe.hits)
    }

    /// Counts a write, on this thread's stripe.
    pub(crate) fn write(&self) {
        self.count_here(|stripe| &stripe.writes);
    }

    pub(crate) fn writes(&self) -> u64 {
        self.sum(|stripe| &stripe.writes)
    }

    fn count_here(&self, counter: impl Fn(&Stripe) -> &Counter) {
        let stripes = self.stripes.get_or_init(Box::default);
        // None as well in a thread that is ending, and has given its lease back.
        match LEASE.try_with(|lease| lease.0).ok().flatten() {
            Some(own) => {
                // Written by this thread alone: no locked instruction, which would take longer than all else here.
                let counter = counter(&stripes[own]);
                counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            None => count(counter(&stripes[STRIPES - 1])),
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_lost_whether_a_thread_has_a_stripe_of_its_own_or_shares_one() {
        const THREADS: usize = 3 * STRIPES;
        const EACH: usize = 10_000;
        let (counters, all) = (Counters::default(), Barrier::new(THREADS));
        // A second round takes over what the threads of the first have given back.
        for round in 1..=2 {
            let own = thread::scope(|scope| {
                let work = || {
                    let lease = LEASE.with(|lease| lease.0);
                    all.wait();
                    (0..EACH).for_each(|_| counters.hit());
                    counters.write();
                    lease
                };
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
                let leases = threads.into_iter().filter_map(|thread| thread.join().unwrap());
                let mut leases: Vec<_> = leases.collect();
                leases.sort_unstable();
                leases
            });
            assert!(
                own.is_sorted_by(|one, next| one < next),
                "no two at a time: {own:?}"
            );
            assert!(!own.is_empty() && own.len() < STRIPES, "{own:?}");
            assert_eq!(counters.hits(), (round * THREADS * EACH) as u64);
            assert_eq!(counters.writes(), (round * THREADS) as u64);
        }
    }
}
