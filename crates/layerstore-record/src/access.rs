use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Millis;

thread_local! {
    /// Which of many hits are counted. Not for secrets: a thread's are the same in every run.
    static DICE: Cell<u32> = const { Cell::new(0x9e37_79b9) };
}

/// How often and when a record was read. An atomic beside the record: touching never writes a record back.
///
/// Kept with relaxed loads and stores, so concurrent touches may be lost; they steer eviction, nothing else.
/// Up to 512 hits each is counted; after *n* of them one in *n*/256 is, for as many (rounded down to a power of two), which is right within some
/// 5 %, takes two bytes, and leaves the cache line of a hot record to its readers. (R. Morris, *Counting large numbers of events in small
/// registers*, 1978.)
#[derive(Debug, Default)]
pub struct AccessStats {
    /// When, in milliseconds (48 bits, until the year 10889), and below that how often, as [`Hits`].
    word: AtomicU64,
}

/// How many hits, as they are kept: a step of it stands for one hit up to 512, and for twice as many after every 256 steps more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
struct Hits(u16);

/// A word of [`AccessStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Access {
    last: Millis,
    hits: Hits,
}

impl AccessStats {
    /// Starts with a record that was last read at `now`, and never hit.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        let access = Access {
            last: now,
            hits: Hits::NONE,
        };
        Self {
            word: AtomicU64::new(access.to_word()),
        }
    }

    /// Counts a hit at `now`.
    pub fn touch(&self, now: Millis) {
        let before = self.access();
        let after = Access {
            last: before.last.max(now),
            hits: before.hits.after_one(),
        };
        // Left out where it would change nothing, so that a hot record's cache line stays shared.
        if after != before {
            self.store(after);
        }
    }

    /// Returns how many hits were counted.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.access().hits.number()
    }

    /// Returns when the record was last read (or made, if it never was).
    #[must_use]
    pub fn last_access(&self) -> Millis {
        self.access().last
    }

    /// Takes over the counts of the record that this one replaces.
    pub fn carry_over(&self, from: &Self) {
        self.carry_over_at(from, from.last_access());
    }

    /// Takes over the counts of the record that is replaced at `now`: what a reload allowed it for reads that were not persisted, and
    /// lies ahead, belongs to the period that ends.
    pub fn carry_over_at(&self, from: &Self, now: Millis) {
        let from = from.access();
        self.store(Access {
            last: self.last_access().max(from.last.min(now)),
            hits: from.hits,
        });
    }

    fn access(&self) -> Access {
        Access::of_word(self.word.load(Ordering::Relaxed))
    }

    fn store(&self, access: Access) {
        self.word.store(access.to_word(), Ordering::Relaxed);
    }
}

impl Access {
    const LAST: u64 = u64::MAX >> u16::BITS;

    fn of_word(word: u64) -> Self {
        let [low, high, ..] = word.to_le_bytes();
        Self {
            last: Millis(word >> u16::BITS),
            hits: Hits(u16::from_le_bytes([low, high])),
        }
    }

    fn to_word(self) -> u64 {
        self.last.0.min(Self::LAST) << u16::BITS | u64::from(self.hits.0)
    }
}

impl Hits {
    const NONE: Self = Self(0);

    /// Steps of one size.
    const STEPS: u16 = 256;

    /// As many as a `u32` has.
    const MOST: Self = Self(25 * Self::STEPS - 1);

    /// Returns for how many hits, as a power of two, the next step stands.
    fn doublings(self) -> u16 {
        (self.0 / Self::STEPS).saturating_sub(1)
    }

    fn number(self) -> u32 {
        let steps = u32::from(self.0 - self.doublings() * Self::STEPS);
        steps << self.doublings()
    }

    /// Counts one more, or not.
    fn after_one(self) -> Self {
        if self < Self::MOST && (self.doublings() == 0 || falls(1 << self.doublings())) {
            Self(self.0 + 1)
        } else {
            self
        }
    }
}

/// Throws dice that fall once in so many throws, a power of two. (G. Marsaglia, *Xorshift RNGs*, 2003.)
fn falls(once_in: u32) -> bool {
    DICE.with(|dice| {
        let mut thrown = dice.get();
        thrown ^= thrown << 13;
        thrown ^= thrown >> 17;
        thrown ^= thrown << 5;
        dice.set(thrown);
        thrown & (once_in - 1) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hits_are_counted_one_by_one_and_many_within_a_quarter() {
        let stats = AccessStats::new(Millis(1));
        for number in 1..=512 {
            stats.touch(Millis(2));
            assert_eq!(stats.hits(), number);
        }
        for number in 513..=1_000_000_u32 {
            stats.touch(Millis(2));
            let counted = stats.hits();
            assert!(
                counted > number / 4 * 3 && counted < number / 4 * 5,
                "{counted} of {number}"
            );
        }
    }

    #[test]
    fn each_step_adds_what_it_stands_for_up_to_the_most() {
        for step in 0..Hits::MOST.0 {
            let (before, after) = (Hits(step), Hits(step + 1));
            assert_eq!(
                after.number() - before.number(),
                1 << before.doublings(),
                "{before:?}"
            );
        }
        assert!(Hits::MOST.number() > u32::MAX / 256 * 255);
        assert!((0..1_000).all(|_| Hits::MOST.after_one() == Hits::MOST));
    }

    #[test]
    fn dice_fall_as_often_as_they_are_to() {
        for once_in in [2, 16, 1_024] {
            let fallen = (0..1_000 * once_in).filter(|_| falls(once_in)).count();
            assert!(
                (800..1_200).contains(&fallen),
                "{fallen} of a thousand, one in {once_in}"
            );
        }
    }

    #[test]
    fn a_time_beyond_what_is_kept_is_the_last_there_is() {
        let stats = AccessStats::new(Millis(7));
        stats.touch(Millis(u64::MAX));
        assert_eq!((stats.last_access(), stats.hits()), (Millis((1 << 48) - 1), 1));
    }
}
