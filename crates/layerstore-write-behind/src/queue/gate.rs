//! One call at a key at a time: between judging a write and acknowledging it nobody else may come between.

use layerstore_record::Key;

use super::{Place, Queue};

impl Queue {
    /// Lets a call to its keys, to all of them or to none.
    pub(crate) fn enter(&mut self, call: u64, keys: &[(Place, Key)]) -> bool {
        let is_taken = |(place, key): &(Place, Key)| {
            let slot = self.maps[place.0].slots.get(key);
            slot.and_then(|slot| slot.busy).is_some_and(|busy| busy != call)
        };
        if keys.iter().any(is_taken) {
            return false;
        }
        for (place, key) in keys {
            self.maps[place.0].slots.entry(key).busy = Some(call);
        }
        true
    }

    /// Lets go of the keys of a call.
    pub(crate) fn leave(&mut self, call: u64, keys: &[(Place, Key)]) {
        for (place, key) in keys {
            self.leave_key(call, *place, key);
        }
    }

    /// Lets go of one key of a call.
    pub(crate) fn leave_key(&mut self, call: u64, place: Place, key: &Key) {
        let map = &mut self.maps[place.0];
        if let Some(slot) = map.slots.get_mut(key).filter(|slot| slot.busy == Some(call)) {
            slot.busy = None;
            map.tidy(key);
        }
    }
}
