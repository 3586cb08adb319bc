use std::mem;
use std::sync::Arc;

use layerstore_record::{Key, Record};

/// What a slot takes: the key's second handle (a long key's text is shared) and the record's.
pub(super) const SLOT_BYTES: u64 = size_of::<Slot>() as u64;

/// Stands for no slot.
const NONE: u32 = u32::MAX;

/// Lists the records of one stripe by position.
///
/// A removal leaves a gap, which the next record fills: nothing moves, so that neither costs more than its own slot. The gaps
/// are never more than the records for long ([`close_gaps`](Self::close_gaps)).
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The gap that is filled next, the head of a list through all gaps.
    gap: u32,
    /// How many records there are.
    len: usize,
}

/// Where a record stands among the slots of its stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

/// A slot: taken, or a gap that knows the next one.
enum Slot {
    Taken(Placed),
    Gap(u32),
}

pub(super) struct Placed {
    pub(super) key: Key,
    pub(super) record: Arc<Record>,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            gap: NONE,
            len: 0,
        }
    }
}

impl Place {
    /// Stands for an index. A stripe of 2^32 slots, the most there can be, would take 128 GiB.
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(NONE))
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Slots {
    /// Returns how many records there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns how many slots there are, gaps included.
    pub(super) fn extent(&self) -> usize {
        self.slots.len()
    }

    /// Returns the record at an index, `None` where there is a gap, or no slot any more.
    pub(super) fn at(&self, index: usize) -> Option<&Placed> {
        self.slots.get(index).and_then(Slot::taken)
    }

    /// Returns the records between two indices, from the top down.
    pub(super) fn downwards(&self, rest: usize, top: usize) -> impl Iterator<Item = &Placed> {
        self.slots[rest..top].iter().rev().filter_map(Slot::taken)
    }

    /// Returns where the next record will stand.
    pub(super) fn vacancy(&self) -> Place {
        match self.gap {
            NONE => Place::new(self.slots.len()),
            gap => Place(gap),
        }
    }

    /// Tells whether the next record needs memory for more slots.
    pub(super) fn is_full(&self) -> bool {
        self.gap == NONE && self.slots.len() == self.slots.capacity()
    }

    /// Puts a record where there is [room](Self::vacancy).
    pub(super) fn add(&mut self, key: Key, record: Arc<Record>) -> Place {
        let place = self.vacancy();
        let slot = Slot::Taken(Placed { key, record });
        self.len += 1;
        if let Some(Slot::Gap(next)) = self.slots.get(place.index()) {
            self.gap = *next;
            self.slots[place.index()] = slot;
            return place;
        }
        if self.is_full() {
            // A quarter at a time: doubling would leave a third of the slots unused on average.
            self.slots.reserve_exact(self.slots.len() / 4 + 4);
        }
        self.slots.push(slot);
        place
    }

    /// Puts `record` in place of the one that stands there; returns that one.
    pub(super) fn replace(&mut self, place: Place, record: Arc<Record>) -> Option<Arc<Record>> {
        match self.slots.get_mut(place.index()) {
            Some(Slot::Taken(placed)) => Some(mem::replace(&mut placed.record, record)),
            Some(Slot::Gap(_)) | None => None,
        }
    }

    /// Takes a record out, and leaves a gap.
    pub(super) fn remove(&mut self, place: Place) -> Option<Arc<Record>> {
        let slot = self.slots.get_mut(place.index())?;
        match mem::replace(slot, Slot::Gap(self.gap)) {
            Slot::Taken(placed) => {
                self.gap = place.0;
                self.len -= 1;
                Some(placed.record)
            }
            // It was one before.
            gap @ Slot::Gap(_) => {
                *slot = gap;
                None
            }
        }
    }

    /// Tells whether there are more gaps than records.
    pub(super) fn is_sparse(&self) -> bool {
        self.len * 2 < self.slots.len()
    }

    /// Closes all gaps, and gives their memory back; tells of every record that has moved. Records move **down** alone, so that a scan,
    /// which goes downwards too, misses none of them.
    pub(super) fn close_gaps(&mut self, mut moved: impl FnMut(&Key, Place)) {
        let (mut free, mut top) = (0, self.slots.len());
        while let Some(from) = self.slots[..top].iter().rposition(|slot| slot.taken().is_some()) {
            free += self.slots[free..from]
                .iter()
                .take_while(|slot| slot.taken().is_some())
                .count();
            if free == from {
                break;
            }
            self.slots.swap(free, from);
            if let Some(Slot::Taken(placed)) = self.slots.get(free) {
                moved(&placed.key, Place::new(free));
            }
            top = from;
        }
        self.slots.truncate(self.len);
        // Some room for those that come next.
        self.slots.shrink_to(self.len + self.len / 4 + 4);
        self.gap = NONE;
    }

    /// Takes every record out, and gives the memory back.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Placed> + use<> {
        let slots = mem::take(self).slots.into_iter();
        slots.filter_map(|slot| match slot {
            Slot::Taken(placed) => Some(placed),
            Slot::Gap(_) => None,
        })
    }
}

impl Slot {
    fn taken(&self) -> Option<&Placed> {
        match self {
            Self::Taken(placed) => Some(placed),
            Self::Gap(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use layerstore_record::{Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};

    use super::{SLOT_BYTES, Slots};

    fn key(number: u64) -> Key {
        Key::new(number.to_string()).unwrap()
    }

    fn record(number: u64) -> Arc<Record> {
        let at = Timestamp::new(Millis(number), 0, NodeId(1));
        Arc::new(Record::builder(RecordValue::lww(number, at), Version::new(at)).build())
    }

    #[test]
    fn a_gap_costs_no_more_than_a_key_and_a_record() {
        assert_eq!(SLOT_BYTES, 32);
    }

    #[test]
    fn a_gap_is_filled_before_another_slot_is_made() {
        let mut slots = Slots::default();
        let places: Vec<_> = (0..3)
            .map(|number| slots.add(key(number), record(number)))
            .collect();
        assert_eq!(slots.remove(places[0]), Some(record(0)));
        assert_eq!(slots.remove(places[1]), Some(record(1)));
        assert_eq!(
            (slots.remove(places[1]), slots.len(), slots.extent()),
            (None, 1, 3)
        );
        for number in [5, 6, 7] {
            let expected = slots.vacancy();
            assert_eq!(slots.add(key(number), record(number)), expected);
        }
        assert_eq!((slots.len(), slots.extent()), (4, 4));
    }

    #[test]
    fn records_move_down_when_gaps_are_closed_and_each_is_told_of() {
        let mut rng = fastrand::Rng::with_seed(7);
        for size in 0..200 {
            let mut slots = Slots::default();
            let mut places: HashMap<_, _> = (0..size)
                .map(|at| (key(at), slots.add(key(at), record(at))))
                .collect();
            places.retain(|_, place| {
                let stays = rng.bool();
                if !stays {
                    slots.remove(*place);
                }
                stays
            });
            slots.close_gaps(|key, place| {
                let before = places.insert(key.clone(), place).unwrap();
                assert!(place.0 < before.0);
            });
            assert_eq!((slots.len(), slots.extent()), (places.len(), places.len()));
            for (key, place) in places {
                assert_eq!(slots.at(place.0 as usize).unwrap().key, key);
            }
        }
    }
}
