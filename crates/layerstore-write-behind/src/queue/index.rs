//! Where the slot of a key is: a hash table of places alone. The keys stand in the slots, which whoever asks wants to see anyway, so that the
//! table stays small enough for a processor's cache, and grows without a look at any key.

use hashbrown::HashTable;

/// More places than these are not told apart: they would take more than half a terabyte.
pub(crate) const MOST_PLACES: usize = (u32::MAX / 2) as usize;

/// The places of the slots of a map, by the hashes of their keys.
#[derive(Debug, Default)]
pub(super) struct Index {
    table: HashTable<Entry>,
}

/// What a place takes in the table, in bytes, with the table's own byte of it; a table may be a little less than half full.
pub(super) const INDEX_BYTES: usize = 5 * (size_of::<Entry>() + 1) / 2;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    place: u32,
}

impl Entry {
    /// Fills all 64 bits: the table takes the lower ones for where to look, and the upper ones for what to look at.
    fn spread(hash: u32) -> u64 {
        (u64::from(hash) << 32) | u64::from(hash)
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns the place among those of a hash that is the right one.
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let entry = self.table.find(Entry::spread(hash), |entry| {
            entry.hash == hash && is_it(entry.place as usize)
        });
        entry.map(|entry| entry.place as usize)
    }

    /// Adds a place, below [`MOST_PLACES`], that is not there yet.
    pub(super) fn insert(&mut self, hash: u32, place: usize) {
        debug_assert!(place < MOST_PLACES);
        #[expect(clippy::cast_possible_truncation, reason = "less than `MOST_PLACES`")]
        let place = place as u32;
        self.table
            .insert_unique(Entry::spread(hash), Entry { hash, place }, |entry| {
                Entry::spread(entry.hash)
            });
    }

    /// Takes the place among those of a hash out that is the right one.
    pub(super) fn remove(&mut self, hash: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let is_it = |entry: &Entry| entry.hash == hash && is_it(entry.place as usize);
        let entry = self.table.find_entry(Entry::spread(hash), is_it).ok()?;
        Some(entry.remove().0.place as usize)
    }

    /// Forgets all places, and gives back what more than `most` would need.
    pub(super) fn clear(&mut self, most: usize) {
        self.table.clear();
        self.table.shrink_to(most, |entry| Entry::spread(entry.hash));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_one_hash_are_told_apart_also_when_the_table_has_grown() {
        let (mut index, count) = (Index::default(), 3_000);
        let hash_of = |place: usize| u32::try_from(place % 7).unwrap();
        (0..count).for_each(|place| index.insert(hash_of(place), place));
        for place in 0..count {
            assert_eq!(index.find(hash_of(place), |at| at == place), Some(place));
            assert_eq!(index.find(hash_of(place + 1), |at| at == place), None);
        }
        for place in (0..count).step_by(2) {
            assert_eq!(index.remove(hash_of(place), |at| at == place), Some(place));
            assert_eq!(index.remove(hash_of(place), |at| at == place), None);
        }
        assert_eq!(index.len(), count / 2);
        let found = (0..count).filter(|place| index.find(hash_of(*place), |at| at == *place).is_some());
        assert!(found.eq((1..count).step_by(2)));
    }

    #[test]
    fn an_emptied_table_gives_back_its_room() {
        let mut index = Index::default();
        (0..1_000).for_each(|place| index.insert(7, place));
        index.clear(0);
        assert_eq!((index.len(), index.find(7, |_| true)), (0, None));
        assert_eq!(index.table.capacity(), 0);
    }
}
