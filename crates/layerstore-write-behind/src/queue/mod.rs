//! What was acknowledged and is not in the final store yet. Pure: no runtime, no lock, no clock, no file; time is an argument, counted
//! from when the store was opened.
//!
//! Each map has a slot a key that something is pending for: what is on its way to the store, what waits behind it, and what the store
//! refused for good. A key has one write on its way at a time, so that a failed older one never comes after a newer.

mod agenda;
mod batch;
mod bounds;
mod dead;
mod flush;
mod gate;
mod index;
mod judge;
mod line;
mod map;
mod overlay;
mod pending;
mod settle;
mod slots;

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use layerstore_record::{Key, MapName, Version};

use crate::row::Row;

use agenda::{Agenda, Ticket};
use bounds::Used;
use map::{MapQueue, Slot};

pub(crate) use agenda::Kind;
pub(crate) use batch::{Batch, Item};
pub(crate) use bounds::{Bounds, Room};
pub(crate) use dead::Dead;
pub(crate) use index::MOST_PLACES;
pub(crate) use judge::Judged;
pub(crate) use map::{Place, Refusal};
pub(crate) use overlay::{OverlayPage, Seen};
pub(crate) use pending::{Arrival, Pending};
pub(crate) use settle::{Answer, Settled};

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    bounds: Bounds,
    maps: Vec<MapQueue>,
    names: HashMap<MapName, Place, RandomState>,
    /// The map that was asked for last.
    last: Place,
    agenda: Agenda,
    used: Used,
    /// The orders of what a flush waits for, and when each was accepted: all that is pending but dead letters and what is fenced.
    unsettled: Row<Duration>,
    /// The order of the write that was accepted last.
    order: u64,
    batches: u64,
    in_flight: usize,
    dead: usize,
}

/// Counts of what is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Acknowledged writes that are not in the final store, dead letters included.
    pub(crate) records: usize,
    /// What they take in memory, in bytes.
    pub(crate) bytes: u64,
    /// Of these, on their way now.
    pub(crate) in_flight: usize,
    /// Of these, waiting to be tried again.
    pub(crate) retrying: usize,
    /// Of these, with their values in the log alone.
    pub(crate) spilled: usize,
    /// Of these, refused by the store for good.
    pub(crate) dead: usize,
}

