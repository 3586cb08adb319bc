use std::cmp::Reverse;

use super::policy::{Candidate, EvictionPolicy};

/// How many records are drawn.
const SAMPLE: usize = 16;

/// Evicts the record that was read least often, among those drawn; of equals the one not read for the longest.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeastFrequentlyUsed;

impl EvictionPolicy for LeastFrequentlyUsed {
    fn name(&self) -> &'static str {
        "lfu"
    }

    fn sample_size(&self) -> usize {
        SAMPLE
    }

    fn choose(&self, candidates: &[Candidate], _rng: &mut fastrand::Rng) -> Option<usize> {
        let least = candidates
            .iter()
            .enumerate()
            .min_by_key(|(_, one)| (one.hits, Reverse(one.idle)));
        least.map(|(index, _)| index)
    }
}
