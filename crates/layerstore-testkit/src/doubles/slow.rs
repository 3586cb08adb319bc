use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage, ScanRequest,
    StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};

use super::call::Call;
use super::gates::{Gates, Side};
use super::restate::restate;

/// How long a test waits for callers to arrive before it fails: far above what an idle machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes as long as the test wants, around any data store: calls wait at gates that the test shuts and opens.
///
/// A gate before the store holds what was asked, a gate after it what was answered: a load that stands behind
/// [`Side::After`] has read, and whatever is written meanwhile it does not know. No sleeps are needed to see to that.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_data_store::{InMemoryDataStore, MapDataStore};
/// use layerstore_record::{Key, MapName};
/// use layerstore_testkit::clock::ManualClock;
/// use layerstore_testkit::doubles::{Call, Side, SlowDataStore};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(SlowDataStore::new(Arc::new(InMemoryDataStore::new(ManualClock::new().shared()))));
/// store.shut(Call::Load, Side::After);
/// let load = tokio::spawn({
///     let (store, map, key) = (Arc::clone(&store), MapName::new("users")?, Key::new("alice")?);
///     async move { store.load(&map, &key).await }
/// });
/// store.until_waiting(Call::Load, Side::After, 1).await;
/// // The load has read and has not answered: time for the race under test.
/// store.open(Call::Load, Side::After);
/// assert!(load.await??.is_none());
/// # Ok(()) }
/// ```
pub struct SlowDataStore {
    inner: Arc<dyn MapDataStore>,
    gates: Gates,
    /// How many turns calls let others have; never locked across an await.
    dawdling: Mutex<Option<(fastrand::Rng, u8)>>,
}

impl SlowDataStore {
    /// Stands before a store, with all gates open.
    #[must_use]
    pub fn new(inner: Arc<dyn MapDataStore>) -> Self {
        Self {
            inner,
            gates: Gates::new(),
            dawdling: Mutex::default(),
        }
    }

    /// Makes every call let the other tasks of its runtime have up to `most` turns, before the store is asked and again
    /// before the caller hears of the answer: calls of different tasks then overlap in every way.
    pub fn dawdle(&self, rng: fastrand::Rng, most: u8) {
        *self.dawdling.lock().unwrap_or_else(PoisonError::into_inner) = Some((rng, most));
    }

    /// Makes every such call wait from now on.
    pub fn shut(&self, call: Call, side: Side) {
        self.gates.shut(call, side);
    }

    /// Lets all that wait go on, and whoever comes.
    pub fn open(&self, call: Call, side: Side) {
        self.gates.open(call, side);
    }

    /// Opens every gate.
    pub fn open_all(&self) {
        self.gates.open_all();
    }

    /// Lets `number` calls through a shut gate: those that wait first.
    pub fn let_pass(&self, call: Call, side: Side, number: usize) {
        self.gates.let_pass(call, side, number);
    }

    /// Returns how many calls wait at a gate now.
    #[must_use]
    pub fn waiting(&self, call: Call, side: Side) -> usize {
        self.gates.waiting(call, side)
    }

    /// Waits until at least `number` calls wait at a gate.
    ///
    /// # Panics
    /// When they have not come after 30 s (of tokio's time): the test would hang.
    #[expect(clippy::panic, reason = "a test that would hang must end and say where")]
    pub async fn until_waiting(&self, call: Call, side: Side, number: usize) {
        let arrived = self.gates.until_waiting(call, side, number);
        if tokio::time::timeout(PATIENCE, arrived).await.is_err() {
            let waiting = self.waiting(call, side);
            panic!(
                "waited for {number} calls of {} at the gate {side:?}, {waiting} came",
                call.name()
            );
        }
    }

    async fn through<T>(&self, call: Call, made: impl Future<Output = T>) -> T {
        self.let_others().await;
        self.gates.pass(call, Side::Before).await;
        let answer = made.await;
        self.gates.pass(call, Side::After).await;
        self.let_others().await;
        answer
    }

    async fn let_others(&self) {
        let turns = {
            let mut dawdling = self.dawdling.lock().unwrap_or_else(PoisonError::into_inner);
            dawdling.as_mut().map_or(0, |(rng, most)| rng.u8(..=*most))
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store below"
)]
impl MapDataStore for SlowDataStore {
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
        self.through(Call::Claim, self.inner.claim(map)).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.through(Call::Apply, self.inner.apply(writes)).await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::NeedsIo(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.inner.restating().map(|_| self as &dyn RestateRecords)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.through(Call::Load, self.inner.load(map, key)).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.through(Call::LoadAll, self.inner.load_all(map, keys)).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.through(Call::ScanPage, self.inner.scan_page(map, request))
            .await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.through(Call::ListMaps, self.inner.list_maps()).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.through(Call::Clear, self.inner.clear(map, up_to)).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.through(Call::Purge, self.inner.purge(map, horizon)).await
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
        self.through(Call::HardFlush, self.inner.hard_flush()).await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.through(Call::FlushKey, self.inner.flush_key(map, key)).await
    }

    fn reset(&self) -> usize {
        self.inner.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.through(Call::Close, self.inner.close(deadline)).await
    }
}

#[async_trait]
impl RestateRecords for SlowDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.through(Call::Restate, restate(&*self.inner, writes)).await
    }
}
