use super::policy::{Candidate, EvictionPolicy};

/// How many records are drawn: a few, since some may be in use by a writer.
const SAMPLE: usize = 4;

/// Evicts any record: the cheapest choice, and a good one where reads are uniform.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomEviction;

impl EvictionPolicy for RandomEviction {
    fn name(&self) -> &'static str {
        "random"
    }

    fn sample_size(&self) -> usize {
        SAMPLE
    }

    fn choose(&self, candidates: &[Candidate], rng: &mut fastrand::Rng) -> Option<usize> {
        (!candidates.is_empty()).then(|| rng.usize(..candidates.len()))
    }
}
