//! The slots of a map, by key. Nearly everything asks for one key, and that is a hash away. Scans want the order of keys: it is made when the
//! first of them comes, in portions, and kept up for as long as they go on.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::RandomState;
use layerstore_record::Key;

use super::index::{INDEX_BYTES, Index};
use super::map::Slot;

/// How many places room is made for at a time: few are unused then, and none ever moves.
const CHUNK: usize = 1_024;

/// After so many new slots without a scan the order of keys is not kept up any more: more than come between two pages.
const UNUSED: usize = 100_000;

/// Where fewer than one in so many places are taken for long, the others are given back.
const SPARSE: usize = 8;

/// What a slot takes, in bytes: its place, and what leads to it.
pub(super) const SLOT_PLACE_BYTES: usize = size_of::<Option<Taken>>() + INDEX_BYTES;

/// The slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    index: Index,
    hasher: RandomState,
    chunks: Chunks,
    /// Places that nothing is in.
    free: Vec<usize>,
    /// The keys whose slots say that they are here.
    order: BTreeSet<Key>,
    /// Whatever is in the places below this one is in the order.
    ordered: usize,
    /// New slots since the order was asked for.
    unused: usize,
    /// Slots that went since a good part of the places was taken.
    gone: usize,
}

/// Places, of which all but the last chunk's are made.
type Chunks = Vec<Vec<Option<Taken>>>;

/// A place that something is in.
#[derive(Debug)]
struct Taken {
    key: Key,
    slot: Slot,
    is_ordered: bool,
}

