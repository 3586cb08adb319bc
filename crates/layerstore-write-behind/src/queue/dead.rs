use std::time::Duration;

use layerstore_record::{Key, MapName};

use super::pending::Pending;
use super::{Place, Queue};

/// A write that the final store refused for good, and why.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) pending: Pending,
    pub(crate) reason: String,
}

impl Queue {
    /// Returns the dead letters, by map and key.
    pub(crate) fn dead_letters(&self) -> impl Iterator<Item = (&MapName, &Key, &Dead)> {
        let dead = self.maps.iter().flat_map(|map| {
            let slots = map.slots.iter();
            slots.filter_map(|(key, slot)| Some((&map.name, key, slot.dead.as_deref()?)))
        });
        let mut dead: Vec<_> = dead.collect();
        dead.sort_by_key(|(map, key, _)| (*map, *key));
        dead.into_iter()
    }

    /// Lets a dead letter be tried again; tells whether there was one.
    pub(crate) fn retry_dead(&mut self, place: Place, key: &Key) -> bool {
        let map = &mut self.maps[place.0];
        let Some(slot) = map.slots.get_mut(key) else {
            return false;
        };
        let Some(dead) = slot.dead.take() else {
            return false;
        };
        self.dead -= 1;
        let pending = dead.pending;
        if map.fenced.is_none() {
            self.unsettled.insert(pending.order, pending.accepted);
        }
        slot.waiting.push_front(pending);
        self.follow(place, key, Duration::ZERO);
        true
    }

    /// Throws a dead letter away. Returns its place in the log where it has one; none where there was no dead letter.
    pub(crate) fn discard_dead(&mut self, place: Place, key: &Key) -> Option<Vec<u64>> {
        let map = &mut self.maps[place.0];
        let dead = map.slots.get_mut(key)?.dead.take()?;
        map.tidy(key);
        self.dead -= 1;
        self.used.remove(&dead.pending);
        Some(dead.pending.sequence.into_iter().collect())
    }
}
