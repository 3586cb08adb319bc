//! Reads: what is pending first, then what the store behind has.

use std::collections::BTreeMap;

use layerstore_data_store::{ErrorKind, Include, ScanPage, ScanRequest, StoreError};
use layerstore_record::{Key, MapName, Record};

use tokio::time::Instant;

use crate::STORE;
use crate::queue::{OverlayPage, Seen};
use crate::shared::Shared;

/// How often a reader looks again for what left the log while it was about to read it there.
const LOOKS: usize = 3;

impl Shared {
    pub(crate) async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.check_open("load")?;
        match self.pending(map, key, "load").await? {
            Some(found) => Ok(found),
            None => self.inner.load(map, key).await,
        }
    }

    pub(crate) async fn load_all(
        &self,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        self.check_open("load_all")?;
        let mut found: Vec<Option<Record>> = keys.iter().map(|_| None).collect();
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (place, key) in keys.iter().enumerate() {
            match self.pending(map, key, "load_all").await? {
                Some(pending) => found[place] = pending,
                None => {
                    asked.push(key.clone());
                    places.push(place);
                }
            }
        }
        if !asked.is_empty() {
            let loaded = self.inner.load_all(map, &asked).await?;
            for (place, record) in places.into_iter().zip(loaded) {
                found[place] = record;
            }
        }
        Ok(found)
    }

    /// Returns what a key holds by what is pending: none where nothing is, so that the store behind decides.
    async fn pending(
        &self,
        map: &MapName,
        key: &Key,
        operation: &'static str,
    ) -> Result<Option<Option<Record>>, StoreError> {
        for _ in 0..LOOKS {
            let seen = self.queue().get(map, key, self.clock.now());
            match seen {
                None => return Ok(None),
                Some(Seen::Ended) => return Ok(Some(None)),
                Some(Seen::Record(record)) => return Ok(Some(Some(copy(&record)))),
                Some(Seen::Unsure) => self.make_sure(map, key, operation).await?,
                Some(Seen::Spilled(sequence)) => {
                    let read = self.read_back(&[sequence]).await;
                    let read = read
                        .map_err(|error| error.into_store_error(STORE, operation).in_map(map).at_key(key))?;
                    if let Some(entry) = read.into_iter().next() {
                        return Ok(Some(Some(copy(&entry.record))));
                    }
                }
            }
        }
        let what = "what the log holds of the key changes faster than it can be read";
        Err(self
            .error(ErrorKind::Unavailable, operation, what)
            .in_map(map)
            .at_key(key))
    }

    /// Waits until it is known whether what is pending of a key is newer than what the store behind has: what the log gave back may be older.
    pub(crate) async fn make_sure(
        &self,
        map: &MapName,
        key: &Key,
        operation: &'static str,
    ) -> Result<(), StoreError> {
        self.hurry();
        let deadline = Instant::now() + self.options.call_timeout;
        if !self
            .wait_until(deadline, |queue| !queue.waits_to_be_sure(map, key))
            .await
        {
            let what = "the log holds a write of the key, and the store behind, which may hold a newer one, does not answer";
            return Err(self
                .error(ErrorKind::Unavailable, operation, what)
                .in_map(map)
                .at_key(key));
        }
        let is_dead = self.queue().is_dead_unsure(map, key);
        if is_dead {
            let stored = self.inner.load(map, key).await?;
            let done = self
                .queue()
                .compare_dead(map, key, stored.map(|record| record.version()));
            self.done(done);
        }
        Ok(())
    }

    /// Reads a page of the two together: as far as both have been read.
    pub(crate) async fn scan_page(
        &self,
        map: &MapName,
        request: ScanRequest,
    ) -> Result<ScanPage, StoreError> {
        self.bring_into_order(map).await;
        self.check_open("scan_page")?;
        // Pending first: what moves to the store in between is then seen twice, and not missed.
        let bounds = (request.start.as_ref(), request.end.as_ref());
        let pending = self.queue().page(map, bounds, request.limit, self.clock.now());
        let stored = self.inner.scan_page(map, request.clone()).await?;
        let up_to = earlier(pending.up_to.clone(), stored.next.clone());
        let merged = self.merge(map, pending, stored, up_to.as_ref()).await?;
        Ok(cut(merged, up_to, &request))
    }

    /// Brings the keys of what is pending into order, in portions: nobody waits long for the queue when the first scan of many comes.
    async fn bring_into_order(&self, map: &MapName) {
        while !self.queue().order_more(map) {
            tokio::task::yield_now().await;
        }
    }

    async fn merge(
        &self,
        map: &MapName,
        pending: OverlayPage,
        stored: ScanPage,
        up_to: Option<&Key>,
    ) -> Result<BTreeMap<Key, Option<Record>>, StoreError> {
        let is_covered = |key: &Key| up_to.is_none_or(|last| key <= last);
        let records = stored.records.into_iter().filter(|(key, _)| is_covered(key));
        let mut merged: BTreeMap<Key, Option<Record>> =
            records.map(|(key, record)| (key, Some(record))).collect();
        let mut spilled = Vec::new();
        for (key, seen) in pending.seen.into_iter().filter(|(key, _)| is_covered(key)) {
            match seen {
                Seen::Record(record) => drop(merged.insert(key, Some(copy(&record)))),
                Seen::Ended => drop(merged.insert(key, None)),
                Seen::Unsure => {
                    let record = self.load(map, &key).await?;
                    merged.insert(key, record);
                }
                Seen::Spilled(sequence) => spilled.push((key, sequence)),
            }
        }
        let sequences: Vec<u64> = spilled.iter().map(|(_, sequence)| *sequence).collect();
        let read = self.read_back(&sequences).await;
        let read = read.map_err(|error| error.into_store_error(STORE, "scan_page").in_map(map))?;
        let mut read: BTreeMap<u64, _> = read
            .into_iter()
            .map(|entry| (entry.sequence.0, entry.record))
            .collect();
        for (key, sequence) in spilled {
            let record = match read.remove(&sequence) {
                Some(record) => Some(copy(&record)),
                // It left the log meanwhile: it is in the store behind, or something newer is.
                None => self.load(map, &key).await?,
            };
            merged.insert(key, record);
        }
        Ok(merged)
    }
}

/// Makes the page that was asked for of what both sides hold up to a key.
fn cut(merged: BTreeMap<Key, Option<Record>>, up_to: Option<Key>, request: &ScanRequest) -> ScanPage {
    let wanted = |record: &Record| request.include == Include::Tombstones || !record.is_tombstone();
    let mut page = ScanPage::default();
    for (key, record) in merged {
        let Some(record) = record.filter(wanted) else {
            continue;
        };
        if page.records.len() == request.limit.max(1) {
            page.next = page.records.last().map(|(key, _)| key.clone());
            return page;
        }
        page.records.push((key, record));
    }
    page.next = up_to;
    page
}

fn earlier(one: Option<Key>, other: Option<Key>) -> Option<Key> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Copies a record without its access statistics, which a store would not hold; the value itself is shared.
fn copy(record: &Record) -> Record {
    let copy = Record::builder(record.value().clone(), record.version())
        .created(record.created())
        .updated(record.updated())
        .expiry(record.expiry())
        .build();
    if let Some(at) = record.last_stored() {
        copy.mark_stored(at);
    }
    copy
}
