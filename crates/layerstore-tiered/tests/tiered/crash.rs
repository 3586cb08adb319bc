//! R24: a stop, a lost answer or a late one at every call that either store gets, over random scripts.
//!
//! The script knows what was acknowledged, and what may have happened: a call whose outcome is unknown leaves both as possible, until
//! an acknowledged one settles it. After every step and at the end, whatever is read must be possible; and it must be readable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use layerstore_data_store::{
    InMemoryDataStore, MapDataStore, MapDataStoreExt, Outcome, ScanRequest, StoreError, Write, WriteResult,
};
use layerstore_record::{Clock, Expiry, Key, MapName, Millis, NodeId, Record, RecordValue};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, version};
use layerstore_tiered::{ArchivePolicy, Promotion, TieredDataStore, TieredOptions};

use crate::power::{Failure, Power};
use crate::support::tombstone;

const KEYS: u64 = 4;
const STEPS: usize = 24;

/// How long records with an end live.
const LIFETIME: u64 = 1_000;

/// Scripts of the full figure. Each runs once for every call that it makes, and every failure there.
const SCRIPTS: u64 = 4_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    Put { key: u64, ends: bool },
    Remove { key: u64 },
    Load { key: u64 },
    Scan,
    Archive,
    Promote { key: u64 },
    Sweep,
    Purge { back: u64 },
    Clear { back: u64 },
    Advance,
    Claim,
    Land,
}

impl Step {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        let key = rng.u64(..KEYS);
        match rng.u8(..32) {
            0..7 => Self::Put {
                key,
                ends: rng.u8(..5) == 0,
            },
            7..10 => Self::Remove { key },
            10..12 => Self::Load { key },
            12 => Self::Scan,
            13..20 => Self::Archive,
            20..22 => Self::Promote { key },
            22..25 => Self::Sweep,
            25..27 => Self::Purge { back: rng.u64(..4) },
            27 => Self::Clear { back: rng.u64(..6) },
            28 => Self::Advance,
            29 => Self::Claim,
            _ => Self::Land,
        }
    }
}

/// What a key may hold: one of these versions, each with its record; version zero stands for nothing.
type Possible = BTreeMap<u64, Option<Arc<Record>>>;

/// Both storages, the tiered store over them, and what is known of the map.
struct Run {
    clock: ManualClock,
    map: MapName,
    power: Arc<Power>,
    hot: InMemoryDataStore,
    cold: InMemoryDataStore,
    store: TieredDataStore,
    tick: u64,
    keys: BTreeMap<u64, Possible>,
    /// A clear up to here may have happened, or may happen yet.
    maybe_cleared: u64,
}

impl Run {
    async fn start(power: Arc<Power>) -> Self {
        let clock = ManualClock::new();
        let memory = || InMemoryDataStore::new(clock.shared());
        let (hot, cold) = (memory(), memory());
        let store = tiered(
            &clock,
            power.over(Arc::new(hot.share())),
            power.over(Arc::new(cold.share())),
        );
        let map = MapName::new("map").unwrap();
        let mut run = Self {
            map,
            power,
            hot,
            cold,
            store,
            clock,
            tick: 0,
            keys: (0..KEYS).map(|key| (key, Possible::from([(0, None)]))).collect(),
            maybe_cleared: 0,
        };
        let _ = run.step(Step::Claim).await;
        run
    }

    /// Opens both anew, as the next process does, and finds nothing lost and nothing back.
    async fn restart(&mut self) -> Result<(), String> {
        let power = Power::new(None, Failure::Lost);
        self.store = tiered(
            &self.clock,
            power.over(Arc::new(self.hot.share())),
            power.over(Arc::new(self.cold.share())),
        );
        self.store.claim(&self.map).await.map_err(failed)?;
        self.check().await
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        self.tick += 1;
        match step {
            Step::Put { key, ends } => self.write(key, Arc::new(self.value(ends))).await,
            Step::Remove { key } => self.write(key, Arc::new(tombstone(self.tick))).await,
            Step::Load { key: number } => match self.store.load(&self.map, &key(number)).await {
                Ok(found) => self.is_possible(number, found.as_ref()),
                Err(error) => cut_off(&error),
            },
            Step::Scan => match self.scan(&self.store).await {
                Ok(found) => self.is_all_possible(&found),
                Err(error) => cut_off(&error),
            },
            Step::Archive => {
                let report = self.store.archive(&self.map, &everything()).await;
                let error = report.map_or_else(Some, |report| report.error);
                error.map_or(Ok(()), |error| cut_off(&error))
            }
            Step::Promote { key: number } => {
                let came = self.store.promote(&self.map, &[key(number)]).await;
                came.map_or_else(|error| cut_off(&error), |_| Ok(()))
            }
            Step::Sweep => {
                let swept = self.store.sweep(&self.map, 3).await;
                swept.map_or_else(|error| cut_off(&error), |_| Ok(()))
            }
            Step::Purge { back } => {
                let horizon = version(self.tick.saturating_sub(back));
                let purged = self.store.purge(&self.map, horizon).await;
                purged.map_or_else(|error| cut_off(&error), |_| Ok(()))
            }
            Step::Clear { back } => self.clear(self.tick.saturating_sub(back)).await,
            Step::Advance => {
                self.clock.advance(Duration::from_millis(LIFETIME / 2));
                Ok(())
            }
            Step::Claim => {
                let claim = self.store.claim(&self.map).await;
                claim.map_or_else(|error| cut_off(&error), |_| Ok(()))
            }
            Step::Land => {
                self.power.land().await;
                Ok(())
            }
        }
    }

