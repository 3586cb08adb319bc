use std::collections::BTreeMap;
use std::ops::Bound;

use layerstore_record::{Key, Millis, Record, Version};

use crate::fence::{Floors, Held, Verdict, judge, judge_restatement};
use crate::scan::{Include, ScanPage, ScanRequest};
use crate::store::MapClaim;
use crate::write::Write;

/// One map of an in-memory store, as a disk would hold it.
#[derive(Default)]
pub(crate) struct MemoryMap {
    /// The epoch of the last claim.
    pub(crate) epoch: u64,
    records: BTreeMap<Key, Record>,
    floors: Floors,
    /// The highest version that was applied.
    applied: Version,
}

impl MemoryMap {
    pub(crate) fn claim(&mut self) -> MapClaim {
        self.epoch += 1;
        let Floors { cleared, purged } = self.floors;
        MapClaim::new(self.epoch, self.applied.max(cleared).max(purged), cleared, purged)
    }

    pub(crate) fn write(&mut self, write: &Write, now: Millis) -> Verdict {
        let held = self.records.get(&write.key).map(|record| Held::of(record, now));
        let verdict = judge(held, self.floors, write.version(), write.expect);
        if verdict.is_apply() {
            self.applied = self.applied.max(write.version());
            self.records
                .insert(write.key.clone(), copy(&write.record, Some(now)));
        }
        verdict
    }

    pub(crate) fn restate(&mut self, write: &Write, now: Millis) -> Verdict {
        let held = self.records.get(&write.key).map(|record| Held::of(record, now));
        let verdict = judge_restatement(held, self.floors, write.version());
        if verdict.is_apply() {
            self.records
                .insert(write.key.clone(), copy(&write.record, Some(now)));
        }
        verdict
    }

    pub(crate) fn get(&self, key: &Key, now: Millis) -> Option<Record> {
        let record = self.records.get(key)?;
        Held::is_visible(record, self.floors, now).then(|| copy(record, record.last_stored()))
    }

    pub(crate) fn page(&self, request: &ScanRequest, now: Millis) -> ScanPage {
        let mut page = ScanPage::default();
        if is_empty(&request.start, &request.end) {
            return page;
        }
        for (key, record) in self.records.range((request.start.clone(), request.end.clone())) {
            let wanted = request.include == Include::Tombstones || !record.is_tombstone();
            if !wanted || !Held::is_visible(record, self.floors, now) {
                continue;
            }
            // Only a record more than was asked for tells that there is another page.
            if page.records.len() == request.limit.max(1) {
                page.next = page.records.last().map(|(last, _)| last.clone());
                break;
            }
            page.records
                .push((key.clone(), copy(record, record.last_stored())));
        }
        page
    }

    /// Tells whether there is more than a claim.
    pub(crate) fn is_used(&self) -> bool {
        !self.records.is_empty() || self.floors != Floors::default()
    }

    pub(crate) fn clear(&mut self, up_to: Version) {
        self.floors.cleared = self.floors.cleared.max(up_to);
        let floors = self.floors;
        self.records.retain(|_, record| !floors.hide(record.version()));
    }

    pub(crate) fn purge(&mut self, horizon: Version, now: Millis) -> u64 {
        self.floors.purged = self.floors.purged.max(horizon);
        let (floors, before) = (self.floors, self.records.len());
        self.records
            .retain(|_, record| !floors.may_purge(record, horizon, now));
        u64::try_from(before - self.records.len()).unwrap_or(u64::MAX)
    }
}

/// Copies a record without its access statistics, which a disk would not hold; the value itself is shared.
fn copy(record: &Record, stored: Option<Millis>) -> Record {
    let copy = Record::builder(record.value().clone(), record.version())
        .created(record.created())
        .updated(record.updated())
        .expiry(record.expiry())
        .build();
    if let Some(at) = stored {
        copy.mark_stored(at);
    }
    copy
}

/// Tells whether no key lies between these bounds; `BTreeMap::range` panics on bounds in the wrong order.
fn is_empty(start: &Bound<Key>, end: &Bound<Key>) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
    }
}
