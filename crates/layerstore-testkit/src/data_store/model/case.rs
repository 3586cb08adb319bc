use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use layerstore_data_store::{
    ErrorKind, MapClaim, MapDataStore, MapDataStoreExt, ScanRequest, StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Clock, Key, MapName, Millis, Record, Version};

use super::operation::{KEYS, MAPS, Operation, Who, Wish};
use super::reference::{Answer, Reference};
use crate::data_store::fixture::{CLOSE_DEADLINE, Subject};
use crate::records::version;

/// Says how a store and the model disagree.
type Checked = Result<(), String>;

/// Keys in byte order, the awkward among them.
const KEY_NAMES: [&str; KEYS] = ["\0", "a", "a\0", "a/b", "b", "é😀"];

/// The stores of a case, and the model of what they hold.
pub(super) struct Case<'a> {
    subject: &'a Subject,
    first: Option<Arc<dyn MapDataStore>>,
    /// A second store over the same storage, where the storage allows one.
    rival: Option<Arc<dyn MapDataStore>>,
    maps: [MapName; MAPS],
    keys: [Key; KEYS],
    epochs: [u64; MAPS],
    reference: Reference,
}

impl<'a> Case<'a> {
    pub(super) async fn open(subject: &'a Subject, number: u64) -> Result<Self, String> {
        // Names of which one begins with the other, so that neither may be taken for a part of it.
        let maps = ["", "\0b"].map(|end| MapName::new(format!("case-{number}{end}")).expect("a short name"));
        let mut case = Self {
            subject,
            first: Some(subject.open().await),
            rival: subject.open_rival().await,
            maps,
            keys: KEY_NAMES.map(|text| Key::new(text).expect("a short key")),
            epochs: [0; MAPS],
            reference: Reference::starting(subject.clock().now()),
        };
        case.claim_all().await?;
        Ok(case)
    }

    /// Runs one operation and compares the answer.
    pub(super) async fn run(&mut self, operation: &Operation) -> Checked {
        match operation {
            Operation::Apply {
                who,
                wishes,
                try_first,
            } => self.apply(self.actual(*who), wishes, *try_first).await,
            Operation::Load { who, map, key } => self.load(*who, *map, *key).await,
            Operation::LoadAll { who, map, keys } => self.load_all(*who, *map, keys).await,
            Operation::Scan {
                who,
                map,
                start,
                end,
                limit,
                tombstones,
            } => self.scan(*who, *map, (*start, *end), *limit, *tombstones).await,
            Operation::Clear { who, map, number } => {
                let who = self.actual(*who);
                let found = self.store(who).clear(&self.maps[*map], version(*number)).await;
                agree_on(found, self.reference.clear(who, *map, *number))
            }
            Operation::Purge { who, map, number } => {
                let who = self.actual(*who);
                let found = self.store(who).purge(&self.maps[*map], version(*number)).await;
                agree_on(found, self.reference.purge(who, *map, *number, self.now()))
            }
            Operation::Claim { who, map } => self.claim(self.actual(*who), *map).await,
            Operation::ListMaps { who } => self.list_maps(*who).await,
            Operation::Flush { who, map, key } => self.flush(*who, *map, *key).await,
            Operation::Advance { millis } => {
                self.subject.clock().advance(Duration::from_millis(*millis));
                Ok(())
            }
            Operation::Restart { claim } => self.restart(*claim).await,
        }
    }

    /// Compares everything, before and after a last restart, and closes the stores.
    pub(super) async fn finish(mut self) -> Checked {
        for map in 0..MAPS {
            self.scan(Who::First, map, (Bound::Unbounded, Bound::Unbounded), 3, true)
                .await?;
        }
        self.list_maps(Who::First).await?;
        self.close().await
    }

    /// Returns who is really asked: the first store, where there is no other.
    fn actual(&self, who: Who) -> Who {
        if self.rival.is_some() { who } else { Who::First }
    }

