use std::fmt;
use std::sync::Arc;

use layerstore_record::{Clock, NodeId, SystemClock};

/// How many keys that came back from cold are remembered, by default: a few megabytes.
pub const DEFAULT_REMEMBERED: usize = 100_000;

/// What a read of an archived record does besides answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Promotion {
    /// Brings the record back to hot, if this store has claimed the map. What keeps it from that is logged: the read stands.
    #[default]
    OnRead,
    /// Leaves it in cold. [`TieredDataStore::promote`](crate::TieredDataStore::promote) brings it back.
    OnDemand,
}

/// How a [`TieredDataStore`](crate::TieredDataStore) reads time, and what it does when it reads.
#[derive(Clone)]
#[non_exhaustive]
pub struct TieredOptions {
    /// The clock by which records are old enough to be archived, and from which cold's versions are taken.
    pub clock: Arc<dyn Clock>,
    /// Tells this store's versions in cold from those of others.
    pub node: NodeId,
    /// What a read of an archived record does besides answering. Scans bring nothing back.
    pub promotion: Promotion,
    /// How many keys that came back are remembered, so that they are not archived again at once. The oldest are forgotten.
    pub remembered: usize,
}

impl Default for TieredOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            node: NodeId::random(),
            promotion: Promotion::default(),
            remembered: DEFAULT_REMEMBERED,
        }
    }
}

impl TieredOptions {
    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the node id of cold's versions.
    #[must_use]
    pub fn node(mut self, node: NodeId) -> Self {
        self.node = node;
        self
    }

    /// Sets what a read of an archived record does.
    #[must_use]
    pub fn promotion(mut self, promotion: Promotion) -> Self {
        self.promotion = promotion;
        self
    }

    /// Sets how many keys that came back are remembered; 0 counts as 1.
    #[must_use]
    pub fn remembered(mut self, keys: usize) -> Self {
        self.remembered = keys.max(1);
        self
    }
}

impl fmt::Debug for TieredOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredOptions")
            .field("node", &self.node)
            .field("promotion", &self.promotion)
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}
