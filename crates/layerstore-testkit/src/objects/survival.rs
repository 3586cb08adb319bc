//! Writers whose requests fail: what was acknowledged is there afterwards, whatever went wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_data_store::{MapDataStore, MapDataStoreExt, ScanRequest, Write, WriteResult};
use layerstore_record::{MapName, Record, RecordValue, Version};

use super::{FaultRates, ObjectFaults};
use crate::records::{key, record, version};

/// How hard it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Survival {
    /// What goes wrong with requests.
    pub rates: FaultRates,
    /// Writers at once, each with keys of its own.
    pub writers: u64,
    /// Keys in all.
    pub keys: u64,
    /// How often a writer makes a write again before it gives up, which fails the test.
    pub again: u32,
    /// Writes, removals and reads in all.
    pub operations: u64,
    /// Where randomness begins.
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Survived {
    /// Calls of the store.
    pub calls: u64,
    /// How many of them made a write again.
    pub made_again: u64,
    /// Requests of all that.
    pub requests: u64,
    /// Faults among them.
    pub injected: u64,
}

/// What a writer's keys hold.
type Held = BTreeMap<u64, Option<Version>>;

impl Survival {
    /// Writes, removes and reads a map, claimed before, while requests go wrong, and compares afterwards.
    ///
    /// # Panics
    /// When an acknowledged write is not what is read afterwards, when a call fails for good, and when a read tells what is not
    /// so.
    pub async fn of(self, store: &Arc<dyn MapDataStore>, map: &MapName, faults: &ObjectFaults) -> Survived {
        let (before, injected_before) = (faults.requests(), faults.injected());
        faults.set(self.rates);
        let writers: Vec<_> = (0..self.writers)
            .map(|number| {
                let writer = Writer {
                    store: Arc::clone(store),
                    map: map.clone(),
                    number,
                    rng: fastrand::Rng::with_seed(self.seed ^ (number + 1)),
                    plan: self,
                };
                tokio::spawn(writer.work())
            })
            .collect();
        let (mut expected, mut survived) = (Held::new(), Survived::default());
        for writer in writers {
            let (held, did) = writer.await.expect("a writer ends");
            expected.extend(held);
            survived.calls += did.calls;
            survived.made_again += did.made_again;
        }
        survived.requests = faults.requests() - before;
        survived.injected = faults.injected() - injected_before;
        faults.set(FaultRates::NONE);
        faults.land().await;
        compare(&**store, map, &expected).await;
        survived
    }
}

async fn compare(store: &dyn MapDataStore, map: &MapName, expected: &Held) {
    let mut lost = 0;
    for (number, at) in expected {
        let found = store.load(map, &key(*number)).await.expect("a read succeeds");
        lost += u64::from(found.map(|record| record.version()) != *at);
    }
    assert_eq!(
        lost, 0,
        "acknowledged writes that are not what is read afterwards"
    );
    let request = ScanRequest::first(expected.len() + 1).with_tombstones();
    let page = store.scan_page(map, request).await.expect("a scan succeeds");
    assert_eq!(page.records.len(), expected.values().flatten().count());
}

struct Writer {
    store: Arc<dyn MapDataStore>,
    map: MapName,
    number: u64,
    rng: fastrand::Rng,
    plan: Survival,
}

impl Writer {
    /// Writes, removes and reads keys of its own; returns what each key holds.
    async fn work(mut self) -> (Held, Survived) {
        let (mut held, mut did) = (Held::new(), Survived::default());
        for turn in 0..self.plan.operations / self.plan.writers {
            let own = self.rng.u64(0..self.plan.keys / self.plan.writers);
            let number = own * self.plan.writers + self.number;
            let at = 1 + turn * self.plan.writers + self.number;
            let write = match self.rng.u8(0..10) {
                0 => {
                    did.calls += 1;
                    self.check(number, held.get(&number).copied().flatten()).await;
                    continue;
                }
                1 => Write::new(self.map.clone(), key(number), Arc::new(tombstone(at))),
                _ => Write::new(self.map.clone(), key(number), record(at)),
            };
            self.make(write, &mut did).await;
            held.insert(number, Some(version(at)));
        }
        (held, did)
    }

    /// Makes a write, again and again if need be.
    async fn make(&self, write: Write, did: &mut Survived) {
        for again in 0..self.plan.again {
            did.calls += 1;
            did.made_again += u64::from(again > 0);
            match self.store.apply_one(write.clone()).await {
                WriteResult::Applied => return,
                WriteResult::Rejected(error) => assert!(error.is_retryable(), "{error}"),
                refused => panic!("nobody else writes {}: {refused:?}", write.key),
            }
        }
        panic!(
            "{} calls failed: the rates do not allow for that",
            self.plan.again
        );
    }

    /// A read may fail, and never tells what is not so.
    async fn check(&self, number: u64, expected: Option<Version>) {
        match self.store.load(&self.map, &key(number)).await {
            Ok(found) => assert_eq!(found.map(|record| record.version()), expected, "key {number}"),
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

fn tombstone(at: u64) -> Record {
    let timestamp = version(at).timestamp();
    Record::builder(RecordValue::Tombstone { timestamp }, version(at)).build()
}
