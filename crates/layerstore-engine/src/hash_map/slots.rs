use std::mem;
use std::sync::Arc;

use layerstore_record::{Key, Record};

/// What a slot takes: the key's second handle (a long key's text is shared) and the record's.
pub(super) const SLOT_BYTES: u64 = size_of::<Placed>() as u64;

/// Below this capacity an emptying slot array keeps its memory.
const SMALL_CAPACITY: usize = 64;

/// Lists the records of one stripe by position, without gaps.
///
/// It could hold two segments one day (probation and main, for eviction); everything outside reaches it through
/// these methods only.
#[derive(Default)]
pub(super) struct Slots(Vec<Placed>);

/// Where a record stands among the slots of its stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

pub(super) struct Placed {
    pub(super) key: Key,
    pub(super) record: Arc<Record>,
}

impl Place {
    /// Stands for an index. A stripe of 2^32 slots, the most there can be, would take 128 GiB.
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn key_at(&self, place: Place) -> Option<&Key> {
        self.0.get(place.index()).map(|placed| &placed.key)
    }

    pub(super) fn as_slice(&self) -> &[Placed] {
        &self.0
    }

    /// Appends a record; returns where it stands.
    pub(super) fn push(&mut self, key: Key, record: Arc<Record>) -> Place {
        let place = Place::new(self.0.len());
        if self.0.len() == self.0.capacity() {
            // A quarter at a time: doubling would leave a third of the slots unused on average.
            self.0.reserve_exact(self.0.len() / 4 + 4);
        }
        self.0.push(Placed { key, record });
        place
    }

    /// Puts `record` in place of the one that stands there; returns that one.
    pub(super) fn replace(&mut self, place: Place, record: Arc<Record>) -> Arc<Record> {
        mem::replace(&mut self.0[place.index()].record, record)
    }

    /// Takes a record out. The last one moves to its place.
    pub(super) fn swap_remove(&mut self, place: Place) -> Arc<Record> {
        let removed = self.0.swap_remove(place.index()).record;
        if self.0.capacity() > SMALL_CAPACITY && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
        removed
    }

    /// Takes every record out, and gives the memory back.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Placed> + use<> {
        mem::take(&mut self.0).into_iter()
    }
}
