//! What a flush waits for, and what is dropped without one.

use std::time::Duration;

use layerstore_data_store::StoreError;
use layerstore_record::{Key, MapName, Version};

use super::{Place, Queue};

impl Queue {
    /// Makes everything due that is pending now. Returns the order that a flush has to wait for.
    pub(crate) fn hurry(&mut self) -> u64 {
        self.agenda.hurry(self.order);
        self.order
    }

    /// Lets what failed be tried again now: the store is back.
    pub(crate) fn retry_now(&mut self) {
        self.agenda.retry_now();
    }

    /// Tells whether everything accepted up to an order is in the final store, or cannot get there by waiting.
    pub(crate) fn is_past(&self, order: u64) -> bool {
        self.unsettled.first().is_none_or(|(first, _)| first > order)
    }

    /// Tells the same of one key.
    pub(crate) fn is_key_past(&self, map: &MapName, key: &Key, order: u64) -> bool {
        let slot = self
            .names
            .get(map)
            .and_then(|place| self.maps[place.0].slots.get(key));
        slot.is_none_or(|slot| {
            let waits = slot.in_flight.as_deref().into_iter().chain(slot.waiting.iter());
            waits
                .filter(|pending| self.unsettled.contains(pending.order))
                .all(|pending| pending.order > order)
        })
    }

    /// Returns what was accepted up to an order and is not in the final store, of one key or of all.
    pub(crate) fn missing(&self, order: u64, only: Option<(&MapName, &Key)>) -> Vec<(MapName, Key)> {
        let wanted = |map: &MapName, key: &Key| {
            only.is_none_or(|(only_map, only_key)| (only_map, only_key) == (map, key))
        };
        let mut missing = Vec::new();
        for map in &self.maps {
            for (key, slot) in map.slots.iter() {
                let is_old = slot
                    .all()
                    .any(|pending| !pending.is_void && pending.order <= order);
                if is_old && wanted(&map.name, key) {
                    missing.push((map.name.clone(), key.clone()));
                }
            }
        }
        missing.sort();
        missing
    }

    /// Returns why something is held back, where it is: one reason for all.
    pub(crate) fn fenced(&self) -> Option<StoreError> {
        let held = self.maps.iter().filter(|map| map.is_in_use());
        held.filter_map(|map| map.fenced.clone()).next()
    }

    /// Takes note that a map was cleared. Returns the sequences of the log that are done by it.
    pub(crate) fn clear(&mut self, place: Place, up_to: Version) -> Vec<u64> {
        let map = &mut self.maps[place.0];
        map.cleared = map.cleared.max(up_to);
        map.known = map.known.max(up_to);
        let keys: Vec<Key> = map.slots.keys().cloned().collect();
        keys.iter()
            .flat_map(|key| self.drop_older(place, key, up_to))
            .collect()
    }

    /// Forgets everything that is pending. Returns how many writes, and their sequences of the log.
    pub(crate) fn forget(&mut self) -> (usize, Vec<u64>) {
        let before = self.used.records - self.in_flight;
        let mut sequences = Vec::new();
        for place in (0..self.maps.len()).map(Place) {
            let keys: Vec<Key> = self.maps[place.0].slots.keys().cloned().collect();
            for key in keys {
                sequences.extend(self.forget_key(place, &key));
            }
        }
        (before, sequences)
    }

    pub(super) fn forget_key(&mut self, place: Place, key: &Key) -> Vec<u64> {
        self.drop_older(place, key, Version::MAX)
    }

    /// Drops what is pending for a key up to a version. What is on its way cannot be called back: it becomes void.
    pub(super) fn drop_older(&mut self, place: Place, key: &Key, version: Version) -> Vec<u64> {
        let map = &mut self.maps[place.0];
        let Some(slot) = map.slots.get_mut(key) else {
            return Vec::new();
        };
        let mut done = Vec::new();
        if let Some(dead) = slot.dead.take_if(|dead| dead.pending.version <= version) {
            self.dead -= 1;
            self.used.remove(&dead.pending);
            done.extend(dead.pending.sequence);
        }
        if let Some(pending) = slot
            .in_flight
            .as_mut()
            .filter(|pending| pending.version <= version)
        {
            // A flush waits for it all the same: until it has landed, it may still reach the store.
            pending.is_void = true;
        }
        let first = slot.waiting.front().map(|first| first.order);
        let dropped = slot.waiting.take_if(|pending| pending.version <= version);
        let is_first_gone = slot.waiting.front().map(|first| first.order) != first;
        for pending in dropped {
            self.unsettled.remove(pending.order);
            self.used.remove(&pending);
            done.extend(pending.sequence);
        }
        // What is kept needs a ticket of its own where the first to wait went.
        if is_first_gone {
            self.follow(place, key, Duration::ZERO);
        } else {
            map.tidy(key);
        }
        done
    }
}