    fn value(&self, ends: bool) -> Record {
        let value = RecordValue::lww(format!("value {}", self.tick), version(self.tick).timestamp());
        let expiry = Expiry {
            deadline: ends.then(|| self.clock.now().plus(LIFETIME)),
            ..Expiry::NEVER
        };
        Record::builder(value, version(self.tick)).expiry(expiry).build()
    }

    async fn write(&mut self, number: u64, record: Arc<Record>) -> Result<(), String> {
        let write = Write::new(self.map.clone(), key(number), Arc::clone(&record));
        let answer = self.store.apply_one(write).await;
        let possible = self.keys.entry(number).or_default();
        match answer {
            WriteResult::Applied => {
                // Whatever was on its way is older, and fenced from now on.
                *possible = Possible::from([(self.tick, Some(record))]);
                Ok(())
            }
            WriteResult::Rejected(error) if error.outcome() == Outcome::Unknown => {
                possible.insert(self.tick, Some(record));
                cut_off(&error)
            }
            WriteResult::Rejected(error) => cut_off(&error),
            other => Err(format!("a write newer than all is answered with {other:?}")),
        }
    }

    async fn clear(&mut self, up_to: u64) -> Result<(), String> {
        match self.store.clear(&self.map, version(up_to)).await {
            Ok(()) => {
                for possible in self.keys.values_mut() {
                    let newer = possible.split_off(&(up_to + 1));
                    let settled = possible.first_key_value().is_none();
                    *possible = newer;
                    // What stood above the floor throughout stands; otherwise nothing may be there.
                    if !settled || possible.is_empty() {
                        possible.insert(0, None);
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.maybe_cleared = self.maybe_cleared.max(up_to);
                cut_off(&error)
            }
        }
    }

    async fn scan(&self, store: &TieredDataStore) -> Result<BTreeMap<Key, Record>, StoreError> {
        store.scan(&self.map, ScanRequest::first(2)).try_collect().await
    }

    fn is_all_possible(&self, found: &BTreeMap<Key, Record>) -> Result<(), String> {
        (0..KEYS).try_for_each(|number| self.is_possible(number, found.get(&key(number))))
    }

    fn is_possible(&self, number: u64, found: Option<&Record>) -> Result<(), String> {
        let now = self.clock.now();
        let found = found.filter(|record| !record.is_tombstone());
        let agrees = |(version, record): (&u64, &Option<Arc<Record>>)| {
            let live = record.as_deref().filter(|record| is_live(record, now));
            live == found || (found.is_none() && *version <= self.maybe_cleared)
        };
        if self.keys[&number].iter().any(agrees) {
            return Ok(());
        }
        Err(format!(
            "key {number} holds {found:?}; possible is {:?}",
            self.keys[&number]
        ))
    }

    /// Reads everything in every way.
    async fn check(&self) -> Result<(), String> {
        let scanned = self.scan(&self.store).await.map_err(failed)?;
        self.is_all_possible(&scanned)?;
        let keys: Vec<Key> = (0..KEYS).map(key).collect();
        let loaded = self.store.load_all(&self.map, &keys).await.map_err(failed)?;
        for (number, loaded) in (0..KEYS).zip(loaded) {
            let loaded = loaded.filter(|record| !record.is_tombstone());
            if loaded.as_ref() != scanned.get(&key(number)) {
                return Err(format!(
                    "key {number}: a load finds {loaded:?}, a scan {scanned:?}"
                ));
            }
            let single = self.store.load(&self.map, &key(number)).await.map_err(failed)?;
            if single.filter(|record| !record.is_tombstone()) != loaded {
                return Err(format!("key {number}: load and load_all differ"));
            }
        }
        Ok(())
    }

    /// Archives, sweeps and purges to the end: what lies in cold then is what is archived, and nothing else.
    async fn settle(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            while !self.archive_batch().await?.is_round_complete {}
            self.check().await?;
            while !self
                .store
                .sweep(&self.map, 2)
                .await
                .map_err(failed)?
                .is_round_complete
            {}
            self.check().await?;
            let horizon = version(self.tick + 1);
            self.store.purge(&self.map, horizon).await.map_err(failed)?;
            self.check().await?;
        }
        let live: BTreeMap<Key, Millis> = {
            let records = self.scan(&self.store).await.map_err(failed)?;
            records
                .into_iter()
                .map(|(key, record)| (key, record.updated()))
                .collect()
        };
        let rows = self.cold.scan(&self.map, ScanRequest::first(10));
        let rows: Vec<(Key, Record)> = rows.try_collect().await.map_err(failed)?;
        let copies: BTreeMap<Key, Millis> = rows.into_iter().map(|(key, row)| (key, row.updated())).collect();
        if copies == live {
            return Ok(());
        }
        Err(format!("cold holds {copies:?}, what is archived is {live:?}"))
    }

    async fn archive_batch(&self) -> Result<layerstore_tiered::ArchiveReport, String> {
        let report = self
            .store
            .archive(&self.map, &everything())
            .await
            .map_err(failed)?;
        match report.error {
            Some(error) => Err(failed(error)),
            None => Ok(report),
        }
    }
}

fn tiered(clock: &ManualClock, hot: Arc<dyn MapDataStore>, cold: Arc<dyn MapDataStore>) -> TieredDataStore {
    let options = TieredOptions::default().clock(clock.shared()).node(NodeId(7));
    TieredDataStore::new(hot, cold, options.promotion(Promotion::OnRead)).unwrap()
}

fn everything() -> ArchivePolicy {
    let policy = ArchivePolicy::builder().age(Duration::ZERO);
    policy.batch_records(3).build().unwrap()
}

fn is_live(record: &Record, now: Millis) -> bool {
    let ended = record.expiry().persisted_end().is_some_and(|end| end <= now);
    !record.is_tombstone() && !ended
}

/// Accepts the error that the test has made.
fn cut_off(error: &StoreError) -> Result<(), String> {
    use layerstore_data_store::ErrorKind;
    match error.kind() {
        ErrorKind::Timeout => Ok(()),
        // A claim that was cut off.
        ErrorKind::NotClaimed | ErrorKind::Fenced => Ok(()),
        _ => Err(failed(error.clone())),
    }
}

fn failed(error: StoreError) -> String {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error} ({})", source.unwrap_or_default())
}

