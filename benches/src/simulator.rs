//! Plays a trace through a cache of so many records, and counts how many requests it could have answered.

mod exact_lru;
mod sampled;

use crate::trace::Trace;

pub use exact_lru::ExactLru;
pub use sampled::{Sampled, eviction};

/// A cache under test.
pub trait Cache {
    /// Asks for a key, and brings it in where it is missing; tells whether it was there.
    fn request(&mut self, key: u64) -> bool;
}

/// Returns the share of the requests that the cache answers, from an empty cache on, in percent.
#[must_use]
pub fn hit_ratio(trace: &Trace, cache: &mut dyn Cache) -> f64 {
    let hits = trace.keys().iter().filter(|key| cache.request(**key)).count();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a trace has far fewer requests than 2^52"
    )]
    let share = hits as f64 / trace.keys().len().max(1) as f64;
    share * 100.0
}

/// Returns how many records a cache holds that has room for one key in `part`, at least one.
#[must_use]
pub fn capacity(trace: &Trace, part: usize) -> usize {
    (trace.footprint() / part).max(1)
}
