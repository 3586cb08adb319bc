//! Stores that stop, fail once, or answer too early at the n-th call that either of them gets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};

/// What happens at the n-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Both stores are gone from then on; the call is not made.
    StopBefore,
    /// Both stores are gone from then on; the call is made.
    StopAfter,
    /// The call is not made, and its outcome is not known to the caller.
    Lost,
    /// The call is made, and its outcome is not known to the caller.
    Unanswered,
    /// The call is made when the test says so, if it changes anything; its outcome is not known to the caller.
    Late,
}

impl Failure {
    pub(crate) const ALL: [Self; 5] = [
        Self::StopBefore,
        Self::StopAfter,
        Self::Lost,
        Self::Unanswered,
        Self::Late,
    ];
}

/// Counts the calls of two stores, and fails the n-th.
pub(crate) struct Power {
    state: Mutex<State>,
    failure: Failure,
}

struct State {
    left: u64,
    calls: u64,
    has_struck: bool,
    late: Vec<Change>,
}

/// A call that changes something, on its way.
enum Change {
    Apply(Arc<dyn MapDataStore>, Vec<Write>),
    Restate(Arc<dyn MapDataStore>, Vec<Write>),
    Clear(Arc<dyn MapDataStore>, MapName, Version),
    Purge(Arc<dyn MapDataStore>, MapName, Version),
}

/// What is to be done with a call.
enum Fate {
    Made,
    MadeUnheard,
    NotMade,
    Postponed,
}

impl Power {
    /// Fails the call after `calls`; `None` fails none.
    pub(crate) fn new(calls: Option<u64>, failure: Failure) -> Arc<Self> {
        let state = State {
            left: calls.unwrap_or(u64::MAX),
            calls: 0,
            has_struck: false,
            late: Vec::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            failure,
        })
    }

    pub(crate) fn over(self: &Arc<Self>, inner: Arc<dyn MapDataStore>) -> Arc<Powered> {
        Arc::new(Powered {
            inner,
            power: Arc::clone(self),
        })
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state.lock().unwrap().calls
    }

    /// Tells whether both stores are gone.
    pub(crate) fn is_off(&self) -> bool {
        let stops = matches!(self.failure, Failure::StopBefore | Failure::StopAfter);
        stops && self.state.lock().unwrap().has_struck
    }

    /// Makes what was postponed.
    pub(crate) async fn land(&self) {
        let late = std::mem::take(&mut self.state.lock().unwrap().late);
        for change in late {
            match change {
                Change::Apply(store, writes) => drop(store.apply(writes).await),
                Change::Restate(store, writes) => drop(store.restating().unwrap().restate(writes).await),
                Change::Clear(store, map, up_to) => drop(store.clear(&map, up_to).await),
                Change::Purge(store, map, horizon) => drop(store.purge(&map, horizon).await),
            }
        }
    }

    fn fate(&self) -> Fate {
        let mut state = self.state.lock().unwrap();
        let stops = matches!(self.failure, Failure::StopBefore | Failure::StopAfter);
        if state.has_struck {
            return if stops { Fate::NotMade } else { Fate::Made };
        }
        if state.left > 0 {
            state.left -= 1;
            state.calls += 1;
            return Fate::Made;
        }
        state.has_struck = true;
        match self.failure {
            Failure::StopBefore | Failure::Lost => Fate::NotMade,
            Failure::StopAfter | Failure::Unanswered => Fate::MadeUnheard,
            Failure::Late => Fate::Postponed,
        }
    }

    fn postpone(&self, change: Change) {
        self.state.lock().unwrap().late.push(change);
    }
}

/// One of the two stores.
pub(crate) struct Powered {
    inner: Arc<dyn MapDataStore>,
    power: Arc<Power>,
}

impl Powered {
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.change(operation, call, || None).await
    }

    async fn change<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
        change: impl FnOnce() -> Option<Change>,
    ) -> Result<T, StoreError> {
        let unheard = || Err(unknown(self.inner.name(), operation));
        match self.power.fate() {
            Fate::Made => call.await,
            Fate::MadeUnheard => {
                let _ = call.await;
                unheard()
            }
            Fate::NotMade => unheard(),
            Fate::Postponed => {
                if let Some(change) = change() {
                    self.power.postpone(change);
                }
                unheard()
            }
        }
    }

    async fn writes(
        &self,
        operation: &'static str,
        writes: Vec<Write>,
        call: impl Future<Output = Vec<WriteResult>>,
        change: impl FnOnce(Vec<Write>) -> Change,
    ) -> Vec<WriteResult> {
        let postponed = writes.clone();
        let made = async { Ok(call.await) };
        match self.change(operation, made, || Some(change(postponed))).await {
            Ok(answers) => answers,
            Err(error) => {
                let unheard = |write: &Write| {
                    WriteResult::Rejected(error.clone().in_map(&write.map).at_key(&write.key))
                };
                writes.iter().map(unheard).collect()
            }
        }
    }
}

fn unknown(store: &'static str, operation: &'static str) -> StoreError {
    StoreError::new(ErrorKind::Timeout, store, operation, "the test cut it off").with_unknown_outcome()
}

fn unflushed(error: StoreError) -> FlushError {
    FlushError {
        pending: Vec::new(),
        source: Some(error),
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the store below"
)]
impl MapDataStore for Powered {
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
        self.call("claim", self.inner.claim(map)).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let call = self.inner.apply(writes.clone());
        let late = |writes| Change::Apply(Arc::clone(&self.inner), writes);
        self.writes("apply", writes, call, late).await
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::NeedsIo(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        self.inner.restating().map(|_| self as &dyn RestateRecords)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.call("load", self.inner.load(map, key)).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.call("load_all", self.inner.load_all(map, keys)).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.call("scan_page", self.inner.scan_page(map, request)).await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.call("list_maps", self.inner.list_maps()).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let late = || Some(Change::Clear(Arc::clone(&self.inner), map.clone(), up_to));
        self.change("clear", self.inner.clear(map, up_to), late).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let late = || Some(Change::Purge(Arc::clone(&self.inner), map.clone(), horizon));
        self.change("purge", self.inner.purge(map, horizon), late).await
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
        let flushed = async {
            self.inner
                .hard_flush()
                .await
                .map_err(|_| unknown("memory", "hard_flush"))
        };
        self.call("hard_flush", flushed).await.map_err(unflushed)
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        let flushed = async {
            let flushed = self.inner.flush_key(map, key).await;
            flushed.map_err(|_| unknown("memory", "flush_key"))
        };
        self.call("flush_key", flushed).await.map_err(unflushed)
    }

    fn reset(&self) -> usize {
        self.inner.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.inner.close(deadline).await
    }
}

#[async_trait]
impl RestateRecords for Powered {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let restated = writes.clone();
        let call = async { self.inner.restating().unwrap().restate(restated).await };
        let late = |writes| Change::Restate(Arc::clone(&self.inner), writes);
        self.writes("restate", writes, call, late).await
    }
}
