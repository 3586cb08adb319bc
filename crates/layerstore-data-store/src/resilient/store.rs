use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_record::{Clock, Key, MapName, Record, Version};
use tracing::Instrument;

use super::attempts::{Bounds, Call, reject};
use super::guard::Guard;
use super::metrics;
use crate::backoff::BackoffPolicy;
use crate::breaker::{BreakerPolicy, BreakerState};
use crate::error::{ErrorKind, FlushError, StoreError};
use crate::limits::Limits;
use crate::restate::RestateRecords;
use crate::scan::{ScanPage, ScanRequest};
use crate::store::{CloseReport, MapClaim, MapDataStore, TryApply};
use crate::write::{Write, WriteResult};

/// One try of a call may take this long: 5 s, far beyond a healthy store in the same region.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Stands before a data store that is reached over a network: every try ends in time, failures that a retry may cure are
/// tried again with jitter, and a store that is down is left alone but for a probe from time to time.
///
/// - A try that has no answer within the attempt timeout is given up as [`Timeout`](crate::ErrorKind::Timeout); tries,
///   waits and all end within [`BackoffPolicy::with_total`].
/// - Reads, clears and purges are tried again, and of a batch of writes those that failed so. A write whose outcome is
///   unknown is resolved by making it again: D1 makes writes idempotent by their versions. A **claim is made once**: one
///   that was made unnoticed, and then again, might fence out whoever claimed the map in between.
/// - After a number of tries in a row that the store did not answer ([`Unavailable`](crate::ErrorKind::Unavailable) or a
///   timeout) the breaker opens: calls fail at once, with what was heard last as their source, until a probe succeeds. Any
///   other answer, an error too, shows that the store is there.
/// - Flushes, [`close`](MapDataStore::close) and everything that does no I/O go straight to the store.
///
/// Every call is a span (`data_store`: store, operation, map; never a key's record or a credential) and is counted:
/// [`CALLS_TOTAL`](crate::CALLS_TOTAL), [`CALL_SECONDS`](crate::CALL_SECONDS), [`TRIES_TOTAL`](crate::TRIES_TOTAL),
/// [`WRITES_TOTAL`](crate::WRITES_TOTAL), [`BREAKER_STATE`](crate::BREAKER_STATE). Needs a tokio runtime with its timer.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use layerstore_data_store::{InMemoryDataStore, MapDataStore, ResilientDataStore};
/// use layerstore_record::{Key, MapName, SystemClock};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Arc::new(SystemClock);
/// let store = ResilientDataStore::builder(Arc::new(InMemoryDataStore::new(clock.clone())), clock)
///     .attempt_timeout(Duration::from_secs(2))
///     .build();
/// assert!(store.load(&MapName::new("users")?, &Key::new("alice")?).await?.is_none());
/// # Ok(()) }
/// ```
pub struct ResilientDataStore {
    inner: Arc<dyn MapDataStore>,
    guard: Guard,
    bounds: Bounds,
    /// Where the jitter comes from: each call takes a generator of its own out of it.
    rng: Mutex<fastrand::Rng>,
}

/// Makes a [`ResilientDataStore`].
#[must_use]
pub struct ResilientDataStoreBuilder {
    inner: Arc<dyn MapDataStore>,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    breaker: BreakerPolicy,
    seed: u64,
}

impl ResilientDataStore {
    /// Begins with the defaults, around `inner`; `clock` times the breaker's pauses.
    pub fn builder(inner: Arc<dyn MapDataStore>, clock: Arc<dyn Clock>) -> ResilientDataStoreBuilder {
        let seed = clock.now().0;
        ResilientDataStoreBuilder {
            inner,
            clock,
            bounds: Bounds {
                attempt: DEFAULT_ATTEMPT_TIMEOUT,
                backoff: BackoffPolicy::default(),
            },
            breaker: BreakerPolicy::default(),
            seed,
        }
    }

    /// Returns where the breaker stands.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.guard.breaker_state()
    }

    fn call(&self, operation: &'static str) -> Call<'_> {
        Call::new(self.inner.name(), operation, &self.guard, self.bounds)
    }

    fn span(&self, operation: &'static str, map: Option<&MapName>) -> tracing::Span {
        let map = map.map(MapName::as_str);
        tracing::debug_span!("data_store", store = self.inner.name(), operation, map)
    }

    fn rng(&self) -> fastrand::Rng {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    async fn run<T, F, R>(
        &self,
        operation: &'static str,
        map: Option<&MapName>,
        call: F,
    ) -> Result<T, StoreError>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, StoreError>>,
    {
        let span = self.span(operation, map);
        self.call(operation).run(self.rng(), call).instrument(span).await
    }

    async fn write<F, R>(&self, operation: &'static str, writes: Vec<Write>, call: F) -> Vec<WriteResult>
    where
        F: FnMut(Vec<Write>) -> R,
        R: Future<Output = Vec<WriteResult>>,
    {
        let span = self.span(operation, writes.first().map(|write| &write.map));
        let made = self.call(operation).write(self.rng(), writes, call);
        made.instrument(span).await
    }
}

impl ResilientDataStoreBuilder {
    /// Sets how long one try may take (default [`DEFAULT_ATTEMPT_TIMEOUT`]).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.attempt = timeout;
        self
    }

    /// Sets how often a call is tried, how far apart, and how long in all.
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.bounds.backoff = policy;
        self
    }

    /// Sets when the breaker opens and how often it probes.
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
        self
    }

    /// Sets the seed of the jitter (default: the clock's time, so that servers started together still differ).
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the store and describes its metrics to the recorder.
    #[must_use]
    pub fn build(self) -> ResilientDataStore {
        metrics::describe();
        ResilientDataStore {
            guard: Guard::new(self.inner.name(), self.breaker, self.clock),
            inner: self.inner,
            bounds: self.bounds,
            rng: Mutex::new(fastrand::Rng::with_seed(self.seed)),
        }
    }
}

#[async_trait]
impl RestateRecords for ResilientDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let Some(restating) = self.inner.restating() else {
            let what = "the store inside restates no more";
            let error = StoreError::new(ErrorKind::Rejected, self.inner.name(), "restate", what);
            return reject(&writes, &error);
        };
        // As with writes, a restatement of the same version may be made twice.
        self.write("restate", writes, |writes| restating.restate(writes))
            .await
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store inside"
)]
impl MapDataStore for ResilientDataStore {
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
        let span = self.span("claim", Some(map));
        let once = self.call("claim").once();
        once.run(self.rng(), || self.inner.claim(map))
            .instrument(span)
            .await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.write("apply", writes, |writes| self.inner.apply(writes))
            .await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        self.inner.try_apply(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.inner.restating().is_some().then_some(self)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.run("load", Some(map), || self.inner.load(map, key)).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.run("load_all", Some(map), || self.inner.load_all(map, keys))
            .await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.run("scan_page", Some(map), || {
            self.inner.scan_page(map, request.clone())
        })
        .await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.run("list_maps", None, || self.inner.list_maps()).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.run("clear", Some(map), || self.inner.clear(map, up_to))
            .await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.run("purge", Some(map), || self.inner.purge(map, horizon))
            .await
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
        self.inner.hard_flush().await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.inner.flush_key(map, key).await
    }

    fn reset(&self) -> usize {
        self.inner.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.inner.close(deadline).await
    }
}