/// What is kept of writes beside their slots.
struct Books<'a> {
    bounds: &'a Bounds,
    agenda: &'a mut Agenda,
    used: &'a mut Used,
    unsettled: &'a mut Row<Duration>,
    order: &'a mut u64,
    dead: &'a mut usize,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            maps: Vec::new(),
            names: HashMap::default(),
            last: Place(0),
            agenda: Agenda::default(),
            used: Used::default(),
            unsettled: Row::default(),
            order: 0,
            batches: 0,
            in_flight: 0,
            dead: 0,
        }
    }

    /// Accepts a write that was judged, reserved for and logged. Returns the sequences of the log that it makes needless.
    pub(crate) fn accept(&mut self, place: Place, key: &Key, arrival: Arrival, now: Duration) -> Vec<u64> {
        let map = &mut self.maps[place.0];
        let is_held = map.fenced.is_some();
        let mut books = Books {
            bounds: &self.bounds,
            agenda: &mut self.agenda,
            used: &mut self.used,
            unsettled: &mut self.unsettled,
            order: &mut self.order,
            dead: &mut self.dead,
        };
        books.accept(map.slots.entry(key), is_held, (place, key), arrival, now)
    }

    /// Judges a write that brings the version of its record and no condition, and accepts it, in one step that nobody comes between. Returns the
    /// sequences of the log that it makes needless; none, with nothing done, where it is to go the long way: where there is a call at the key, or
    /// no room for certain, or where something may be newer, or stands in the way.
    pub(crate) fn accept_at_once(
        &mut self,
        place: Place,
        key: &Key,
        arrival: Arrival,
        now: Duration,
    ) -> Option<Vec<u64>> {
        let has_room = self.has_room(arrival.cost);
        let map = &mut self.maps[place.0];
        if !map.is_open_to(arrival.version) || !has_room {
            return None;
        }
        let mut books = Books {
            bounds: &self.bounds,
            agenda: &mut self.agenda,
            used: &mut self.used,
            unsettled: &mut self.unsettled,
            order: &mut self.order,
            dead: &mut self.dead,
        };
        // A new slot is free for anyone.
        let slot = map.slots.entry(key);
        let is_free = slot.is_free_for(arrival.version);
        is_free.then(|| books.accept(slot, false, (place, key), arrival, now))
    }

    /// Does the same with a write that is still to be logged, up to accepting it: lets its call to the key and sets room aside.
    pub(crate) fn hold(&mut self, call: u64, place: Place, key: &Key, arrival: &Arrival) -> Option<Room> {
        let room = self.room_for_one(arrival.cost);
        let map = &mut self.maps[place.0];
        if !map.is_open_to(arrival.version) {
            return None;
        }
        let room = room?;
        let slot = map.slots.entry(key);
        if !slot.is_free_for(arrival.version) {
            return None;
        }
        slot.busy = Some(call);
        self.used.set_aside(room);
        Some(room)
    }

    /// Accepts a write that was held and is logged by now, lets go of its key and gives its room back. Returns the sequences of the log that it
    /// makes needless.
    pub(crate) fn accept_held(
        &mut self,
        (call, room): (u64, Room),
        place: Place,
        key: &Key,
        arrival: Arrival,
        now: Duration,
    ) -> Vec<u64> {
        let map = &mut self.maps[place.0];
        let is_held = map.fenced.is_some();
        let mut books = Books {
            bounds: &self.bounds,
            agenda: &mut self.agenda,
            used: &mut self.used,
            unsettled: &mut self.unsettled,
            order: &mut self.order,
            dead: &mut self.dead,
        };
        let slot = map.slots.entry(key);
        slot.busy = slot.busy.filter(|busy| *busy != call);
        let needless = books.accept(slot, is_held, (place, key), arrival, now);
        self.release(room);
        needless
    }

    /// Takes over an entry that the log gave back: it was acknowledged before. Returns the sequences of the log that are needless by it.
    pub(crate) fn recover(
        &mut self,
        place: Place,
        key: &Key,
        arrival: Arrival,
        reason: Option<String>,
        now: Duration,
    ) -> Vec<u64> {
        let newest = self.maps[place.0].newest(key);
        // Two calls may have been logged in the other order than that of their versions; the version decides.
        if newest.is_some_and(|newest| newest > arrival.version) {
            return arrival.sequence.into_iter().collect();
        }
        let mut needless = Vec::new();
        if newest == Some(arrival.version) {
            // The write and its dead letter: what was logged later counts.
            needless = self.forget_key(place, key);
        }
        let Some(reason) = reason else {
            needless.extend(self.accept(place, key, arrival, now));
            self.maps[place.0].doubt(key);
            return needless;
        };
        needless.extend(self.forget_key(place, key));
        self.order += 1;
        let mut pending = Pending::new(arrival, self.order, now, now);
        self.used.add(&mut pending, &self.bounds);
        let map = &mut self.maps[place.0];
        map.slots.entry(key).dead = Some(Box::new(Dead { pending, reason }));
        map.doubt(key);
        self.dead += 1;
        needless
    }

    /// Returns what is pending, in counts.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            records: self.used.records,
            bytes: self.used.bytes(),
            in_flight: self.in_flight,
            retrying: self.agenda.retrying(),
            spilled: self.used.spilled(),
            dead: self.dead,
        }
    }

    /// Returns how long the oldest write that a flush would wait for has been pending.
    pub(crate) fn oldest_age(&self, now: Duration) -> Option<Duration> {
        let (_, accepted) = self.unsettled.first()?;
        Some(now.saturating_sub(accepted))
    }

    /// Returns the lowest version that is pending in a map.
    pub(crate) fn oldest_version(&self, map: &MapName) -> Option<Version> {
        let map = &self.maps[self.names.get(map)?.0];
        map.slots
            .values()
            .flat_map(|slot| slot.all().map(|pending| pending.version))
            .min()
    }

    /// Returns the maps that something is pending in, in name order.
    pub(crate) fn maps_in_use(&self) -> Vec<MapName> {
        let used = self.maps.iter().filter(|map| map.is_in_use());
        let mut names: Vec<MapName> = used.map(|map| map.name.clone()).collect();
        names.sort();
        names
    }
}

impl Books<'_> {
    fn accept(
        &mut self,
        slot: &mut Slot,
        is_held: bool,
        (place, key): (Place, &Key),
        arrival: Arrival,
        now: Duration,
    ) -> Vec<u64> {
        *self.order += 1;
        let order = *self.order;
        let due = now.saturating_add(self.bounds.delay);
        let mut needless = Vec::new();
        // Whatever the store refused is superseded by what is newer.
        if let Some(dead) = slot.dead.take() {
            *self.dead -= 1;
            self.used.remove(&dead.pending);
            needless.extend(dead.pending.sequence);
        }
        let mut pending = Pending::new(arrival, order, now, due);
        let replaced = if self.bounds.coalesces {
            slot.waiting.pop_back()
        } else {
            None
        };
        let has_ticket = replaced.is_some();
        if let Some(older) = replaced {
            pending.inherit(&older);
            self.used.remove(&older);
            needless.extend(older.sequence);
        } else if !is_held {
            self.unsettled.insert(order, now);
        }
        self.used.add(&mut pending, self.bounds);
        let order = pending.order;
        let is_next = slot.in_flight.is_none() && slot.waiting.is_empty();
        slot.waiting.push_back(pending);
        if is_next && !has_ticket && !is_held {
            let key = key.clone();
            let ticket = Ticket { order, place, key };
            match slot.not_before {
                None => self.agenda.add(due, ticket),
                Some(until) => self.agenda.retry(until.max(due), ticket),
            }
        }
        needless
    }
}
