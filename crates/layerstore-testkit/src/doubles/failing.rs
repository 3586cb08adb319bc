use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage, ScanRequest,
    StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};

use super::call::Call;
use super::fault::{Effect, Fault};
use super::restate::restate;

/// Fails where the test says so, or at random from a seed, around any data store.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_data_store::{ErrorKind, InMemoryDataStore, MapDataStore};
/// use layerstore_record::MapName;
/// use layerstore_testkit::clock::ManualClock;
/// use layerstore_testkit::doubles::{Call, FailingDataStore, Fault};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = FailingDataStore::new(Arc::new(InMemoryDataStore::new(ManualClock::new().shared())));
/// let map = MapName::new("users")?;
/// store.fail_next(Call::Claim, Fault::before(ErrorKind::Unavailable));
/// assert!(store.claim(&map).await.is_err_and(|error| error.is_retryable()));
/// assert!(store.claim(&map).await.is_ok());
/// # Ok(()) }
/// ```
pub struct FailingDataStore {
    inner: Arc<dyn MapDataStore>,
    /// What is to fail, and what was held back; never locked across an await.
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    next: HashMap<Call, VecDeque<Fault>>,
    always: HashMap<Call, Fault>,
    keys: HashMap<Key, Fault>,
    random: Option<RandomFaults>,
    late: Vec<Write>,
    late_restatements: Vec<Write>,
    injected: u64,
}

struct RandomFaults {
    rng: fastrand::Rng,
    per_mille: u16,
    faults: Vec<Fault>,
}

impl FailingDataStore {
    /// Stands before a store, and fails nothing yet.
    #[must_use]
    pub fn new(inner: Arc<dyn MapDataStore>) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
        }
    }

    /// Fails the next such call that has no fault waiting yet: several of these queue up.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.plan().next.entry(call).or_default().push_back(fault);
    }

    /// Fails every such call, after those of [`fail_next`](Self::fail_next), until [`heal`](Self::heal).
    pub fn fail_always(&self, call: Call, fault: Fault) {
        self.plan().always.insert(call, fault);
    }

    /// Fails every write and load of this key, alone of its batch, until [`heal`](Self::heal).
    /// In `load_all` it fails them all.
    pub fn fail_key(&self, key: &Key, fault: Fault) {
        self.plan().keys.insert(key.clone(), fault);
    }

    /// Fails `per_mille` of a thousand calls, each with one of `faults`, until [`heal`](Self::heal).
    pub fn fail_randomly(&self, rng: fastrand::Rng, per_mille: u16, faults: &[Fault]) {
        self.plan().random = Some(RandomFaults {
            rng,
            per_mille,
            faults: faults.to_vec(),
        });
    }

    /// Fails nothing any more. Writes that were held back stay held back.
    pub fn heal(&self) {
        let mut plan = self.plan();
        *plan = Plan {
            late: std::mem::take(&mut plan.late),
            late_restatements: std::mem::take(&mut plan.late_restatements),
            injected: plan.injected,
            ..Plan::default()
        };
    }

    /// Returns how many faults have struck: batches count once, failed keys once each.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.plan().injected
    }

    /// Makes the writes that [`Fault::late`] held back, in the order in which they were tried; restatements last.
    pub async fn land(&self) -> Vec<WriteResult> {
        let (late, restated) = {
            let mut plan = self.plan();
            (
                std::mem::take(&mut plan.late),
                std::mem::take(&mut plan.late_restatements),
            )
        };
        let mut landed = self.inner.apply(late).await;
        if !restated.is_empty() {
            landed.extend(restate(&*self.inner, restated).await);
        }
        landed
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, fault: Fault, call: Call) -> StoreError {
        fault.error(self.inner.name(), call)
    }

    /// Fails before the call where that is due; otherwise tells how to fail after it.
    fn strike(&self, call: Call) -> Result<Option<StoreError>, StoreError> {
        match self.plan().strike(call) {
            None => Ok(None),
            Some(fault) if fault.effect == Effect::Made => Ok(Some(self.error(fault, call))),
            Some(fault) => Err(self.error(fault, call)),
        }
    }

    fn strike_flush(&self, call: Call) -> Result<Option<FlushError>, FlushError> {
        let flush = |error| FlushError {
            pending: Vec::new(),
            source: Some(error),
        };
        self.strike(call).map(|after| after.map(flush)).map_err(flush)
    }

    /// Makes those of the writes that no fault keeps back, and answers for all.
    async fn strike_writes(
        &self,
        call: Call,
        writes: Vec<Write>,
        make: impl AsyncFnOnce(Vec<Write>) -> Vec<WriteResult>,
    ) -> Vec<WriteResult> {
        let faults = self.plan().strike_batch(call, &writes);
        let mut results: Vec<Option<WriteResult>> = Vec::with_capacity(writes.len());
        // The writes that reach the store below, each with the place of its answer.
        let (mut made, mut places) = (Vec::new(), Vec::new());
        for (place, (write, fault)) in writes.into_iter().zip(faults).enumerate() {
            results.push(fault.map(|fault| self.rejected(fault, call, &write)));
            match fault.map(|fault| fault.effect) {
                None | Some(Effect::Made) => {
                    made.push(write);
                    places.push(place);
                }
                Some(Effect::MadeLater) => self.plan().late_of(call).push(write),
                Some(Effect::None) => {}
            }
        }
        if !made.is_empty() {
            for (place, answer) in places.into_iter().zip(make(made).await) {
                results[place].get_or_insert(answer);
            }
        }
        results.into_iter().flatten().collect()
    }

    fn rejected(&self, fault: Fault, call: Call, write: &Write) -> WriteResult {
        WriteResult::Rejected(self.error(fault, call).in_map(&write.map).at_key(&write.key))
    }
}

