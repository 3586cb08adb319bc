use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use layerstore_record::{Cost, Key, Record};

use super::slots::{Place, SLOT_BYTES};

/// What an entry of the map takes beyond its key, and its mean share of papaya's table: 9 bytes a bucket, of
/// which two thirds are taken on average.
pub(super) const OVERHEAD_BYTES: u64 = size_of::<Resident>() as u64 + 14;

/// A record as the map holds it.
pub(super) struct Resident {
    record: Arc<Record>,
    /// Where the record stands in the slot array of its stripe. Read and written under the stripe's lock only.
    place: AtomicU32,
    /// The record's cost in bytes, kept so that replacing a record does not walk through its value again.
    /// `u32::MAX` stands for that many and more.
    cost: u32,
}

impl Resident {
    /// Holds a record of this [`full_cost`].
    pub(super) fn new(record: Arc<Record>, cost: Cost, place: Place) -> Self {
        let cost = u32::try_from(cost.0).unwrap_or(u32::MAX);
        let place = AtomicU32::new(place.0);
        Self { record, place, cost }
    }

    pub(super) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(super) fn cost(&self, key: &Key) -> Cost {
        match self.cost {
            u32::MAX => full_cost(key, &self.record),
            bytes => Cost(bytes.into()),
        }
    }

    pub(super) fn place(&self) -> Place {
        // The stripe's lock orders the accesses.
        Place(self.place.load(Ordering::Relaxed))
    }

    pub(super) fn set_place(&self, place: Place) {
        self.place.store(place.0, Ordering::Relaxed);
    }
}

/// Returns what a record takes in the engine.
pub(super) fn full_cost(key: &Key, record: &Record) -> Cost {
    record.cost(key) + Cost(OVERHEAD_BYTES + SLOT_BYTES)
}
