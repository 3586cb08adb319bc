//! What readers see of what is pending.

use std::ops::Bound;
use std::sync::Arc;

use layerstore_record::{Key, MapName, Millis, Record, Version};

use super::Queue;
use super::pending::Pending;

/// How many keys are brought into order at a time: about 2 ms, for which everyone waits.
const PORTION: usize = 4_096;

/// What a key holds by what is pending.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// This record, or this tombstone.
    Record(Arc<Record>),
    /// What the log has at this place.
    Spilled(u64),
    /// A value that has ended: nothing, whatever the store holds.
    Ended,
    /// What the store may hold something newer of.
    Unsure,
}

/// A part of what is pending in a map, in key order.
#[derive(Debug, Default)]
pub(crate) struct OverlayPage {
    pub(crate) seen: Vec<(Key, Seen)>,
    /// Everything up to this key is in it; none where it is all.
    pub(crate) up_to: Option<Key>,
}

impl Seen {
    fn of(pending: &Pending, now: Millis) -> Self {
        let has_ended = !pending.is_removal && pending.end.is_some_and(|end| end <= now);
        match (&pending.record, pending.sequence) {
            _ if pending.is_unsure => Self::Unsure,
            _ if has_ended => Self::Ended,
            (Some(record), _) => Self::Record(Arc::clone(record)),
            (None, Some(sequence)) => Self::Spilled(sequence),
            // Only what the log has is spilled.
            (None, None) => Self::Ended,
        }
    }
}

impl Queue {
    /// Returns what a key holds by what is pending.
    pub(crate) fn get(&self, map: &MapName, key: &Key, now: Millis) -> Option<Seen> {
        let map = &self.maps[self.names.get(map)?.0];
        let pending = map.slots.get(key)?.visible(map.cleared)?;
        Some(Seen::of(pending, now))
    }

    /// Tells whether memory holds a pending write of a key.
    pub(crate) fn holds(&self, map: &MapName, key: &Key) -> bool {
        let Some(place) = self.names.get(map) else {
            return false;
        };
        let map = &self.maps[place.0];
        let pending = map.slots.get(key).and_then(|slot| slot.visible(map.cleared));
        pending.is_some_and(|pending| pending.record.is_some())
    }

    /// Tells whether a reader of a key has to wait until the store was asked.
    pub(crate) fn waits_to_be_sure(&self, map: &MapName, key: &Key) -> bool {
        let Some(place) = self.names.get(map) else {
            return false;
        };
        let slot = self.maps[place.0].slots.get(key);
        slot.is_some_and(|slot| {
            slot.in_flight
                .as_deref()
                .into_iter()
                .chain(slot.waiting.iter())
                .any(|pending| pending.is_unsure && !pending.is_void)
        })
    }

    /// Tells whether nobody knows whether a dead letter is newer than what the store holds.
    pub(crate) fn is_dead_unsure(&self, map: &MapName, key: &Key) -> bool {
        let slot = self
            .names
            .get(map)
            .and_then(|place| self.maps[place.0].slots.get(key));
        slot.and_then(|slot| slot.dead.as_ref())
            .is_some_and(|dead| dead.pending.is_unsure)
    }

    /// Takes note of what the store holds of a key with a dead letter. Returns the sequences of the log that are done by it.
    pub(crate) fn compare_dead(&mut self, map: &MapName, key: &Key, stored: Option<Version>) -> Vec<u64> {
        let Some(place) = self.names.get(map).copied() else {
            return Vec::new();
        };
        let slot = self.maps[place.0].slots.get_mut(key);
        let Some(dead) = slot.and_then(|slot| slot.dead.as_mut()) else {
            return Vec::new();
        };
        if stored.is_some_and(|stored| stored >= dead.pending.version) {
            return self.discard_dead(place, key).unwrap_or_default();
        }
        dead.pending.is_unsure = false;
        Vec::new()
    }

    /// Brings a portion of the keys of a map into order; tells whether all are. A page does what is left of that at once.
    pub(crate) fn order_more(&mut self, map: &MapName) -> bool {
        let place = self.names.get(map);
        place.is_none_or(|place| self.maps[place.0].slots.order_more(PORTION))
    }

    /// Returns what is pending within bounds, at most so many keys.
    pub(crate) fn page(
        &mut self,
        map: &MapName,
        bounds: (Bound<&Key>, Bound<&Key>),
        most: usize,
        now: Millis,
    ) -> OverlayPage {
        let Some(place) = self.names.get(map).filter(|_| !is_empty(bounds)) else {
            return OverlayPage::default();
        };
        let map = &mut self.maps[place.0];
        while !map.slots.order_more(PORTION) {}
        let pending = map.slots.range(bounds);
        let mut pending = pending.filter_map(|(key, slot)| Some((key, slot.visible(map.cleared)?)));
        let mut page = OverlayPage::default();
        for (key, pending) in pending.by_ref().take(most.max(1)) {
            page.seen.push((key.clone(), Seen::of(pending, now)));
        }
        if pending.next().is_some() {
            page.up_to = page.seen.last().map(|(key, _)| key.clone());
        }
        page
    }
}

/// Tells whether no key lies within bounds; a sorted map would panic over bounds that are the wrong way round.
fn is_empty((start, end): (Bound<&Key>, Bound<&Key>)) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
    }
}
