use std::sync::Arc;

use layerstore_record::Cost;
use thiserror::Error;

use super::ChangeFeed;
use super::ring::Ring;
use super::shared::Shared;

/// How many changes the ring holds unless told otherwise: some seconds of a busy map.
pub const DEFAULT_MAX_RECORDS: usize = 10_000;
/// The memory that the ring's changes keep alive at most unless told otherwise: 16 MiB.
pub const DEFAULT_MAX_COST: Cost = Cost(16 << 20);
/// How many subscriptions there may be unless told otherwise. Each takes some 100 bytes, and is woken by every change.
pub const DEFAULT_MAX_SUBSCRIPTIONS: usize = 1_024;

/// Puts a [`ChangeFeed`] together.
#[derive(Debug, Clone)]
#[must_use]
pub struct ChangeFeedBuilder {
    name: String,
    max_records: usize,
    max_cost: Cost,
    max_subscriptions: usize,
    first_number: u64,
    sources: Option<usize>,
    memory_events: bool,
}

/// A setting of a change feed that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("change feed {feed:?}: {setting} must be at least 1")]
pub struct InvalidChangeFeed {
    /// The feed.
    pub feed: String,
    /// The setting.
    pub setting: &'static str,
}

impl ChangeFeedBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            max_records: DEFAULT_MAX_RECORDS,
            max_cost: DEFAULT_MAX_COST,
            max_subscriptions: DEFAULT_MAX_SUBSCRIPTIONS,
            first_number: 1,
            sources: None,
            memory_events: false,
        }
    }

    /// Sets how many changes the ring holds at most.
    pub fn max_records(mut self, records: usize) -> Self {
        self.max_records = records;
        self
    }

    /// Sets the memory that the ring's changes keep alive at most. A single change above it is never kept: every
    /// subscriber gets a `Lagged` in its place.
    pub fn max_cost(mut self, cost: Cost) -> Self {
        self.max_cost = cost;
        self
    }

    /// Sets how many subscriptions there may be at a time.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.max_subscriptions = subscriptions;
        self
    }

    /// Sets the number of the first change (default 1).
    pub fn first_number(mut self, number: u64) -> Self {
        self.first_number = number;
        self
    }

    /// Sets how many record stores, one per map and partition, tell this feed: it closes when that many different ones
    /// were destroyed. Unless told, it closes when all were destroyed that ever told it of a change, which is too
    /// early where another one has been silent so far.
    pub fn sources(mut self, sources: usize) -> Self {
        self.sources = Some(sources);
        self
    }

    /// Takes in evict, load and reset too, which change memory alone.
    pub fn with_memory_events(mut self) -> Self {
        self.memory_events = true;
        self
    }

    /// Makes the feed.
    ///
    /// # Errors
    /// [`InvalidChangeFeed`] when a bound, the first number or the count of sources is 0.
    pub fn build(self) -> Result<ChangeFeed, InvalidChangeFeed> {
        let settings = [
            ("max_records", self.max_records == 0),
            ("max_cost", self.max_cost == Cost::ZERO),
            ("max_subscriptions", self.max_subscriptions == 0),
            ("first_number", self.first_number == 0),
            ("sources", self.sources == Some(0)),
        ];
        if let Some((setting, _)) = settings.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(InvalidChangeFeed {
                feed: self.name,
                setting,
            });
        }
        let ring = Ring::new(self.first_number, self.max_records, self.max_cost);
        Ok(ChangeFeed {
            name: self.name,
            memory_events: self.memory_events,
            shared: Arc::new(Shared::new(ring, self.sources, self.max_subscriptions)),
        })
    }
}
