//! Scans, in key byte order and in any: data store, pending writes and memory as one (clause S9).

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use layerstore_data_store::{Include, ScanRequest};
use layerstore_engine::{Cursor, Lookup, Slot};
use layerstore_record::{AccessStats, Key, Record};

use crate::core::Core;
use crate::error::RecordStoreError;
use crate::expiry::is_live;
use crate::outcome::{RecordPage, ResidentPage, ScanPlace, ScanPlaceKind, UnorderedPage};

/// How many records are fetched at a time where everything is read.
const PAGE: usize = 1_000;

impl Core {
    /// Reads a page.
    pub(crate) async fn scan_page(&self, request: ScanRequest) -> Result<RecordPage, RecordStoreError> {
        self.check_open("scan")?;
        if self.is_null {
            self.scan_memory(&request).await
        } else {
            self.scan_store(request).await
        }
    }

    /// Counts the records.
    pub(crate) async fn count(&self) -> Result<u64, RecordStoreError> {
        self.check_open("count")?;
        if self.is_null {
            return self.count_memory().await;
        }
        let mut count = 0;
        let mut start = Bound::Unbounded;
        loop {
            let page = self.scan_page(ScanRequest::first(PAGE).from(start)).await?;
            count += u64::try_from(page.records.len()).unwrap_or(u64::MAX);
            let Some(next) = page.next else {
                return Ok(count);
            };
            start = Bound::Excluded(next);
        }
    }

    async fn count_memory(&self) -> Result<u64, RecordStoreError> {
        let mut seen = HashSet::new();
        let mut next = Some(ScanPlace::start());
        while let Some(place) = next {
            let page = self.scan_unordered(&place, PAGE).await?;
            seen.extend(page.records.into_iter().map(|(key, _)| key));
            next = page.next;
        }
        Ok(u64::try_from(seen.len()).unwrap_or(u64::MAX))
    }

    async fn slot_record(&self, key: &Key, slot: &Slot) -> Result<Option<Arc<Record>>, RecordStoreError> {
        match slot {
            Slot::Resident(record) => Ok(Some(Arc::clone(record))),
            Slot::Cold => self.whole_record(key, None).await,
        }
    }

    /// Returns the record of a key as memory has it, its disk tier included; `below` where it has none.
    async fn whole_record(
        &self,
        key: &Key,
        below: Option<Arc<Record>>,
    ) -> Result<Option<Arc<Record>>, RecordStoreError> {
        if self.is_fenced() {
            return Ok(below);
        }
        // The lookup ends before the wait: a guard of the engine must not be held across it.
        let lookup = self.memory.engine.lookup(key);
        match lookup {
            Lookup::Hit(record) => Ok(Some(record)),
            Lookup::Miss => Ok(below),
            Lookup::Cold(cold) => Ok(self.thaw(cold, "scan").await?.or(below)),
        }
    }

    /// Reads a page of the data store; what memory has of the same keys is as new or newer.
    async fn scan_store(&self, request: ScanRequest) -> Result<RecordPage, RecordStoreError> {
        let (start, end, limit) = (request.start.clone(), request.end.clone(), request.limit.max(1));
        let include = request.include;
        let call = self.store.scan_page(&self.map, request);
        let late = || self.late("scan", self.config.load_deadline, "the data store");
        let page = tokio::time::timeout(self.config.load_deadline, call)
            .await
            .map_err(|_| late())?
            .map_err(|error| RecordStoreError::of_read("scan", &self.map, error))?;
        // Keys beyond the page belong to the next one, whatever memory has of them.
        let end = page.next.clone().map_or(end, Bound::Included);
        let mut records = BTreeMap::new();
        for (key, record) in page.records {
            if self.partition.owns(&key) {
                let record = Arc::new(record);
                self.resume_reading(&record);
                records.extend(
                    self.whole_record(&key, Some(record))
                        .await?
                        .map(|record| (key, record)),
                );
            }
        }
        let mut next = page.next;
        let backups = self
            .memory
            .backups(start.as_ref(), end.as_ref(), limit.saturating_add(1));
        for key in backups {
            // The page has what memory has of its own keys already.
            if records.contains_key(&key) {
                continue;
            }
            records.extend(self.whole_record(&key, None).await?.map(|record| (key, record)));
        }
        // To the data store these may have ended: it has not heard yet of the reads that keep them alive.
        let kept = self
            .memory
            .kept(start.as_ref(), end.as_ref(), limit.saturating_add(1));
        let mut last = kept.get(limit).cloned();
        for key in kept {
            if records.contains_key(&key) {
                continue;
            }
            match self.whole_record(&key, None).await? {
                Some(record) => drop(records.insert(key, record)),
                // It left memory while it was being noted.
                None => self.memory.forget_kept(&key),
            }
        }
        if records.len() > limit {
            last = records.keys().nth(limit - 1).cloned();
        }
        if let Some(last) = last {
            records.retain(|key, _| *key <= last);
            next = Some(last);
        }
        Ok(self.page(records, next, include))
    }

