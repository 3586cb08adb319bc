//! A backend around another that counts, holds back and fails what a test tells it to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use layerstore_kv::{
    Batch, Committed, Direction, Durability, KeyRange, KvBackend, KvError, KvErrorKind, KvIter, KvLimits,
    KvOperation, KvRead, KvResult, KvSnapshot, KvStats,
};

/// How long a held call waits for its release before the test is given up.
const HOLD_DEADLINE: Duration = Duration::from_secs(60);

/// How an injected failure looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// The batch is not applied, and the error says so.
    BeforeApply,
    /// The batch is not applied, and the error says that it may be.
    Unknown,
    /// The batch is applied, and the error says that it may be.
    AfterApply,
}

/// Wraps a backend; every method goes through to it unless a test asked otherwise.
pub struct DoubleKv {
    inner: Arc<dyn KvBackend>,
    synced_commits: AtomicU64,
    /// The failure of the next commit.
    fault: Mutex<Option<(KvErrorKind, CommitFault)>>,
    commits: Latch,
    snapshots: Latch,
}

/// Holds calls back while it is shut.
#[derive(Default)]
struct Latch {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

/// Calls wait while this lives.
#[must_use = "calls are held only as long as this lives"]
pub struct Hold<'a> {
    latch: &'a Latch,
}

impl DoubleKv {
    /// Wraps a backend.
    #[must_use]
    pub fn new(inner: Arc<dyn KvBackend>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            synced_commits: AtomicU64::new(0),
            fault: Mutex::default(),
            commits: Latch::default(),
            snapshots: Latch::default(),
        })
    }

    /// Counts the commits that were asked to be durable and came through.
    #[must_use]
    pub fn synced_commits(&self) -> u64 {
        self.synced_commits.load(Ordering::Acquire)
    }

    /// Fails the next commit.
    pub fn fail_next_commit(&self, kind: KvErrorKind, fault: CommitFault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((kind, fault));
    }

    /// Holds commits back until the answer is dropped.
    pub fn hold_commits(&self) -> Hold<'_> {
        self.commits.shut()
    }

    /// Holds back whoever wants a snapshot, until the answer is dropped.
    pub fn hold_snapshots(&self) -> Hold<'_> {
        self.snapshots.shut()
    }
}

impl Latch {
    fn shut(&self) -> Hold<'_> {
        *self.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = true;
        Hold { latch: self }
    }

    fn wait(&self) {
        let shut = self.is_shut.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .opened
            .wait_timeout_while(shut, HOLD_DEADLINE, |is_shut| *is_shut);
        let (_shut, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "held calls were never released");
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        *self.latch.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.latch.opened.notify_all();
    }
}

impl KvRead for DoubleKv {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.inner.get(keyspace, key)
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        self.inner.scan(keyspace, range, direction)
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        self.inner.keyspaces()
    }
}

impl KvBackend for DoubleKv {
    fn create_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        self.inner.create_keyspace(name)
    }

    fn drop_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        self.inner.drop_keyspace(name)
    }

    fn snapshot(&self) -> KvResult<Box<dyn KvSnapshot>> {
        self.snapshots.wait();
        self.inner.snapshot()
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> KvResult<Committed> {
        self.commits.wait();
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((kind, fault)) = fault {
            let error = KvError::new(kind, KvOperation::Commit);
            return match fault {
                CommitFault::BeforeApply => Err(error),
                CommitFault::Unknown => Err(error.outcome_unknown()),
                CommitFault::AfterApply => self
                    .inner
                    .commit(batch, durability)
                    .and(Err(error.outcome_unknown())),
            };
        }
        let committed = self.inner.commit(batch, durability)?;
        if durability == Durability::Sync {
            self.synced_commits.fetch_add(1, Ordering::AcqRel);
        }
        Ok(committed)
    }

    fn persist(&self) -> KvResult<()> {
        self.inner.persist()
    }

    fn stats(&self) -> KvResult<KvStats> {
        self.inner.stats()
    }

    fn limits(&self) -> KvLimits {
        self.inner.limits()
    }
}