impl Slots {
    pub(super) fn get(&self, key: &Key) -> Option<&Slot> {
        let place = self.place(key)?;
        let taken = self.chunks[place / CHUNK][place % CHUNK].as_ref();
        taken.map(|taken| &taken.slot)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Slot> {
        let place = self.place(key)?;
        let taken = self.chunks[place / CHUNK][place % CHUNK].as_mut();
        taken.map(|taken| &mut taken.slot)
    }

    /// Returns the slot of a key, which is new where there was none.
    pub(super) fn entry(&mut self, key: &Key) -> &mut Slot {
        let hash = self.hash(key);
        let found = self.index.find(hash, |place| is_at(&self.chunks, place, key));
        let place = found.unwrap_or_else(|| {
            let place = self.free.pop().unwrap_or_else(|| add_place(&mut self.chunks));
            self.index.insert(hash, place);
            place
        });
        let place_of = &mut self.chunks[place / CHUNK][place % CHUNK];
        let taken = place_of.get_or_insert_with(|| {
            self.unused += 1;
            if self.unused > UNUSED {
                self.ordered = 0;
            }
            let is_ordered = place < self.ordered;
            if is_ordered {
                self.order.insert(key.clone());
            }
            Taken {
                key: key.clone(),
                slot: Slot::default(),
                is_ordered,
            }
        });
        &mut taken.slot
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let hash = self.hash(key);
        let Some(place) = self.index.remove(hash, |place| is_at(&self.chunks, place, key)) else {
            return;
        };
        let taken = self.chunks[place / CHUNK][place % CHUNK].take();
        if taken.is_some_and(|taken| taken.is_ordered) {
            self.order.remove(key);
        }
        self.free.push(place);
        // What fills up and empties again and again keeps its room; what it needed once is given back when as many have come and gone.
        self.gone += 1;
        if self.index.len() > self.total() / SPARSE {
            self.gone = 0;
        } else if self.chunks.len() > SPARSE && self.gone > self.total() {
            self.compact();
        }
    }

    /// Brings more of the keys into order, so many at most that whoever waits for the queue hardly notices; tells whether all are.
    pub(super) fn order_more(&mut self, most: usize) -> bool {
        self.unused = 0;
        let total = self.total();
        let end = total.min(self.ordered + most);
        for place in self.ordered..end {
            if let Some(taken) = &mut self.chunks[place / CHUNK][place % CHUNK]
                && !taken.is_ordered
            {
                taken.is_ordered = true;
                self.order.insert(taken.key.clone());
            }
        }
        self.ordered = end;
        end == total
    }

    /// Returns the slots within bounds in the order of keys, which all are to be in.
    pub(super) fn range(&self, bounds: (Bound<&Key>, Bound<&Key>)) -> impl Iterator<Item = (&Key, &Slot)> {
        let keys = self.order.range::<Key, _>(bounds);
        keys.filter_map(|key| Some((key, self.get(key)?)))
    }

    /// Returns all slots, in no order that says anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Slot)> {
        self.chunks
            .iter()
            .flatten()
            .flatten()
            .map(|taken| (&taken.key, &taken.slot))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.iter().map(|(key, _)| key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Slot> {
        self.iter().map(|(_, slot)| slot)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.chunks
            .iter_mut()
            .flatten()
            .flatten()
            .map(|taken| &mut taken.slot)
    }

    fn place(&self, key: &Key) -> Option<usize> {
        self.index
            .find(self.hash(key), |place| is_at(&self.chunks, place, key))
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of the bits do")]
    fn hash(&self, key: &Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn total(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// Gives back the room of places that nothing is in.
    fn compact(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        (self.free, self.ordered, self.gone) = (Vec::new(), 0, 0);
        self.index.clear(self.index.len());
        for taken in chunks.into_iter().flatten().flatten() {
            let place = add_place(&mut self.chunks);
            self.index.insert(self.hash(&taken.key), place);
            self.chunks[place / CHUNK][place % CHUNK] = Some(taken);
        }
    }
}

/// Tells whether the slot of a key is at a place.
fn is_at(chunks: &Chunks, place: usize, key: &Key) -> bool {
    let taken = chunks[place / CHUNK][place % CHUNK].as_ref();
    taken.is_some_and(|taken| taken.key == *key)
}

/// Makes a place, empty.
fn add_place(chunks: &mut Chunks) -> usize {
    if chunks.last().is_none_or(|last| last.len() == CHUNK) {
        chunks.push(Vec::with_capacity(CHUNK));
    }
    let before = (chunks.len() - 1) * CHUNK;
    let Some(last) = chunks.last_mut() else { return 0 };
    last.push(None);
    before + last.len() - 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(number: u64) -> Key {
        Key::new(format!("key:{number:05}")).unwrap()
    }

    #[test]
    fn whatever_comes_and_goes_slots_are_found_and_scanned_in_order() {
        let seed = layerstore_testkit::proof::seed();
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut slots, mut sorted) = (Slots::default(), BTreeMap::new());
        for step in 0..60_000_u64 {
            // Grows to thousands and shrinks again, so that places are given back.
            let grows = step / 15_000 % 2 == 0;
            let key = key(rng.u64(0..20_000));
            if rng.u8(0..10) < if grows { 8 } else { 1 } {
                slots.entry(&key).busy = Some(step);
                sorted.insert(key, step);
            } else if let Some((key, _)) = sorted.range(key..).next().map(|(key, at)| (key.clone(), *at)) {
                slots.remove(&key);
                sorted.remove(&key);
            }
            if rng.u16(0..2_000) == 0 {
                while !slots.order_more(100) {}
                let all = slots.range((Bound::Unbounded, Bound::Unbounded));
                let all = all.map(|(key, slot)| (key.clone(), slot.busy.unwrap()));
                assert!(all.eq(sorted.clone()), "LAYERSTORE_SEED={seed}");
            }
        }
        assert_eq!(slots.iter().count(), sorted.len());
        for (key, at) in &sorted {
            assert_eq!(slots.get(key).unwrap().busy, Some(*at));
            assert_eq!(slots.get_mut(key).unwrap().busy, Some(*at));
        }
        for key in sorted.keys() {
            slots.remove(key);
        }
        assert!(slots.get(&key(1)).is_none() && slots.iter().next().is_none() && slots.order.is_empty());
    }

    #[test]
    fn room_is_kept_for_what_comes_again_and_given_back_when_it_does_not() {
        let mut slots = Slots::default();
        let many = 2 * SPARSE * CHUNK;
        let come_and_go = |slots: &mut Slots, count: usize, times: usize| {
            for _ in 0..times {
                let keys: Vec<Key> = (0..count as u64).map(key).collect();
                keys.iter().for_each(|key| slots.entry(key).busy = Some(1));
                keys.iter().for_each(|key| slots.remove(key));
            }
        };
        come_and_go(&mut slots, many, 3);
        assert_eq!(slots.total(), many);
        come_and_go(&mut slots, 10, many / 10 + 1);
        assert!(slots.total() <= CHUNK, "{} places", slots.total());
    }

    #[test]
    fn the_order_is_not_kept_up_when_nobody_scans() {
        let mut slots = Slots::default();
        slots.entry(&key(0));
        assert!(slots.order_more(1) && slots.order.len() == 1);
        slots.remove(&key(0));
        slots.entry(&key(0));
        assert_eq!(slots.order.len(), 1, "kept up");
        for _ in 0..=UNUSED {
            slots.remove(&key(0));
            slots.entry(&key(0));
        }
        assert!(slots.order.is_empty());
        assert!(slots.order_more(1) && slots.order.len() == 1);
    }
}