impl Plan {
    fn strike(&mut self, call: Call) -> Option<Fault> {
        let scripted = self.next.get_mut(&call).and_then(VecDeque::pop_front);
        let fault = scripted.or_else(|| self.always.get(&call).copied());
        let fault = fault.or_else(|| self.random.as_mut().and_then(RandomFaults::draw));
        self.injected += u64::from(fault.is_some());
        fault
    }

    fn strike_key(&mut self, key: &Key) -> Option<Fault> {
        let fault = self.keys.get(key).copied();
        self.injected += u64::from(fault.is_some());
        fault
    }

    fn late_of(&mut self, call: Call) -> &mut Vec<Write> {
        match call {
            Call::Restate => &mut self.late_restatements,
            _ => &mut self.late,
        }
    }

    /// Tells how each write of a batch fails: by its key, or with the whole batch.
    fn strike_batch(&mut self, call: Call, writes: &[Write]) -> Vec<Option<Fault>> {
        let batch = self.strike(call);
        writes
            .iter()
            .map(|write| batch.or_else(|| self.strike_key(&write.key)))
            .collect()
    }
}

impl RandomFaults {
    fn draw(&mut self) -> Option<Fault> {
        let hit = self.rng.u16(0..1_000) < self.per_mille;
        if hit {
            self.rng.choice(&self.faults).copied()
        } else {
            None
        }
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store below"
)]
impl MapDataStore for FailingDataStore {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn is_null(&self) -> bool {
        self.inner.is_null()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let after = self.strike(Call::Claim)?;
        let claim = self.inner.claim(map).await?;
        after.map_or(Ok(claim), Err)
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.strike_writes(Call::Apply, writes, async |made| self.inner.apply(made).await)
            .await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::NeedsIo(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.inner.restating().map(|_| self as &dyn RestateRecords)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        if let Some(fault) = self.plan().strike_key(key) {
            return Err(self.error(fault, Call::Load).in_map(map).at_key(key));
        }
        let after = self.strike(Call::Load)?;
        let record = self.inner.load(map, key).await?;
        after.map_or(Ok(record), Err)
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        if let Some(fault) = keys.iter().find_map(|key| self.plan().strike_key(key)) {
            return Err(self.error(fault, Call::LoadAll).in_map(map));
        }
        let after = self.strike(Call::LoadAll)?;
        let records = self.inner.load_all(map, keys).await?;
        after.map_or(Ok(records), Err)
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let after = self.strike(Call::ScanPage)?;
        let page = self.inner.scan_page(map, request).await?;
        after.map_or(Ok(page), Err)
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let after = self.strike(Call::ListMaps)?;
        let maps = self.inner.list_maps().await?;
        after.map_or(Ok(maps), Err)
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let after = self.strike(Call::Clear)?;
        self.inner.clear(map, up_to).await?;
        after.map_or(Ok(()), Err)
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let after = self.strike(Call::Purge)?;
        let dropped = self.inner.purge(map, horizon).await?;
        after.map_or(Ok(dropped), Err)
    }

    fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
        self.inner.is_loadable(map, key)
    }

    fn pending_operation_count(&self) -> usize {
        self.inner.pending_operation_count()
    }

    fn soft_flush(&self) -> usize {
        self.inner.soft_flush()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        let after = self.strike_flush(Call::HardFlush)?;
        self.inner.hard_flush().await?;
        after.map_or(Ok(()), Err)
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        let after = self.strike_flush(Call::FlushKey)?;
        self.inner.flush_key(map, key).await?;
        after.map_or(Ok(()), Err)
    }

    fn reset(&self) -> usize {
        self.inner.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        let failed = |error| CloseReport {
            pending: Vec::new(),
            error: Some(error),
        };
        match self.strike(Call::Close) {
            Ok(None) => self.inner.close(deadline).await,
            Ok(Some(after)) => CloseReport {
                error: Some(after),
                ..self.inner.close(deadline).await
            },
            Err(before) => failed(before),
        }
    }
}

#[async_trait]
impl RestateRecords for FailingDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let make = async |made| restate(&*self.inner, made).await;
        self.strike_writes(Call::Restate, writes, make).await
    }
}