    fn store(&self, who: Who) -> &Arc<dyn MapDataStore> {
        let first = self
            .first
            .as_ref()
            .expect("the first store is open between operations");
        match who {
            Who::First => first,
            Who::Rival => self.rival.as_ref().unwrap_or(first),
        }
    }

    fn now(&self) -> Millis {
        self.subject.clock().now()
    }

    async fn apply(&mut self, who: Who, wishes: &[Wish], try_first: bool) -> Checked {
        let now = self.now();
        let (mut writes, mut expected) = (Vec::new(), Vec::new());
        // A condition may refer to what an earlier write of the batch leaves: the model goes along.
        for wish in wishes {
            let expect = self.reference.expect(wish, now);
            let record = self.reference.record(wish.key, wish.number);
            let mut write = Write::new(self.maps[wish.map].clone(), self.keys[wish.key].clone(), record);
            write.expect = expect;
            writes.push(write);
            expected.push(self.reference.write(who, wish, expect, now));
        }
        let store = self.store(who);
        let found = match try_first.then(|| store.try_apply(writes.clone())) {
            Some(TryApply::Done(found)) => found,
            Some(TryApply::NeedsIo(writes)) => store.apply(writes).await,
            None => store.apply(writes).await,
        };
        if found.len() != expected.len() {
            return Err(format!("{} answers to {} writes", found.len(), expected.len()));
        }
        for ((wish, found), expected) in wishes.iter().zip(&found).zip(&expected) {
            if !is_answer(found, *expected) {
                return Err(format!(
                    "{wish:?}: the model answers {expected:?}, the store {found:?}"
                ));
            }
        }
        Ok(())
    }

    async fn load(&self, who: Who, map: usize, key: usize) -> Checked {
        let found = self
            .store(who)
            .load(&self.maps[map], &self.keys[key])
            .await
            .map_err(failed)?;
        same(
            found.as_ref(),
            self.reference.visible(map, key, self.now()).as_deref(),
        )
    }

    async fn load_all(&self, who: Who, map: usize, keys: &[usize]) -> Checked {
        let asked: Vec<Key> = keys.iter().map(|key| self.keys[*key].clone()).collect();
        let found = self
            .store(who)
            .load_all(&self.maps[map], &asked)
            .await
            .map_err(failed)?;
        let expected = keys
            .iter()
            .map(|key| self.reference.visible(map, *key, self.now()));
        if found.len() != keys.len() {
            return Err(format!("load_all of {} keys answers {}", keys.len(), found.len()));
        }
        found
            .iter()
            .zip(expected)
            .try_for_each(|(found, expected)| same(found.as_ref(), expected.as_deref()))
    }

