use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_record::{Key, Record};

use crate::order::{Order, Place};

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

    pub(super) fn into_records(self) -> Vec<(Key, Arc<Record>)> {
        let records = self.chosen.into_iter();
        records.map(|(place, record)| (place.key, record)).collect()
    }
}
