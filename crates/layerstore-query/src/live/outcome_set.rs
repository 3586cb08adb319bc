use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use layerstore_record::{Key, Millis, Record};
use layerstore_record_store::TryGet;

use super::subscription::LiveChange;
use crate::order::Place;

/// The records that a query means, in order: those within its limit, and those that wait behind it.
pub(super) struct OutcomeSet {
    held: HashMap<Key, Held, RandomState>,
    shown: BTreeSet<Place>,
    waiting: BTreeSet<Place>,
    /// When records may end, as far as is known here.
    ends: BTreeSet<(Millis, Key)>,
    limit: usize,
}

struct Held {
    place: Place,
    record: Arc<Record>,
    partition: u32,
    /// Whether the record is in memory, where reads may keep it alive.
    resident: bool,
    /// Where it stands among the ends.
    end: Option<Millis>,
}

impl Held {
    /// Returns when the record ends, as far as its copy here knows.
    fn ends(&self) -> Option<Millis> {
        let expiry = self.record.expiry();
        if self.resident {
            expiry.ends(self.record.access().last_access())
        } else {
            expiry.persisted_end()
        }
    }

    /// Tells whether nothing but reads could have kept the record alive until now.
    fn is_past_deadline(&self, now: Millis) -> bool {
        self.record.expiry().deadline.is_some_and(|end| end <= now)
    }
}

impl OutcomeSet {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            held: HashMap::default(),
            shown: BTreeSet::new(),
            waiting: BTreeSet::new(),
            ends: BTreeSet::new(),
            limit: limit.unwrap_or(usize::MAX),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn has_ends(&self) -> bool {
        !self.ends.is_empty()
    }

    pub(super) fn next_end(&self) -> Option<Millis> {
        self.ends.first().map(|(end, _)| *end)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(Some(self.limit));
    }

    /// Copies the records within the limit, in order.
    pub(super) fn shown(&self) -> Vec<(Key, Arc<Record>)> {
        let records = self.shown.iter().filter_map(|place| {
            let held = self.held.get(&place.key)?;
            Some((place.key.clone(), Arc::clone(&held.record)))
        });
        records.collect()
    }

    /// Takes over what a key holds, which is meant; returns how that changes what is shown.
    pub(super) fn set(
        &mut self,
        key: &Key,
        place: Place,
        partition: u32,
        record: &Arc<Record>,
    ) -> Vec<(Key, LiveChange)> {
        let before = self.take(key);
        let was_shown = before.as_ref().is_some_and(|(_, was_shown)| *was_shown);
        // A load brings what was there: no change, whoever holds it.
        let is_news = before.is_none_or(|(held, _)| held.record.version() != record.version());
        let mut held = Held {
            place: place.clone(),
            record: Arc::clone(record),
            partition,
            resident: true,
            end: None,
        };
        held.end = held.ends();
        self.ends.extend(held.end.map(|end| (end, key.clone())));
        self.held.insert(key.clone(), held);
        self.waiting.insert(place.clone());
        let (entered, left) = self.settle();
        let is_shown = self.shown.contains(&place);
        let mut changes = self.told(entered, left, key);
        match (was_shown, is_shown) {
            (true, true) if is_news => changes.push((key.clone(), LiveChange::Changed(Arc::clone(record)))),
            (true, false) => changes.insert(0, (key.clone(), LiveChange::Left)),
            (false, true) => changes.push((key.clone(), LiveChange::Entered(Arc::clone(record)))),
            (true, true) | (false, false) => {}
        }
        changes
    }

    /// Takes a key out; returns how that changes what is shown.
    pub(super) fn remove(&mut self, key: &Key) -> Vec<(Key, LiveChange)> {
        let Some((_, was_shown)) = self.take(key) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        if was_shown {
            changes.push((key.clone(), LiveChange::Left));
            let (entered, left) = self.settle();
            changes.extend(self.told(entered, left, key));
        }
        changes
    }

    /// Takes out the keys of a partition.
    pub(super) fn clear_partition(&mut self, partition: u32) -> Vec<(Key, LiveChange)> {
        let of_it = self.held.iter().filter(|(_, held)| held.partition == partition);
        let keys: Vec<Key> = of_it.map(|(key, _)| key.clone()).collect();
        let mut changes = Vec::new();
        for key in keys {
            if self.take(&key).is_some_and(|(_, was_shown)| was_shown) {
                changes.push((key, LiveChange::Left));
            }
        }
        // Who waits enters once all of them have left.
        let (entered, _) = self.settle();
        changes.extend(entered.into_iter().filter_map(|place| self.entered(place)));
        changes
    }

