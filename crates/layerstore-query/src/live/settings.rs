use std::sync::Arc;

use layerstore_record::{Clock, MapName, SystemClock};

use super::LiveQuery;
use crate::query::Query;

/// How many records a live query may mean unless told otherwise: it holds all of them, those beyond its limit included.
pub const DEFAULT_MAX_RECORDS: usize = 10_000;
/// How many events are kept for subscribers that are behind or away unless told otherwise; each holds its record.
pub const DEFAULT_MAX_EVENTS: usize = 10_000;

/// Puts a [`LiveQuery`] together.
#[derive(Clone)]
#[must_use]
pub struct LiveQueryBuilder {
    pub(super) name: String,
    pub(super) map: MapName,
    pub(super) query: Query,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) max_records: usize,
    pub(super) max_events: usize,
}

impl LiveQueryBuilder {
    pub(super) fn new(name: String, map: MapName, query: Query) -> Self {
        Self {
            name,
            map,
            query,
            clock: Arc::new(SystemClock),
            max_records: DEFAULT_MAX_RECORDS,
            max_events: DEFAULT_MAX_EVENTS,
        }
    }

    /// Takes the time from this clock, which should be that of the record stores.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how many records it may mean.
    pub fn max_records(mut self, records: usize) -> Self {
        self.max_records = records;
        self
    }

    /// Sets how many events are kept for subscribers that are behind or away, at least one.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events.max(1);
        self
    }

    /// Makes the live query.
    #[must_use]
    pub fn build(self) -> LiveQuery {
        LiveQuery::new(self)
    }
}
