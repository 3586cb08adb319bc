use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerstore_record::Cost;

use super::slots::Slots;

/// Into how many tallies the counts of a level are split, so that writers seldom meet in one.
const MAX_TALLIES: usize = 16;

/// How many stripes share a tally at most.
const STRIPES_A_TALLY: usize = 16;

/// How many times more stripes each level has than the one before, as a power of two.
const BITS_A_LEVEL: u32 = 4;

/// The last level: 256 stripes.
pub(super) const LAST_LEVEL: u32 = 2;

/// How many records a stripe of the first level holds before the map goes to the next one. A lock is hardly ever
/// waited for in a map this small, and moving the records takes some microseconds.
const FIRST_CAPACITY: usize = 64;

/// The same for the other levels: 16 stripes serve up to about 4,000 records.
const CAPACITY: usize = 256;

/// A set of stripes, and the counts of what they hold.
pub(super) struct Level {
    number: u32,
    stripes: Box<[Stripe]>,
    tallies: Box<[Tally]>,
}

/// The stripe of a key, locked, with its counts.
pub(super) struct LockedStripe<'a> {
    pub(super) slots: MutexGuard<'a, Slots>,
    level: &'a Level,
    index: usize,
}

/// Orders the mutations of its keys, and lists their records. Alone on its cache lines.
#[derive(Default)]
#[repr(align(64))]
struct Stripe(Mutex<Slots>);

/// Counts what some stripes hold. Alone on its cache lines. Written under the stripes' locks, read without.
#[derive(Default)]
#[repr(align(64))]
struct Tally {
    /// How many slots there are, gaps included: a cache line of its own for those who sample.
    extents: [AtomicU32; STRIPES_A_TALLY],
    lens: [AtomicU32; STRIPES_A_TALLY],
    cost: AtomicU64,
}

impl Level {
    pub(super) fn new(number: u32) -> Self {
        let width = 1_usize << (number * BITS_A_LEVEL);
        Self {
            number,
            stripes: (0..width).map(|_| Stripe::default()).collect(),
            tallies: (0..width.min(MAX_TALLIES)).map(|_| Tally::default()).collect(),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn width(&self) -> usize {
        self.stripes.len()
    }

    /// Returns the stripe of a hash. A stripe's keys are spread over neighbours at the next level:
    /// stripe `s` becomes the stripes `16 s` to `16 s + 15`.
    pub(super) fn index_of(&self, hash: u64) -> usize {
        // Neither the low bits nor the top seven: the map places its entries by those.
        let [.., byte, _, _] = hash.to_le_bytes();
        usize::from(byte) >> ((LAST_LEVEL - self.number) * BITS_A_LEVEL)
    }

    /// Returns which stripe of this level is the first with keys of `stripe` of an earlier level.
    pub(super) fn first_of(&self, stripe: usize, level: u32) -> usize {
        stripe << (self.number.saturating_sub(level) * BITS_A_LEVEL)
    }

    pub(super) fn lock(&self, index: usize) -> LockedStripe<'_> {
        // A panic of a caller's closure leaves the slots whole: it runs before anything changes.
        let slots = self.stripes[index]
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        LockedStripe {
            slots,
            level: self,
            index,
        }
    }

    /// Returns how many records stripe `index` holds.
    pub(super) fn len_of(&self, index: usize) -> usize {
        let (tally, at) = self.tally(index);
        tally.lens[at].load(Ordering::Relaxed) as usize
    }

    /// Returns how many slots each stripe has, gaps included.
    pub(super) fn extents(&self) -> impl Iterator<Item = usize> {
        let counts = self
            .tallies
            .iter()
            .flat_map(|tally| &tally.extents[..self.stripes_a_tally()]);
        counts.map(|extent| extent.load(Ordering::Relaxed) as usize)
    }

    pub(super) fn len(&self) -> usize {
        let counts = self.tallies.iter().flat_map(|tally| &tally.lens);
        counts.map(|len| len.load(Ordering::Relaxed) as usize).sum()
    }

    pub(super) fn cost(&self) -> Cost {
        self.tallies
            .iter()
            .map(|tally| Cost(tally.cost.load(Ordering::Relaxed)))
            .sum()
    }

    fn tally(&self, index: usize) -> (&Tally, usize) {
        let share = self.stripes_a_tally();
        (&self.tallies[index / share], index % share)
    }

    fn stripes_a_tally(&self) -> usize {
        self.stripes.len() / self.tallies.len()
    }
}

impl LockedStripe<'_> {
    /// Notes a record that was added.
    pub(super) fn charge(&self, cost: Cost) {
        self.count();
        self.recharge(Cost::ZERO, cost);
    }

    /// Notes a record that was taken out.
    pub(super) fn discharge(&self, cost: Cost) {
        self.count();
        self.recharge(cost, Cost::ZERO);
    }

    /// Notes that a record of cost `old` became one of cost `new`.
    pub(super) fn recharge(&self, old: Cost, new: Cost) {
        if old != new {
            let (tally, _) = self.level.tally(self.index);
            // Other stripes share the sum of costs. What is taken away was added before, so it never passes zero.
            tally.cost.fetch_add(new.0.wrapping_sub(old.0), Ordering::Relaxed);
        }
    }

    /// Notes how many records and slots the stripe has.
    pub(super) fn count(&self) {
        let (tally, at) = self.level.tally(self.index);
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        tally.lens[at].store(count(self.slots.len()), Ordering::Relaxed);
        tally.extents[at].store(count(self.slots.extent()), Ordering::Relaxed);
    }

    /// Lets the stripe go; answers with the level if that should make way for the next one.
    pub(super) fn release(self) -> Option<u32> {
        let capacity = if self.level.number == 0 {
            FIRST_CAPACITY
        } else {
            CAPACITY
        };
        let crowded = self.level.number < LAST_LEVEL && self.slots.len() > capacity;
        crowded.then_some(self.level.number)
    }
}