    async fn scan(
        &self,
        who: Who,
        map: usize,
        (start, end): (Bound<usize>, Bound<usize>),
        limit: usize,
        tombstones: bool,
    ) -> Checked {
        let named = |bound: Bound<usize>| bound.map(|key| self.keys[key].clone());
        let request = ScanRequest::first(limit).from(named(start)).until(named(end));
        let request = if tombstones {
            request.with_tombstones()
        } else {
            request
        };
        let found: Vec<(Key, Record)> = self
            .store(who)
            .scan(&self.maps[map], request)
            .try_collect()
            .await
            .map_err(failed)?;
        let mut expected = self.reference.all(map, tombstones, self.now());
        expected.retain(|(key, _)| lies_within(*key, start, end));
        let agree = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|((key, record), (number, wanted))| *key == self.keys[*number] && *record == **wanted);
        if agree {
            Ok(())
        } else {
            Err(format!("a scan finds {found:?}, the model {expected:?}"))
        }
    }

    async fn claim(&mut self, who: Who, map: usize) -> Checked {
        let claim: MapClaim = self.store(who).claim(&self.maps[map]).await.map_err(failed)?;
        self.reference.claim(who, map);
        let (cleared, purged, mark) = self.reference.marks(map);
        if claim.epoch <= self.epochs[map] {
            return Err(format!("epoch {} after {}", claim.epoch, self.epochs[map]));
        }
        self.epochs[map] = claim.epoch;
        if claim.cleared != floor(cleared) || claim.purged != floor(purged) || claim.high_water < floor(mark)
        {
            return Err(format!(
                "{claim:?}; the model has cleared {cleared}, purged {purged}, at least {mark}"
            ));
        }
        Ok(())
    }

    async fn claim_all(&mut self) -> Checked {
        for map in 0..MAPS {
            self.claim(Who::First, map).await?;
        }
        Ok(())
    }

    async fn list_maps(&self, who: Who) -> Checked {
        let listed = self.store(who).list_maps().await.map_err(failed)?;
        if !listed.is_sorted() {
            return Err(format!("maps are not in name order: {listed:?}"));
        }
        for (number, map) in self.maps.iter().enumerate() {
            // Whether a map that was claimed and never written is listed is the store's business.
            if self.reference.is_listed(number) && !listed.contains(map) {
                return Err(format!("{map:?} is not listed"));
            }
        }
        Ok(())
    }

    async fn flush(&self, who: Who, map: usize, key: usize) -> Checked {
        let store = self.store(who);
        store
            .flush_key(&self.maps[map], &self.keys[key])
            .await
            .map_err(|error| format!("flush_key: {error}"))?;
        store
            .hard_flush()
            .await
            .map_err(|error| format!("hard_flush: {error}"))
    }

    async fn restart(&mut self, claim: bool) -> Checked {
        self.close().await?;
        self.first = Some(self.subject.open().await);
        self.rival = self.subject.open_rival().await;
        self.reference.restart();
        if claim { self.claim_all().await } else { Ok(()) }
    }

    async fn close(&mut self) -> Checked {
        for store in [self.rival.take(), self.first.take()].into_iter().flatten() {
            let report = store.close(CLOSE_DEADLINE).await;
            if !report.is_complete() {
                return Err(format!("closing leaves {report:?}"));
            }
        }
        Ok(())
    }
}

fn failed(error: StoreError) -> String {
    format!("the store fails: {error}")
}

fn floor(number: u64) -> Version {
    if number == 0 {
        Version::ZERO
    } else {
        version(number)
    }
}

fn lies_within(key: usize, start: Bound<usize>, end: Bound<usize>) -> bool {
    let after = match start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
        Bound::Unbounded => true,
    };
    let before = match end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    };
    after && before
}

fn same(found: Option<&Record>, expected: Option<&Record>) -> Checked {
    if found == expected {
        Ok(())
    } else {
        Err(format!("the store has {found:?}, the model {expected:?}"))
    }
}

fn agree_on<T: PartialEq + std::fmt::Debug>(
    found: Result<T, StoreError>,
    expected: Result<T, Answer>,
) -> Checked {
    match (&found, &expected) {
        (Ok(found), Ok(expected)) if found == expected => Ok(()),
        (Err(error), Err(answer)) if Some(error.kind()) == kind(*answer) => Ok(()),
        _ => Err(format!("the model answers {expected:?}, the store {found:?}")),
    }
}

fn is_answer(found: &WriteResult, expected: Answer) -> bool {
    match (found, expected) {
        (WriteResult::Applied, Answer::Applied) => true,
        (WriteResult::Stale { current }, Answer::Stale(number)) => *current == version(number),
        (WriteResult::Conflict { current }, Answer::Conflict(number)) => *current == number.map(version),
        (WriteResult::Rejected(error), answer) => Some(error.kind()) == kind(answer),
        _ => false,
    }
}

fn kind(answer: Answer) -> Option<ErrorKind> {
    match answer {
        Answer::BelowHorizon => Some(ErrorKind::BelowHorizon),
        Answer::NotClaimed => Some(ErrorKind::NotClaimed),
        Answer::Fenced => Some(ErrorKind::Fenced),
        Answer::Applied | Answer::Stale(_) | Answer::Conflict(_) => None,
    }
}
