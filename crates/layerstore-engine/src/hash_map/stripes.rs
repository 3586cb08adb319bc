use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::SeedableRandomState;
use layerstore_record::Cost;

use super::Map;
use super::level::{LAST_LEVEL, Level, LockedStripe};
use super::position::Position;

const LEVELS: usize = LAST_LEVEL as usize + 1;

/// The stripes of an engine: one for a small map, then 16, then 256. They never become fewer.
pub(super) struct Stripes {
    /// Levels are made on demand and stay: the ones that were left behind are empty and small.
    levels: [OnceLock<Level>; LEVELS],
    /// The number of the level in use. Changed only under the locks of **all** stripes of that level, so whoever
    /// holds one of its stripes and finds the number unchanged knows that the stripe is in use.
    current: AtomicU32,
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self {
            levels: [const { OnceLock::new() }; LEVELS],
            current: AtomicU32::new(0),
        }
    }

    /// Returns the level in use. It may be left behind at any time.
    pub(super) fn level(&self) -> &Level {
        self.numbered(self.current.load(Ordering::Acquire))
    }

    /// Locks the stripe of the key that hashes to `hash`.
    pub(super) fn lock(&self, hash: u64) -> LockedStripe<'_> {
        loop {
            let level = self.level();
            let stripe = level.lock(level.index_of(hash));
            if self.is_current(level) {
                return stripe;
            }
        }
    }

    /// Locks the stripe where `position` stands, `None` when it stands behind the last one. A position in a level
    /// that was left behind moves to the first of the stripes that took over its stripe's records.
    pub(super) fn lock_at(&self, position: &mut Position) -> Option<LockedStripe<'_>> {
        loop {
            let level = self.level();
            position.move_to(level);
            if position.stripe >= level.width() {
                return None;
            }
            let stripe = level.lock(position.stripe);
            if self.is_current(level) {
                return Some(stripe);
            }
        }
    }

    /// Locks stripe `index` of a level, `None` when that was left behind. Who locks several does so in ascending order.
    pub(super) fn lock_in<'a>(&self, level: &'a Level, index: usize) -> Option<LockedStripe<'a>> {
        let stripe = level.lock(index);
        self.is_current(level).then_some(stripe)
    }

    pub(super) fn len(&self) -> usize {
        self.level().len()
    }

    pub(super) fn cost(&self) -> Cost {
        self.level().cost()
    }

    /// Spreads the records of level `from` over the next one, unless somebody did already.
    pub(super) fn grow(&self, from: u32, map: &Map, hasher: &SeedableRandomState) {
        let old = self.numbered(from);
        // In ascending order, as everybody who holds several: this cannot deadlock.
        let mut held: Vec<_> = (0..old.width()).map(|index| old.lock(index)).collect();
        if !self.is_current(old) {
            return;
        }
        let new = Level::new(from + 1);
        let map = map.pin();
        for placed in held.iter_mut().flat_map(|stripe| stripe.slots.take()) {
            let mut stripe = new.lock(new.index_of(hasher.hash_one(&placed.key)));
            if let Some(resident) = map.get(&placed.key) {
                resident.set_place(stripe.slots.add(placed.key.clone(), placed.record));
                stripe.charge(resident.cost(&placed.key));
            }
        }
        // Made here and nowhere else, under the locks of the level before: it cannot be there yet.
        let _ = self.levels[new_index(from)].set(new);
        self.current.store(from + 1, Ordering::Release);
    }

    fn is_current(&self, level: &Level) -> bool {
        self.current.load(Ordering::Acquire) == level.number()
    }

    fn numbered(&self, number: u32) -> &Level {
        self.levels[number as usize].get_or_init(|| Level::new(number))
    }
}

fn new_index(from: u32) -> usize {
    from as usize + 1
}
