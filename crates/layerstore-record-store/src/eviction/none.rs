use super::policy::{Candidate, EvictionPolicy};

/// Evicts nothing: a full memory refuses writes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEviction;

impl EvictionPolicy for NoEviction {
    fn name(&self) -> &'static str {
        "none"
    }

    fn sample_size(&self) -> usize {
        0
    }

    fn choose(&self, _candidates: &[Candidate], _rng: &mut fastrand::Rng) -> Option<usize> {
        None
    }
}
