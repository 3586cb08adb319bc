use std::collections::VecDeque;
use std::ops::Bound;

use layerstore_data_store::{BackoffPolicy, ErrorKind, MapDataStore, ScanRequest, StoreError, retry};
use layerstore_record::{Key, MapName, Record};

use super::pause::TimerPause;

/// How many records are read at a time.
const PAGE: usize = 1_000;

/// The records and tombstones of a map in key order, a page ahead. Reads that fail are tried again.
pub(super) struct Pages<'a> {
    store: &'a dyn MapDataStore,
    map: &'a MapName,
    ready: VecDeque<(Key, Record)>,
    /// Where the next page starts; `None` after the last.
    next: Option<Bound<Key>>,
    rng: fastrand::Rng,
}

impl<'a> Pages<'a> {
    pub(super) fn new(store: &'a dyn MapDataStore, map: &'a MapName, rng: fastrand::Rng) -> Self {
        Self {
            store,
            map,
            ready: VecDeque::new(),
            next: Some(Bound::Unbounded),
            rng,
        }
    }

    /// Returns the key of the next record, reading on where need be.
    pub(super) async fn key(&mut self) -> Result<Option<Key>, StoreError> {
        while self.ready.is_empty()
            && let Some(start) = self.next.take()
        {
            self.read(start).await?;
        }
        Ok(self.ready.front().map(|(key, _)| key.clone()))
    }

    /// Takes the record whose key was returned.
    pub(super) fn take(&mut self) -> Option<(Key, Record)> {
        self.ready.pop_front()
    }

    async fn read(&mut self, start: Bound<Key>) -> Result<(), StoreError> {
        let request = ScanRequest::first(PAGE).with_tombstones().from(start.clone());
        let (store, map) = (self.store, self.map);
        let scan = async || store.scan_page(map, request.clone()).await;
        let page = retry(
            BackoffPolicy::default(),
            &mut self.rng,
            &mut TimerPause::begin(),
            scan,
        )
        .await?;
        if let Some(next) = &page.next {
            let rises = match &start {
                Bound::Unbounded => true,
                Bound::Included(start) | Bound::Excluded(start) => next > start,
            };
            if !rises {
                // It would go on for ever.
                let what = "a page leads back to where it began: the store breaks its contract";
                return Err(StoreError::new(ErrorKind::Corrupt, store.name(), "scan", what).in_map(map));
            }
        }
        self.next = page.next.map(Bound::Excluded);
        self.ready = page.records.into();
        Ok(())
    }
}