    /// Reads a page in the order that costs least: that of memory where there is nothing else, the data store's otherwise.
    pub(crate) async fn scan_unordered(
        &self,
        place: &ScanPlace,
        limit: usize,
    ) -> Result<UnorderedPage, RecordStoreError> {
        self.check_open("scan")?;
        if self.is_null {
            let cursor = match &place.0 {
                ScanPlaceKind::Memory(cursor) => cursor.clone(),
                ScanPlaceKind::Start | ScanPlaceKind::Behind(_) => Cursor::start(),
            };
            return self.fetch_memory(&cursor, limit.max(1)).await;
        }
        let start = match &place.0 {
            ScanPlaceKind::Behind(last) => Bound::Excluded(last.clone()),
            ScanPlaceKind::Start | ScanPlaceKind::Memory(_) => Bound::Unbounded,
        };
        let page = self.scan_store(ScanRequest::first(limit).from(start)).await?;
        Ok(UnorderedPage {
            records: page.records,
            next: page.next.map(|last| ScanPlace(ScanPlaceKind::Behind(last))),
            is_in_key_order: true,
        })
    }

    /// Reads the records at a place in memory, its disk tier included.
    async fn fetch_memory(&self, cursor: &Cursor, limit: usize) -> Result<UnorderedPage, RecordStoreError> {
        let page = self.memory.engine.fetch(cursor, limit);
        let mut records = Vec::with_capacity(page.slots.len());
        for (key, slot) in page.slots {
            if let Some(record) = self.slot_record(&key, &slot).await?
                && is_live(&record, self.now())
            {
                records.push((key, record));
            }
        }
        Ok(UnorderedPage {
            records,
            next: page.next.map(|cursor| ScanPlace(ScanPlaceKind::Memory(cursor))),
            is_in_key_order: false,
        })
    }

    /// Reads a page of memory alone: all of it, for the records with the lowest keys.
    async fn scan_memory(&self, request: &ScanRequest) -> Result<RecordPage, RecordStoreError> {
        let limit = request.limit.max(1);
        let range = (request.start.clone(), request.end.clone());
        let mut records: BTreeMap<Key, Slot> = BTreeMap::new();
        let mut cursor = Some(Cursor::start());
        while let Some(at) = cursor {
            let page = self.memory.engine.fetch(&at, PAGE);
            let wanted = |(key, slot): &(Key, Slot)| {
                let known_dead = match slot {
                    Slot::Resident(record) => {
                        request.include == Include::Live && !is_live(record, self.now())
                    }
                    Slot::Cold => false,
                };
                range.contains(key) && !known_dead
            };
            for (key, slot) in page.slots.into_iter().filter(wanted) {
                records.insert(key, slot);
                if records.len() > limit + 1 {
                    records.pop_last();
                }
            }
            cursor = page.next;
        }
        let next = (records.len() > limit).then(|| records.pop_last()).flatten();
        let next = next.and_then(|_| records.last_key_value().map(|(key, _)| key.clone()));
        let mut found = BTreeMap::new();
        for (key, slot) in records {
            found.extend(self.slot_record(&key, &slot).await?.map(|record| (key, record)));
        }
        Ok(self.page(found, next, request.include))
    }

    fn page(&self, records: BTreeMap<Key, Arc<Record>>, next: Option<Key>, include: Include) -> RecordPage {
        let now = self.now();
        let wanted = |record: &Record| match include {
            Include::Live => is_live(record, now),
            Include::Tombstones => record.is_tombstone() || is_live(record, now),
        };
        RecordPage {
            records: records.into_iter().filter(|(_, record)| wanted(record)).collect(),
            next,
        }
    }

    /// Reads records that are in memory.
    pub(crate) fn scan_resident(&self, cursor: &Cursor, limit: usize) -> ResidentPage {
        let page = self.memory.engine.fetch(cursor, limit.max(1));
        let now = self.now();
        let resident = |(key, slot)| match slot {
            Slot::Resident(record) if is_live(&record, now) => Some((key, record)),
            Slot::Resident(_) | Slot::Cold => None,
        };
        ResidentPage {
            records: page.slots.into_iter().filter_map(resident).collect(),
            next: page.next,
        }
    }

    /// Gives a record that comes from the data store the idle time that it may have left.
    fn resume_reading(&self, record: &Record) {
        if let Some(read) = record.expiry().last_access_after_reload() {
            record.access().carry_over(&AccessStats::new(read));
        }
    }
}
