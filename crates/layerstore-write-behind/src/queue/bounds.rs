use std::time::Duration;

use layerstore_data_store::BackoffPolicy;
use layerstore_record::Key;

use super::pending::Pending;
use super::slots::SLOT_PLACE_BYTES;
use super::{Place, Queue, Ticket};

/// What a pending write takes beside its record, in bytes: its slot, which the write lies in, its ticket, and its place in the order that flushes
/// wait for, both in queues that may be half empty.
pub(crate) const SLOT_BYTES: u64 =
    (SLOT_PLACE_BYTES + 2 * size_of::<(Duration, Ticket)>() + 2 * size_of::<Option<Duration>>()) as u64;

/// What may wait, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long a write waits before it goes to the store.
    pub(crate) delay: Duration,
    /// Whether a write replaces an older one of its key that waits.
    pub(crate) coalesces: bool,
    pub(crate) max_records: usize,
    pub(crate) max_bytes: u64,
    /// Whether values go to the log alone when memory is used up.
    pub(crate) spills: bool,
    pub(crate) backoff: BackoffPolicy,
}

/// What is used, and what was set aside for writes that are being logged.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) records: usize,
    resident: usize,
    resident_bytes: u64,
    reserved: usize,
    reserved_bytes: u64,
}

impl Bounds {
    /// Returns what values may take: where they spill, half stays for the places of what was spilled.
    fn value_bytes(&self) -> u64 {
        if self.spills {
            self.max_bytes / 2
        } else {
            self.max_bytes
        }
    }
}

impl Used {
    /// Counts a write, and drops its value where there is no room for it and the log has it.
    pub(super) fn add(&mut self, pending: &mut Pending, bounds: &Bounds) {
        self.records += 1;
        let fits = self.resident < bounds.max_records
            && self.resident_bytes.saturating_add(pending.cost) <= bounds.value_bytes();
        // A tombstone takes no more than its place.
        if !fits && pending.sequence.is_some() && !pending.is_removal {
            pending.record = None;
        }
        if pending.record.is_some() {
            self.resident += 1;
            self.resident_bytes += pending.cost;
        }
    }

    /// Counts a write no longer.
    pub(super) fn remove(&mut self, pending: &Pending) {
        self.records -= 1;
        if pending.record.is_some() {
            self.resident -= 1;
            self.resident_bytes -= pending.cost;
        }
    }

    /// Sets room aside.
    pub(super) fn set_aside(&mut self, room: Room) {
        self.reserved += room.records;
        self.reserved_bytes += room.bytes;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.resident_bytes + self.records as u64 * SLOT_BYTES
    }

    pub(super) fn spilled(&self) -> usize {
        self.records - self.resident
    }

    fn is_empty(&self) -> bool {
        self.records == 0 && self.reserved == 0
    }
}

/// Room that was set aside; to be given back by [`Queue::release`].
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub(crate) struct Room {
    records: usize,
    bytes: u64,
}

impl Queue {
    /// Sets room aside for writes, given by key and cost; returns none where there is none now. When nothing is pending everything fits.
    pub(crate) fn reserve<'a>(
        &mut self,
        writes: impl IntoIterator<Item = (Place, &'a Key, u64)>,
    ) -> Option<Room> {
        let mut room = Room::default();
        for (place, key, cost) in writes {
            // What replaces a write that waits needs only what it is larger.
            let replaced = self
                .bounds
                .coalesces
                .then(|| self.maps[place.0].waiting(key))
                .flatten();
            let value = if self.bounds.spills { 0 } else { cost };
            match replaced {
                None => {
                    room.records += 1;
                    room.bytes += value + SLOT_BYTES;
                }
                Some(older) => room.bytes += value.saturating_sub(older.cost),
            }
        }
        let records = self.used.records + self.used.reserved + room.records;
        let bytes = self.used.bytes() + self.used.reserved_bytes + room.bytes;
        let fits =
            bytes <= self.bounds.max_bytes && (self.bounds.spills || records <= self.bounds.max_records);
        if !fits && !self.used.is_empty() && (room.records, room.bytes) != (0, 0) {
            return None;
        }
        self.used.set_aside(room);
        Some(room)
    }

    /// Tells whether there is room for a write, whether it replaces another or not.
    pub(super) fn has_room(&self, cost: u64) -> bool {
        self.room_for_one(cost).is_some()
    }

    /// Returns the room that a write takes that replaces no other, where there is so much.
    pub(super) fn room_for_one(&self, cost: u64) -> Option<Room> {
        let value = if self.bounds.spills { 0 } else { cost };
        let room = Room {
            records: 1,
            bytes: SLOT_BYTES.saturating_add(value),
        };
        let records = self.used.records + self.used.reserved + room.records;
        let bytes = self.used.bytes() + self.used.reserved_bytes;
        let fits = bytes.saturating_add(room.bytes) <= self.bounds.max_bytes
            && (self.bounds.spills || records <= self.bounds.max_records);
        fits.then_some(room)
    }

    /// Gives room back: what it was for is counted by itself now, or did not come.
    pub(crate) fn release(&mut self, room: Room) {
        self.used.reserved -= room.records;
        self.used.reserved_bytes -= room.bytes;
    }
}