    /// Takes note that a record has left memory, as it was then: reads of it may have moved its end.
    pub(super) fn evicted(&mut self, key: &Key, record: &Arc<Record>) {
        let Some(held) = self.held.get_mut(key) else {
            return;
        };
        held.record = Arc::clone(record);
        held.resident = false;
        self.mark_end(key, None);
    }

    /// Takes out what has ended by now. Of what reads may have kept alive `peek` knows.
    pub(super) fn end_due(&mut self, now: Millis, peek: impl Fn(&Key) -> TryGet) -> Vec<(Key, LiveChange)> {
        let mut changes = Vec::new();
        while let Some((end, key)) = self.ends.first().cloned()
            && end <= now
        {
            if self.goes_on(&key, now, &peek) {
                // Later than now, whatever is said: each is looked at once.
                self.mark_end(&key, Some(now.plus(1)));
            } else {
                changes.extend(self.remove(&key));
            }
        }
        changes
    }

    /// Tells whether a record whose end has come here is still there.
    fn goes_on(&mut self, key: &Key, now: Millis, peek: impl Fn(&Key) -> TryGet) -> bool {
        let Some(held) = self.held.get_mut(key) else {
            return false;
        };
        if held.is_past_deadline(now) {
            return false;
        }
        if held.resident {
            match peek(key) {
                // The copy here may be that of before its idle deadline was persisted, which is told to nobody.
                TryGet::Hit(record) => held.record = record,
                TryGet::Absent => return false,
                TryGet::NeedsLoad => held.resident = false,
            }
        }
        held.ends().is_none_or(|end| end > now)
    }

    /// Notes when a record may end, not before `least`.
    fn mark_end(&mut self, key: &Key, least: Option<Millis>) {
        let Some(held) = self.held.get_mut(key) else {
            return;
        };
        let end = held.ends().map(|end| end.max(least.unwrap_or(end)));
        if let Some(before) = std::mem::replace(&mut held.end, end) {
            self.ends.remove(&(before, key.clone()));
        }
        self.ends.extend(end.map(|end| (end, key.clone())));
    }

    /// Takes a record out without filling its place; tells whether it was shown.
    fn take(&mut self, key: &Key) -> Option<(Held, bool)> {
        let held = self.held.remove(key)?;
        if let Some(end) = held.end {
            self.ends.remove(&(end, key.clone()));
        }
        let was_shown = self.shown.remove(&held.place);
        if !was_shown {
            self.waiting.remove(&held.place);
        }
        Some((held, was_shown))
    }

    /// Shows the first records up to the limit, and no other; returns which places came and went.
    fn settle(&mut self) -> (Vec<Place>, Vec<Place>) {
        let (mut entered, mut left) = (Vec::new(), Vec::new());
        while self.is_next_wanted()
            && let Some(next) = self.waiting.pop_first()
        {
            entered.push(next.clone());
            self.shown.insert(next);
            if self.shown.len() > self.limit
                && let Some(last) = self.shown.pop_last()
            {
                left.push(last.clone());
                self.waiting.insert(last);
            }
        }
        (entered, left)
    }

    fn is_next_wanted(&self) -> bool {
        let Some(next) = self.waiting.first() else {
            return false;
        };
        self.shown.len() < self.limit || self.shown.last().is_some_and(|last| next < last)
    }

    /// Makes events of the places of other keys that came and went.
    fn told(&self, entered: Vec<Place>, left: Vec<Place>, but: &Key) -> Vec<(Key, LiveChange)> {
        let left = left.into_iter().map(|place| (place.key, LiveChange::Left));
        let entered = entered.into_iter().filter_map(|place| self.entered(place));
        left.chain(entered).filter(|(key, _)| key != but).collect()
    }

    fn entered(&self, place: Place) -> Option<(Key, LiveChange)> {
        let record = Arc::clone(&self.held.get(&place.key)?.record);
        Some((place.key, LiveChange::Entered(record)))
    }
}
