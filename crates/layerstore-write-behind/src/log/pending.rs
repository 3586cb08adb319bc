//! Which entries are not done, where they lie, and how far the watermark is. Pure: no file, no clock, no lock.

use std::collections::BTreeMap;

use crate::row::Row;

/// Where the newest copy of an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    /// Of its frame, in the segment's file.
    pub(crate) offset: u64,
    /// Of its frame, header included.
    pub(crate) bytes: u64,
}

/// The entries that are not done.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    places: Row<Place>,
    /// The highest sequence there ever was.
    highest: u64,
    bytes: u64,
    by_segment: BTreeMap<u64, u64>,
}

impl Pending {
    /// Begins after a sequence.
    pub(crate) fn after(highest: u64) -> Self {
        Self {
            highest,
            ..Self::default()
        }
    }

    /// Adds an entry, or says where a newer copy of it lies.
    pub(crate) fn put(&mut self, sequence: u64, place: Place) {
        self.highest = self.highest.max(sequence);
        if let Some(before) = self.places.insert(sequence, place) {
            self.forget(before);
        }
        self.bytes += place.bytes;
        *self.by_segment.entry(place.segment).or_default() += place.bytes;
    }

    /// Takes an entry for done; returns whether it was pending.
    pub(crate) fn done(&mut self, sequence: u64) -> bool {
        let place = self.places.remove(sequence);
        if let Some(place) = place {
            self.forget(place);
        }
        place.is_some()
    }

    fn forget(&mut self, place: Place) {
        self.bytes -= place.bytes;
        if let Some(bytes) = self.by_segment.get_mut(&place.segment) {
            *bytes -= place.bytes;
            if *bytes == 0 {
                self.by_segment.remove(&place.segment);
            }
        }
    }

    /// Returns the highest sequence up to which every entry is done.
    pub(crate) fn watermark(&self) -> u64 {
        let lowest = self.places.first();
        lowest.map_or(self.highest, |(lowest, _)| lowest - 1)
    }

    /// Returns the highest sequence there ever was.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Returns how many entries are pending.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns how many bytes they take, frames included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells whether a segment holds any.
    pub(crate) fn needs(&self, segment: u64) -> bool {
        self.by_segment.contains_key(&segment)
    }

    /// Returns the entries after a sequence, in order.
    pub(crate) fn later_than(&self, sequence: u64) -> impl Iterator<Item = (u64, Place)> {
        self.places.after(sequence)
    }

    /// Returns the entries of a segment, in order.
    pub(crate) fn of_segment(&self, segment: u64) -> Vec<(u64, Place)> {
        self.later_than(0)
            .filter(|(_, place)| place.segment == segment)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(segment: u64) -> Place {
        Place {
            segment,
            offset: 0,
            bytes: 10,
        }
    }

    #[test]
    fn l6_the_watermark_stands_below_the_oldest_pending_entry() {
        let mut pending = Pending::after(4);
        assert_eq!(pending.watermark(), 4);
        for sequence in 5..10 {
            pending.put(sequence, place(1));
        }
        assert_eq!(pending.watermark(), 4);
        assert!(pending.done(6) && pending.done(7) && !pending.done(7));
        assert_eq!(pending.watermark(), 4);
        pending.done(5);
        assert_eq!(pending.watermark(), 7);
        pending.done(9);
        pending.done(8);
        assert_eq!((pending.watermark(), pending.len(), pending.bytes()), (9, 0, 0));
        assert!(!pending.needs(1));
    }

    #[test]
    fn a_copy_moves_an_entry_to_another_segment() {
        let mut pending = Pending::default();
        pending.put(1, place(1));
        pending.put(2, place(1));
        pending.put(1, place(2));
        assert_eq!(pending.of_segment(1), [(2, place(1))]);
        assert_eq!(pending.bytes(), 20);
        pending.done(2);
        assert!(pending.needs(2) && !pending.needs(1));
        assert_eq!(pending.later_than(1).count(), 0);
    }
}
