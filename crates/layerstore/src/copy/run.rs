use std::sync::Arc;

use layerstore_data_store::{
    BackoffPolicy, ErrorKind, MapClaim, MapDataStore, StoreError, Write, WriteResult, retry, retry_writes,
};
use layerstore_record::{Clock, Key, MapName, NodeId, SystemClock, Version};

use super::compare::{Pair, has_ended, next};
use super::pages::Pages;
use super::pause::TimerPause;
use super::report::{CopyProgress, CopyReport, MapCopy};

/// How many records are written at a time.
const BATCH: usize = 1_000;

/// How often a map is gone through because its source changed meanwhile, before it is left as it is.
const ROUNDS: usize = 3;

/// Copies records from one data store to another, with their versions, times and expiry, tombstones included.
///
/// The target's maps are claimed: whoever wrote to them is fenced out. The source is only read, and may be written to
/// meanwhile, unless it is [fenced](Self::fence_source) as well. Run again after an interruption, a copy goes on where it stopped.
///
/// ```
/// use std::sync::Arc;
/// use layerstore::data_store::{InMemoryDataStore, MapDataStore};
/// use layerstore::{Copy, SystemClock};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), layerstore::Error> {
/// let from: Arc<dyn MapDataStore> = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
/// let to: Arc<dyn MapDataStore> = Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
/// let report = Copy::new(from, to).run(&mut |progress| println!("{}", progress.written)).await?;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Copy {
    from: Arc<dyn MapDataStore>,
    to: Arc<dyn MapDataStore>,
    maps: Vec<MapName>,
    fences_source: bool,
    clock: Arc<dyn Clock>,
    seed: u64,
}

/// Whether a pass writes or only compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Write,
    Verify,
}

/// A map under way.
struct MapRun<'a> {
    copy: &'a Copy,
    report: MapCopy,
    /// Up to which version the target may have forgotten removals.
    purged: Version,
    rng: fastrand::Rng,
    progress: &'a mut (dyn FnMut(&CopyProgress) + Send),
}

impl Copy {
    /// Copies all maps that `from` has, into `to`.
    #[must_use]
    pub fn new(from: Arc<dyn MapDataStore>, to: Arc<dyn MapDataStore>) -> Self {
        Self {
            from,
            to,
            maps: Vec::new(),
            fences_source: false,
            clock: Arc::new(SystemClock),
            seed: NodeId::random().0,
        }
    }

    /// Copies this map, and no other that is not named.
    #[must_use]
    pub fn map(mut self, map: MapName) -> Self {
        self.maps.push(map);
        self
    }

    /// Claims the source's maps first, so that nothing is written there any more, and carries their floors over: what was cleared
    /// or purged does not come back by a late write to the target either.
    #[must_use]
    pub fn fence_source(mut self) -> Self {
        self.fences_source = true;
        self
    }

    /// Takes the time from this clock, to tell what has ended.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes the chance in waiting times from this seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Copies, then compares; tells `progress` of each batch that is durable. Dropped at an await, it leaves a copy that can be
    /// gone on with.
    ///
    /// # Errors
    /// A [`StoreError`] of either store that no retry cures; [`Fenced`](ErrorKind::Fenced) when somebody else claims a map of the
    /// target meanwhile. What one record is refused for is in the report.
    pub async fn run(
        &self,
        progress: &mut (dyn FnMut(&CopyProgress) + Send),
    ) -> Result<CopyReport, StoreError> {
        if self.to.is_null() {
            let what = "the target keeps nothing: name another";
            return Err(StoreError::new(ErrorKind::Rejected, self.to.name(), "copy", what));
        }
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut report = CopyReport::default();
        for map in self.maps(&mut rng).await? {
            let run = MapRun {
                copy: self,
                report: MapCopy::new(map),
                purged: Version::ZERO,
                rng: rng.fork(),
                progress: &mut *progress,
            };
            report.maps.push(run.run().await?);
        }
        Ok(report)
    }

    async fn maps(&self, rng: &mut fastrand::Rng) -> Result<Vec<MapName>, StoreError> {
        let mut maps = self.maps.clone();
        if maps.is_empty() {
            let list = async || self.from.list_maps().await;
            maps = retry(BackoffPolicy::default(), rng, &mut TimerPause::begin(), list).await?;
        }
        maps.sort_unstable();
        maps.dedup();
        Ok(maps)
    }
}

