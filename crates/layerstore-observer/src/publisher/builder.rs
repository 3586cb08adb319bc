use std::sync::{Arc, RwLock};
use std::time::Duration;

use layerstore_record::{Clock, Cost, SystemClock};

use super::EventPublisher;

/// How many events wait for a subscriber at most unless told otherwise.
pub const DEFAULT_QUEUE_EVENTS: usize = 10_000;
/// The memory that the events of one queue keep alive at most unless told otherwise: 16 MiB.
pub const DEFAULT_QUEUE_COST: Cost = Cost(16 << 20);
/// How many subscribers there may be unless told otherwise. Each is looked at for every mutation: some 20 ns.
pub const DEFAULT_MAX_SUBSCRIBERS: usize = 256;
/// How long an event may wait before its subscriber counts as stalled unless told otherwise: 5 s.
pub const DEFAULT_STALL_AFTER: Duration = Duration::from_secs(5);

/// Puts an [`EventPublisher`] together.
#[derive(Clone)]
#[must_use]
pub struct EventPublisherBuilder {
    name: String,
    clock: Arc<dyn Clock>,
    queue: QueueBounds,
    max_subscribers: usize,
    stall_after: Duration,
}

/// What a queue holds at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueBounds {
    pub(super) events: usize,
    pub(super) cost: Cost,
}

impl EventPublisherBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            clock: Arc::new(SystemClock),
            queue: QueueBounds {
                events: DEFAULT_QUEUE_EVENTS,
                cost: DEFAULT_QUEUE_COST,
            },
            max_subscribers: DEFAULT_MAX_SUBSCRIBERS,
            stall_after: DEFAULT_STALL_AFTER,
        }
    }

    /// Takes the time from this clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how many events wait for a subscriber at most.
    pub fn queue_events(mut self, events: usize) -> Self {
        self.queue.events = events;
        self
    }

    /// Sets the memory that the events of one queue keep alive at most, records shared with others included.
    pub fn queue_cost(mut self, cost: Cost) -> Self {
        self.queue.cost = cost;
        self
    }

    /// Sets how many subscribers there may be.
    pub fn max_subscribers(mut self, subscribers: usize) -> Self {
        self.max_subscribers = subscribers;
        self
    }

    /// Sets how long an event may wait before its subscriber is reported as stalled.
    pub fn stall_after(mut self, period: Duration) -> Self {
        self.stall_after = period;
        self
    }

    /// Makes the publisher.
    #[must_use]
    pub fn build(self) -> EventPublisher {
        EventPublisher {
            name: self.name,
            clock: self.clock,
            queue: self.queue,
            max_subscribers: self.max_subscribers,
            stall_after: self.stall_after,
            inboxes: RwLock::new(Arc::default()),
            sources: RwLock::default(),
        }
    }
}
