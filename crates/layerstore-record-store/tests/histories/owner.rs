//! The only writer of some keys, who knows what each of them holds.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use layerstore_record::{Key, Record, Version};
use layerstore_record_store::{
    Compute, NewValue, Outcome, RecordErrorKind, RecordStore, RecordStoreError, WriteOptions,
};
use layerstore_testkit::records::key;

use crate::owners::Calls;
use crate::stage::{Stage, number};

pub(crate) const PER_OWNER: u64 = 64;

/// How long a record lives unread, where it has an idle time.
const IDLE: Duration = Duration::from_secs(3_600);

const BATCH: u64 = 8;

/// One writer, with what it was acknowledged last of each of its keys.
pub(crate) struct Owner {
    stage: Arc<Stage>,
    rng: Rng,
    /// Its keys are the `PER_OWNER` from here on.
    first: u64,
    held: Vec<Option<Held>>,
    next: u64,
    pub(crate) writes: u64,
    pub(crate) checks: u64,
    /// How often an idle deadline was seen to have been persisted.
    pub(crate) persisted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    number: u64,
    version: Version,
}

impl Owner {
    pub(crate) fn new(stage: &Arc<Stage>, rng: Rng, first: u64) -> Self {
        Self {
            stage: Arc::clone(stage),
            rng,
            first,
            held: (0..PER_OWNER).map(|_| None).collect(),
            next: first,
            writes: 0,
            checks: 0,
            persisted: 0,
        }
    }

    /// Returns how many of its keys have a record.
    pub(crate) fn held(&self) -> usize {
        self.held.iter().flatten().count()
    }

    pub(crate) async fn run(mut self, calls: Arc<Calls>) -> Self {
        loop {
            let batch = self.rng.u8(..64) == 0;
            if !calls.take(if batch { BATCH } else { 1 }) {
                return self;
            }
            if batch {
                self.write_batch().await;
            } else {
                let at = self.rng.usize(..self.held.len());
                self.call(at).await;
            }
        }
    }

    /// Reads every key.
    pub(crate) async fn verify(&mut self) {
        for at in 0..self.held.len() {
            let found = self.stage.store.get(&self.key(at)).await.unwrap();
            self.check(at, "get", found.as_ref());
        }
    }

    async fn call(&mut self, at: usize) {
        let stage = Arc::clone(&self.stage);
        let (store, key, options) = (&stage.store, self.key(at), options(at));
        let (new, held) = (self.number(), self.held[at]);
        match self.rng.u8(..16) {
            0..=2 => {
                let set = store.set(&key, new.into(), &options).await;
                self.wrote(at, Some(new), set);
            }
            3 | 4 => {
                let put = store.put(&key, new.into(), &options).await;
                if let Some(previous) = self.wrote(at, Some(new), put) {
                    self.compare(at, "put", held, previous.as_ref());
                }
            }
            5 => {
                let put = store.put_if_absent(&key, new.into(), &options).await;
                let was_put = put.as_ref().is_ok_and(|outcome| outcome.version.is_some());
                if let Some(found) = self.wrote(at, Some(new), put) {
                    assert_eq!(was_put, held.is_none(), "put_if_absent of key {at}");
                    self.compare(at, "put_if_absent", held, found.as_ref());
                }
            }
            6 => {
                // The version of an idle record rises whenever its deadline is persisted: only the others are replaced.
                if let Some(held) = held.filter(|_| !is_idle(at)) {
                    let replaced = store.replace(&key, held.version, new.into(), &options).await;
                    self.wrote(at, Some(new), replaced);
                }
            }
            7 => {
                let compute = move |_: Option<&Arc<Record>>| Compute::PutWith(NewValue::from(new), options);
                let computed = store.compute(&key, Box::new(compute)).await;
                self.wrote(at, Some(new), computed);
            }
            8 | 9 => {
                let removed = store.remove(&key).await;
                if let Some(previous) = self.wrote(at, None, removed) {
                    self.compare(at, "remove", held, previous.as_ref());
                }
            }
            10 => {
                let number = held.map(|held| held.number);
                let moved = store.set_expiry(&key, &options).await;
                if let Some(there) = self.wrote(at, number, moved) {
                    assert_eq!(there, held.is_some(), "set_expiry of key {at}");
                }
            }
            _ => match store.get(&key).await {
                Ok(found) => self.check(at, "get", found.as_ref()),
                Err(error) => expected(&error),
            },
        }
    }

    /// Sets or removes several keys with one call.
    async fn write_batch(&mut self) {
        let stage = Arc::clone(&self.stage);
        let parity = self.rng.usize(..2);
        let mut places: Vec<usize> = (0..self.held.len()).filter(|at| at % 2 == parity).collect();
        self.rng.shuffle(&mut places);
        places.truncate(usize::try_from(BATCH).unwrap_or_default());
        let keys: Vec<Key> = places.iter().map(|at| self.key(*at)).collect();
        if self.rng.u8(..3) == 0 {
            for (at, removed) in places.into_iter().zip(stage.store.remove_all(&keys).await) {
                let held = self.held[at];
                if let Some(previous) = self.wrote(at, None, removed) {
                    self.compare(at, "remove_all", held, previous.as_ref());
                }
            }
            return;
        }
        let numbers: Vec<u64> = places.iter().map(|_| self.number()).collect();
        let records = keys
            .into_iter()
            .zip(numbers.iter().map(|number| NewValue::from(*number)));
        let set = stage.store.put_all(records.collect(), &options(parity)).await;
        for ((at, number), set) in places.into_iter().zip(numbers).zip(set) {
            self.wrote(at, Some(number), set);
        }
    }

    /// Takes note of an acknowledgement; returns what came with it.
    fn wrote<T>(
        &mut self,
        at: usize,
        number: Option<u64>,
        result: Result<Outcome<T>, RecordStoreError>,
    ) -> Option<T> {
        match result {
            Ok(outcome) => {
                if let Some(version) = outcome.version {
                    self.writes += 1;
                    self.held[at] = number.map(|number| Held { number, version });
                }
                Some(outcome.value)
            }
            Err(error) => {
                expected(&error);
                None
            }
        }
    }

    fn check(&mut self, at: usize, verb: &str, found: Option<&Arc<Record>>) {
        self.compare(at, verb, self.held[at], found);
    }

    /// Compares what a call found with what was acknowledged last before it.
    fn compare(&mut self, at: usize, verb: &str, held: Option<Held>, found: Option<&Arc<Record>>) {
        self.checks += 1;
        let seen = found.map(|record| Held {
            number: number(record),
            version: record.version(),
        });
        let same = match (held, seen) {
            (Some(held), Some(seen)) if is_idle(at) && seen.number == held.number => {
                self.persisted += u64::from(seen.version > held.version);
                seen.version >= held.version
            }
            (held, seen) => held == seen,
        };
        let key = self.key(at);
        assert!(
            same,
            "{verb} of {key} found {seen:?}; acknowledged last was {held:?}"
        );
    }

    fn key(&self, at: usize) -> Key {
        key(self.first + at as u64)
    }

    fn number(&mut self) -> u64 {
        self.next += 1_000;
        self.next
    }
}

/// Every other key has records that end when they are not read.
fn is_idle(at: usize) -> bool {
    at % 2 == 1
}

fn options(at: usize) -> WriteOptions {
    if is_idle(at) {
        WriteOptions::new().max_idle(IDLE)
    } else {
        WriteOptions::unlimited()
    }
}

/// Only what the data store refused may fail; it has left no trace.
pub(crate) fn expected(error: &RecordStoreError) {
    assert_eq!(error.kind(), RecordErrorKind::Store, "{error}");
}