impl MapRun<'_> {
    async fn run(mut self) -> Result<MapCopy, StoreError> {
        let map = self.report.map.clone();
        let floors = match self.copy.fences_source {
            true => Some(self.claim(&*self.copy.from).await?),
            false => None,
        };
        let held = self.claim(&*self.copy.to).await?;
        self.purged = held.purged;
        if let Some(floors) = floors.filter(|floors| floors.cleared > held.cleared) {
            self.raise_cleared(floors.cleared).await?;
        }
        for round in 0..ROUNDS {
            self.pass(Pass::Write, round == 0).await?;
            self.pass(Pass::Verify, false).await?;
            if self.report.is_complete() || self.report.refused_count > 0 {
                break;
            }
            tracing::info!(%map, different = self.report.different, "the source has changed: gone through again");
        }
        // Only now: below this floor no record that is missing could be written any more.
        if let Some(floors) = floors.filter(|floors| floors.purged > held.purged && self.report.is_complete())
        {
            let _dropped = self.copy.to.purge(&map, floors.purged).await?;
        }
        Ok(self.report)
    }

    async fn claim(&mut self, store: &dyn MapDataStore) -> Result<MapClaim, StoreError> {
        let map = self.report.map.clone();
        let claim = async || store.claim(&map).await;
        retry(
            BackoffPolicy::default(),
            &mut self.rng,
            &mut TimerPause::begin(),
            claim,
        )
        .await
    }

    /// Carries the source's cleared floor over, which drops what the target has at or below it: what a former copy brought
    /// and the source has cleared since. Of a target that holds anything else at or below it nothing is dropped.
    async fn raise_cleared(&mut self, cleared: Version) -> Result<(), StoreError> {
        let map = self.report.map.clone();
        let to = Arc::clone(&self.copy.to);
        let mut pages = Pages::new(&*to, &map, self.rng.fork());
        if pages.key().await?.is_some() {
            tracing::warn!(%map, "the target has records already: the floor of what was cleared is not carried over");
            return Ok(());
        }
        let clear = async || to.clear(&map, cleared).await;
        retry(
            BackoffPolicy::default(),
            &mut self.rng,
            &mut TimerPause::begin(),
            clear,
        )
        .await
    }

    /// Goes through both stores once.
    async fn pass(&mut self, pass: Pass, is_first: bool) -> Result<(), StoreError> {
        let map = self.report.map.clone();
        let copy = self.copy;
        let mut source = Pages::new(&*copy.from, &map, self.rng.fork());
        let mut target = Pages::new(&*copy.to, &map, self.rng.fork());
        let mut batch = Vec::new();
        let most = BATCH.min(copy.to.limits().batch_records.max(1));
        let mut told = CopyProgress {
            map: map.clone(),
            read: 0,
            written: self.report.written,
            up_to: None,
            is_verifying: pass == Pass::Verify,
        };
        if pass == Pass::Verify {
            self.begin_verification();
        }
        while let Some(pair) = next(&mut source, &mut target).await? {
            if !matches!(pair, Pair::Extra) {
                told.read += 1;
            }
            match pass {
                Pass::Verify => self.verify(pair),
                Pass::Write => {
                    told.up_to = self.plan(pair, &mut batch, is_first).or(told.up_to);
                }
            }
            if batch.len() >= most {
                self.write(std::mem::take(&mut batch)).await?;
            } else if !(batch.is_empty() && told.read.is_multiple_of(BATCH as u64)) {
                continue;
            }
            told.written = self.report.written;
            (self.progress)(&told);
        }
        self.write(batch).await?;
        told.written = self.report.written;
        (self.progress)(&told);
        Ok(())
    }

    /// Decides what becomes of a key of the source; returns it.
    fn plan(&mut self, pair: Pair, batch: &mut Vec<Write>, is_first: bool) -> Option<Key> {
        match pair {
            Pair::Missing(key, record) | Pair::Older(key, record) => {
                batch.push(Write::new(self.report.map.clone(), key.clone(), Arc::new(record)));
                Some(key)
            }
            Pair::Same(key, ..) => {
                self.report.unchanged += u64::from(is_first);
                Some(key)
            }
            Pair::Different(key, ..) | Pair::Superseded(key) => Some(key),
            Pair::Extra => None,
        }
    }

    /// Makes writes, and notes what the target refuses.
    async fn write(&mut self, batch: Vec<Write>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let keys: Vec<(Key, bool)> = batch
            .iter()
            .map(|write| (write.key.clone(), write.record.is_tombstone()))
            .collect();
        let to = Arc::clone(&self.copy.to);
        let pause = &mut TimerPause::begin();
        let answers = retry_writes(&*to, batch, BackoffPolicy::default(), &mut self.rng, pause).await;
        for ((key, is_tombstone), answer) in keys.into_iter().zip(answers) {
            match answer {
                WriteResult::Applied => self.report.written += 1,
                // Something newer has come: it stands.
                WriteResult::Stale { .. } | WriteResult::Conflict { .. } => {}
                // A removal that the target has forgotten, as it may: there is nothing left to remove.
                WriteResult::Rejected(error) if error.kind() == ErrorKind::BelowHorizon && is_tombstone => {}
                WriteResult::Rejected(error) if is_the_records_own(error.kind()) => {
                    self.report.refuse(key, error);
                }
                WriteResult::Rejected(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn begin_verification(&mut self) {
        let report = &mut self.report;
        (report.source, report.target) = Default::default();
        (report.superseded, report.extra, report.different) = (0, 0, 0);
    }

    fn verify(&mut self, pair: Pair) {
        let now = self.copy.clock.now();
        let report = &mut self.report;
        match pair {
            Pair::Same(key, record, held) => {
                report.source.count(&key, &record);
                report.target.count(&key, &held);
            }
            Pair::Different(key, record, held) => {
                report.source.count(&key, &record);
                report.target.count(&key, &held);
                report.different += 1;
            }
            // A removal that the target may have forgotten, or a record that has ended since it was read.
            Pair::Missing(_, record)
                if record.is_tombstone() && record.version() <= self.purged || has_ended(&record, now) => {}
            Pair::Missing(key, record) | Pair::Older(key, record) => {
                report.source.count(&key, &record);
                report.different += 1;
            }
            Pair::Superseded(_) => report.superseded += 1,
            Pair::Extra => report.extra += 1,
        }
    }
}

/// Tells whether an error is about one record, so that the others can go on.
fn is_the_records_own(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TooLarge | ErrorKind::Rejected | ErrorKind::BelowHorizon
    )
}
