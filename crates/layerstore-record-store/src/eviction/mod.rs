//! Which record leaves memory: the policies of clause S8, each pure and small.

mod ghost;
mod lfu;
mod lru;
mod none;
mod policy;
mod random;
mod two_segment;

pub use lfu::LeastFrequentlyUsed;
pub use lru::LeastRecentlyUsed;
pub use none::NoEviction;
pub use policy::{Candidate, EvictionPolicy};
pub use random::RandomEviction;
pub use two_segment::TwoSegment;
