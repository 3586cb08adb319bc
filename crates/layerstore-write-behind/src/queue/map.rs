use layerstore_data_store::{MapClaim, StoreError};
use layerstore_record::{Key, MapName, Version};

use super::Queue;
use super::dead::Dead;
use super::line::Line;
use super::pending::Pending;
use super::slots::Slots;

/// A map, within the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub(super) usize);

/// What the queue knows of a map.
#[derive(Debug)]
pub(super) struct MapQueue {
    pub(super) name: MapName,
    /// Whether it was claimed through this store.
    pub(super) is_claimed: bool,
    /// Whether the final store takes writes of it from us: also for what the log gave back, before anyone has claimed it.
    pub(super) is_writable: bool,
    /// Why nothing of it can be written any more.
    pub(super) fenced: Option<StoreError>,
    /// What the final store holds of a key that is not pending is at or below.
    pub(super) known: Version,
    /// What is at or below was cleared.
    pub(super) cleared: Version,
    pub(super) slots: Slots,
}

/// What is pending for a key.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The call that is at the key now.
    pub(super) busy: Option<u64>,
    pub(super) in_flight: Option<Box<Pending>>,
    /// In order; of one write at most where writes coalesce.
    pub(super) waiting: Line,
    pub(super) dead: Option<Box<Dead>>,
    /// How often in a row the store failed to take it.
    pub(super) failed: u32,
    /// Not to be tried before, counted from when the store was opened.
    pub(super) not_before: Option<std::time::Duration>,
}

/// Why a map takes no writes.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    NotClaimed,
    Fenced(StoreError),
}

impl MapQueue {
    fn new(name: MapName) -> Self {
        Self {
            name,
            is_claimed: false,
            is_writable: false,
            fenced: None,
            known: Version::ZERO,
            cleared: Version::ZERO,
            slots: Slots::default(),
        }
    }

    /// Tells whether a write of a version may be taken without asking the store: nothing that it holds of a key that is not pending is newer than
    /// `known`, nor was anything newer cleared.
    pub(super) fn is_open_to(&self, version: Version) -> bool {
        self.is_claimed && self.fenced.is_none() && version > self.known
    }

    /// Returns the write of a key that waits and is the last.
    pub(super) fn waiting(&self, key: &Key) -> Option<&Pending> {
        self.slots.get(key)?.waiting.back()
    }

    pub(super) fn newest(&self, key: &Key) -> Option<Version> {
        let slot = self.slots.get(key)?;
        slot.all().map(|pending| pending.version).max()
    }

    /// Tells whether something is pending in it.
    pub(super) fn is_in_use(&self) -> bool {
        self.slots.values().any(|slot| slot.all().next().is_some())
    }

    /// Takes what the log gave back of a key for unsure, until the final store has been asked.
    pub(super) fn doubt(&mut self, key: &Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.all_mut().for_each(|pending| pending.is_unsure = true);
        }
    }

    /// Takes the slot of a key away where nothing is in it.
    pub(super) fn tidy(&mut self, key: &Key) {
        if self.slots.get(key).is_some_and(Slot::is_empty) {
            self.slots.remove(key);
        }
    }
}

impl Slot {
    /// Returns everything that is pending, newest last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Pending> {
        let dead = self.dead.as_ref().map(|dead| &dead.pending);
        dead.into_iter()
            .chain(self.in_flight.as_deref())
            .chain(self.waiting.iter())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Pending> {
        let dead = self.dead.as_mut().map(|dead| &mut dead.pending);
        dead.into_iter()
            .chain(self.in_flight.as_deref_mut())
            .chain(self.waiting.iter_mut())
    }

    /// Returns what a reader sees: the newest that is neither void nor cleared.
    pub(super) fn visible(&self, cleared: Version) -> Option<&Pending> {
        let seen = self
            .all()
            .filter(|pending| !pending.is_void && pending.version > cleared);
        seen.max_by_key(|pending| pending.version)
    }

    /// Tells whether no call is at the key, and nothing that is pending is as new as a version.
    pub(super) fn is_free_for(&self, version: Version) -> bool {
        let is_older = |pending: &Pending| pending.version < version;
        self.busy.is_none()
            && self.in_flight.as_deref().is_none_or(is_older)
            && self.waiting.all(is_older)
            && self.dead.as_ref().is_none_or(|dead| is_older(&dead.pending))
    }

    fn is_empty(&self) -> bool {
        self.busy.is_none() && self.in_flight.is_none() && self.waiting.is_empty() && self.dead.is_none()
    }
}

impl Queue {
    /// Returns the place of a map, which is new where it was not seen before.
    pub(crate) fn place(&mut self, map: &MapName) -> Place {
        // Nearly always it is the one that was asked for last.
        if self.maps.get(self.last.0).is_some_and(|last| last.name == *map) {
            return self.last;
        }
        self.last = self.place_by_name(map);
        self.last
    }

    fn place_by_name(&mut self, map: &MapName) -> Place {
        if let Some(place) = self.names.get(map) {
            return *place;
        }
        let place = Place(self.maps.len());
        self.maps.push(MapQueue::new(map.clone()));
        self.names.insert(map.clone(), place);
        place
    }

    /// Returns the name of a map.
    pub(crate) fn name(&self, place: Place) -> &MapName {
        &self.maps[place.0].name
    }

    /// Says why a map takes no writes, where it takes none.
    pub(crate) fn refusal(&self, place: Place) -> Option<Refusal> {
        let map = &self.maps[place.0];
        if !map.is_claimed {
            return Some(Refusal::NotClaimed);
        }
        map.fenced.clone().map(Refusal::Fenced)
    }

    /// Tells whether the final store takes writes of a map from us.
    pub(crate) fn is_writable(&self, place: Place) -> bool {
        self.maps[place.0].is_writable
    }

    /// Takes note of a claim that the final store granted. Returns the claim as callers are to see it: above what is pending, too.
    pub(crate) fn claimed(&mut self, place: Place, claim: MapClaim, by_caller: bool) -> MapClaim {
        let was_fenced = {
            let map = &mut self.maps[place.0];
            map.is_claimed |= by_caller;
            map.is_writable = true;
            map.known = map.known.max(claim.high_water);
            map.cleared = map.cleared.max(claim.cleared);
            // What is above everything that the store ever had of the map is newer than what it holds of the key.
            for pending in map.slots.values_mut().flat_map(Slot::all_mut) {
                pending.is_unsure = pending.version <= claim.high_water;
            }
            map.fenced.take().is_some()
        };
        if was_fenced {
            self.release_held(place);
        }
        let map = &self.maps[place.0];
        let pending = map
            .slots
            .values()
            .flat_map(|slot| slot.all().map(|pending| pending.version));
        let high_water = pending.max().map_or(map.known, |newest| newest.max(map.known));
        MapClaim::new(claim.epoch, high_water, claim.cleared, claim.purged)
    }

    /// Takes note that the final store does not know of a claim of ours: it is made anew before the next write.
    pub(crate) fn unclaimed(&mut self, place: Place) {
        self.maps[place.0].is_writable = false;
    }

    /// Takes note of a version that the final store may hold of a key that is not pending.
    pub(crate) fn knows(&mut self, place: Place, version: Version) {
        let map = &mut self.maps[place.0];
        map.known = map.known.max(version);
    }
}
