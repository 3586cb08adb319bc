use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::Millis;

/// How often and when a record was read. Atomics beside the record: touching never writes a record back.
///
/// Counts are kept with relaxed loads and stores, so concurrent touches may be lost; they steer eviction, nothing else.
#[derive(Debug, Default)]
pub struct AccessStats {
    last_access: AtomicU64,
    hits: AtomicU32,
    /// What the record keeps on the heap, in bytes, which has nothing to do with reads: it lies here since there is room beside the count, and
    /// nowhere else in a record.
    heap_bytes: u32,
}

impl AccessStats {
    /// Starts with a record that was last read at `now`, and never hit.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self {
            last_access: AtomicU64::new(now.0),
            hits: AtomicU32::new(0),
            heap_bytes: 0,
        }
    }

    /// Notes what the record keeps on the heap, in bytes.
    pub(crate) fn with_heap_bytes(self, bytes: usize) -> Self {
        let heap_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self { heap_bytes, ..self }
    }

    /// Returns what was noted; none where it is more than can be.
    pub(crate) fn heap_bytes(&self) -> Option<usize> {
        let bytes = usize::try_from(self.heap_bytes).ok();
        bytes.filter(|_| self.heap_bytes < u32::MAX)
    }

    /// Counts a hit at `now`.
    pub fn touch(&self, now: Millis) {
        let hits = self.hits.load(Ordering::Relaxed);
        if hits < u32::MAX {
            self.hits.store(hits + 1, Ordering::Relaxed);
        }
        // The store is skipped where it would change nothing, so that a hot record's cache line stays shared.
        if self.last_access.load(Ordering::Relaxed) < now.0 {
            self.last_access.store(now.0, Ordering::Relaxed);
        }
    }

    /// Returns how many hits were counted.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Returns when the record was last read (or made, if it never was).
    #[must_use]
    pub fn last_access(&self) -> Millis {
        Millis(self.last_access.load(Ordering::Relaxed))
    }

    /// Takes over the counts of the record that this one replaces.
    pub fn carry_over(&self, from: &Self) {
        self.carry_over_at(from, from.last_access());
    }

    /// Takes over the counts of the record that is replaced at `now`: what a reload allowed it for reads that were not persisted, and
    /// lies ahead, belongs to the period that ends.
    pub fn carry_over_at(&self, from: &Self, now: Millis) {
        self.hits.store(from.hits(), Ordering::Relaxed);
        let last = self.last_access().max(from.last_access().min(now));
        self.last_access.store(last.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_noted_where_they_fit() {
        let noted = |bytes: u32| {
            let bytes = usize::try_from(bytes).unwrap();
            AccessStats::new(Millis(1)).with_heap_bytes(bytes).heap_bytes()
        };
        assert_eq!((noted(0), noted(2)), (Some(0), Some(2)));
        assert!(noted(u32::MAX - 1).is_some());
        assert_eq!(noted(u32::MAX), None);
    }

    #[test]
    fn hits_are_counted_as_far_as_they_go() {
        let stats = AccessStats::new(Millis(1));
        stats.hits.store(u32::MAX - 1, Ordering::Relaxed);
        for _ in 0..2 {
            stats.touch(Millis(2));
            assert_eq!(stats.hits(), u32::MAX);
        }
    }
}
