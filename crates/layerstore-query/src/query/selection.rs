use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_record::{Key, Record};

use crate::order::{Order, Place};
use crate::term::Term;

/// The first records of those that are offered, in order: no more than the limit are held.
pub(super) struct Selection {
    chosen: BTreeMap<Place, Arc<Record>>,
    limit: usize,
}

impl Selection {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            chosen: BTreeMap::new(),
            limit: limit.unwrap_or(usize::MAX),
        }
    }

    pub(super) fn offer(&mut self, order: Option<&Order>, key: &Key, record: Arc<Record>) {
        self.chosen.insert(Place::of(order, key, &record), record);
        if self.chosen.len() > self.limit {
            self.chosen.pop_last();
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn is_full(&self) -> bool {
        self.chosen.len() >= self.limit
    }

    /// Tells whether it is full, and the last record stands before whatever has this value or a later one; `None` where nothing has.
    pub(super) fn is_full_before(&self, next: Option<&Term>) -> bool {
        let last = || self.chosen.last_key_value().map(|(place, _)| place);
        self.is_full() && next.is_none_or(|next| last().is_some_and(|last| last.is_before(next)))
    }

    /// Tells whether all that was chosen has keys up to this one.
    pub(super) fn is_before_key(&self, key: Option<&Key>) -> bool {
        key.is_some_and(|key| self.chosen.keys().all(|place| place.key <= *key))
    }

    pub(super) fn into_records(self) -> Vec<(Key, Arc<Record>)> {
        let records = self.chosen.into_iter();
        records.map(|(place, record)| (place.key, record)).collect()
    }
}