/// Runs a script; `Ok` tells how many calls were made before the failure.
async fn attempt(steps: &[Step], calls: Option<u64>, failure: Failure) -> Result<u64, String> {
    let power = Power::new(calls, failure);
    let mut run = Run::start(Arc::clone(&power)).await;
    for (number, step) in steps.iter().enumerate() {
        let done = run.step(*step).await;
        done.map_err(|what| format!("step {number}, {step:?}: {what}"))?;
        if power.is_off() {
            break;
        }
    }
    power.land().await;
    run.restart()
        .await
        .map_err(|what| format!("after a restart: {what}"))?;
    run.settle()
        .await
        .map_err(|what| format!("after settling: {what}"))?;
    run.restart()
        .await
        .map_err(|what| format!("after the last restart: {what}"))?;
    Ok(power.calls())
}

async fn every_failure(number: u64, steps: &[Step], cases: &mut u64) {
    let show = |what: String, calls: Option<u64>, failure: Failure| {
        panic!("R24: script {number}, {failure:?} after {calls:?} calls: {what}\n{steps:#?}")
    };
    let calls = match attempt(steps, None, Failure::Lost).await {
        Ok(calls) => calls,
        Err(what) => show(what, None, Failure::Lost),
    };
    for failure in Failure::ALL {
        for at in 0..calls {
            *cases += 1;
            if let Err(what) = attempt(steps, Some(at), failure).await {
                show(what, Some(at), failure);
            }
        }
    }
}

#[tokio::test]
async fn r24_a_failure_at_every_call_loses_nothing_and_brings_nothing_back() {
    let seed = proof::seed();
    let (scripts, mut cases) = (proof::scaled(SCRIPTS), 0);
    for number in 0..scripts {
        let mut rng = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let steps: Vec<Step> = (0..STEPS).map(|_| Step::draw(&mut rng)).collect();
        every_failure(number, &steps, &mut cases).await;
    }
    let counts = [
        ("scripts", scripts),
        ("cases", cases),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R24", &counts);
}
