use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use layerstore_engine::{Previous, Slot};
use layerstore_record::{Cost, Key, Record};

/// What the `BTreeEngine` holds under its lock.
#[derive(Debug)]
pub(super) struct State {
    records: BTreeMap<Key, Stored>,
    /// The keys of the resident records, for sampling.
    resident: Vec<Key>,
    cost: Cost,
    limit: usize,
    /// Where among the resident ones the next to become cold stands.
    hand: usize,
}

/// A record, in memory or cold.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: Arc<Record>,
    /// Where its key stands among the resident ones; `None` for a cold record.
    place: Option<usize>,
}

impl Stored {
    pub(super) fn is_cold(&self) -> bool {
        self.place.is_none()
    }

    pub(super) fn slot(&self) -> Slot {
        if self.is_cold() {
            Slot::Cold
        } else {
            Slot::Resident(self.record.clone())
        }
    }

    fn previous(self) -> Previous {
        if self.is_cold() {
            Previous::Cold
        } else {
            Previous::Present(self.record)
        }
    }
}

impl State {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            records: BTreeMap::new(),
            resident: Vec::new(),
            cost: Cost::ZERO,
            limit,
            hand: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Stored> {
        self.records.get(key)
    }

    pub(super) fn range(&self, from: Bound<Key>) -> impl Iterator<Item = (&Key, &Stored)> {
        self.records.range((from, Bound::Unbounded))
    }

    pub(super) fn sample(&self, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
        if self.resident.is_empty() {
            return Vec::new();
        }
        let drawn = (0..n).map(|_| &self.resident[rng.usize(..self.resident.len())]);
        drawn
            .map(|key| (key.clone(), self.records[key].record.clone()))
            .collect()
    }

    pub(super) fn put(&mut self, key: Key, record: Arc<Record>) -> Previous {
        let previous = self.remove(&key);
        self.records.insert(key.clone(), Stored { record, place: None });
        self.warm(&key);
        previous
    }

    pub(super) fn remove(&mut self, key: &Key) -> Previous {
        let was_resident = self.chill(key);
        let Some(mut stored) = self.records.remove(key) else {
            return Previous::Absent;
        };
        stored.place = was_resident.then_some(0);
        stored.previous()
    }

    pub(super) fn clear(&mut self) -> usize {
        let removed = self.len();
        *self = Self::new(self.limit);
        removed
    }

    /// Makes a record resident, and others cold where it is one too many; returns it.
    pub(super) fn warm(&mut self, key: &Key) -> Option<Arc<Record>> {
        let stored = self.records.get_mut(key)?;
        let record = stored.record.clone();
        if stored.place.is_none() {
            stored.place = Some(self.resident.len());
            self.cost += cost(key, &record);
            self.resident.push(key.clone());
        }
        while self.resident.len() > self.limit {
            self.hand = (self.hand + 1) % self.resident.len();
            let victim = self.resident[self.hand].clone();
            self.chill(&victim);
        }
        Some(record)
    }

    /// Makes a record cold; tells whether it was resident.
    pub(super) fn chill(&mut self, key: &Key) -> bool {
        let Some(stored) = self.records.get_mut(key) else {
            return false;
        };
        let Some(place) = stored.place.take() else {
            return false;
        };
        self.cost = self.cost.minus(cost(key, &stored.record));
        self.resident.swap_remove(place);
        if let Some(moved) = self.resident.get(place).and_then(|key| self.records.get_mut(key)) {
            moved.place = Some(place);
        }
        true
    }
}

fn cost(key: &Key, record: &Record) -> Cost {
    record.cost(key) + Cost::from_bytes(size_of::<Stored>() + size_of::<Key>())
}
