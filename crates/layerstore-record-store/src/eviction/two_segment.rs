use std::sync::LazyLock;

use super::ghost::Ghosts;
use super::policy::{Candidate, EvictionPolicy};
use layerstore_record::Millis;

/// How many records are drawn.
const SAMPLE: usize = 32;
/// How many hits end a record's probation.
const PROMOTION: u32 = 2;
/// Probation is drained while it is above this share of memory, in percent; below it the main segment gives.
const PROBATION_FLOOR: usize = 10;
/// Above this share of memory in probation, its records are the only candidates, in percent.
const PROBATION_CEILING: usize = 25;
/// How many keys are remembered after they left, unless said otherwise: 65,536, in 256 KB.
const GHOSTS: usize = 65_536;

/// Evicts from two segments, told apart by their hits: records on probation, and those that were read twice.
///
/// Probation keeps 10 to 25 % of memory, so that a scan passes through it without washing out what is read often; of 32 records
/// that are drawn, those four leave that have the greatest idle time over `ln(2 + hits)`. A key that comes back soon after
/// it was evicted skips probation. After S3-FIFO (Yang et al., 2023) and Hyperbolic caching (Blankstein et al., 2017).
#[derive(Debug)]
pub struct TwoSegment {
    ghosts: Ghosts,
}

impl TwoSegment {
    /// Remembers at least `keys` evicted keys, in 4 bytes each; about as many as fit in memory is best.
    #[must_use]
    pub fn with_ghosts(keys: usize) -> Self {
        Self {
            ghosts: Ghosts::new(keys.max(1)),
        }
    }
}

impl Default for TwoSegment {
    fn default() -> Self {
        Self::with_ghosts(GHOSTS)
    }
}

impl EvictionPolicy for TwoSegment {
    fn name(&self) -> &'static str {
        "two-segment"
    }

    fn sample_size(&self) -> usize {
        SAMPLE
    }

    fn choose(&self, candidates: &[Candidate], _rng: &mut fastrand::Rng) -> Option<usize> {
        let on_probation = candidates.iter().filter(|one| is_on_probation(one)).count();
        // The sample stands for the whole: its share on probation is that of memory, give or take.
        let share = on_probation * 100 / candidates.len().max(1);
        let eligible = |one: &Candidate| match share {
            ..PROBATION_FLOOR => !is_on_probation(one),
            PROBATION_CEILING.. => is_on_probation(one),
            _ => true,
        };
        let eligible = candidates.iter().enumerate().filter(|(_, one)| eligible(one));
        // Each is weighed once, not once a comparison.
        let weighed = eligible.map(|(index, one)| (index, worth(one)));
        weighed
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(index, _)| index)
    }

    fn evicted(&self, hash: u64, _now: Millis) {
        self.ghosts.remember(hash);
    }

    fn admitted(&self, hash: u64) -> u32 {
        if self.ghosts.recall(hash) { PROMOTION } else { 0 }
    }
}

fn is_on_probation(candidate: &Candidate) -> bool {
    candidate.hits < PROMOTION
}

/// How much evicting this record is worth: the longer idle and the less read, the more.
fn worth(candidate: &Candidate) -> f64 {
    let idle = u32::try_from(candidate.idle).unwrap_or(u32::MAX);
    // A record read within this very millisecond still differs from others by its hits.
    (f64::from(idle) + 1.0) / divisor(candidate.hits)
}

/// Returns `ln(2 + hits)`; of few hits it is worked out once, since a logarithm takes as long as all else here.
fn divisor(hits: u32) -> f64 {
    static OF_FEW: LazyLock<[f64; 64]> = LazyLock::new(|| {
        let mut few = (0_u32..).map(logarithm);
        std::array::from_fn(|_| few.next().unwrap_or_default())
    });
    let few = usize::try_from(hits).ok().and_then(|hits| OF_FEW.get(hits));
    few.copied().unwrap_or_else(|| logarithm(hits))
}

fn logarithm(hits: u32) -> f64 {
    (2.0 + f64::from(hits)).ln()
}
