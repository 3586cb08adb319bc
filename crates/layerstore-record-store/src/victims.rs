//! Which records leave memory next: several are chosen of each draw.

use std::collections::VecDeque;

use layerstore_record::{Key, Millis, Record, Version};

/// Of so many records that are drawn, one is chosen.
pub(crate) const DRAWN_A_VICTIM: usize = 8;

/// Records that were chosen and have not left yet, and the numbers that records are drawn by.
pub(crate) struct Victims {
    next: VecDeque<Victim>,
    rng: fastrand::Rng,
}

/// A record as it was when it was chosen. Does not hold it, so that it gives its memory back wherever it ends.
pub(crate) struct Victim {
    key: Key,
    version: Version,
    hits: u32,
    last_access: Millis,
}

impl Victims {
    pub(crate) fn new(rng: fastrand::Rng) -> Self {
        Self {
            next: VecDeque::new(),
            rng,
        }
    }

    /// Takes the one that leaves next.
    pub(crate) fn take(&mut self) -> Option<Victim> {
        self.next.pop_front()
    }

    /// Adds one that leaves after the others.
    pub(crate) fn add(&mut self, victim: Victim) {
        self.next.push_back(victim);
    }

    /// Returns numbers to draw by, of their own, so that nobody else waits while records are drawn.
    pub(crate) fn fork_rng(&mut self) -> fastrand::Rng {
        self.rng.fork()
    }
}

impl Victim {
    pub(crate) fn of(key: Key, record: &Record) -> Self {
        Self {
            key,
            version: record.version(),
            hits: record.access().hits(),
            last_access: record.access().last_access(),
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Tells whether a record is the one that was chosen, and was not read since.
    pub(crate) fn is(&self, record: &Record) -> bool {
        let access = record.access();
        (record.version(), access.hits(), access.last_access()) == (self.version, self.hits, self.last_access)
    }
}
