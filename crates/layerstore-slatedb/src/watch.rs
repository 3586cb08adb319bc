//! What a store has to know of a database beside its rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use layerstore_kv::{KvOperation, KvResult};
use slatedb::Db;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::convert::{convert, late};
use crate::driver::{Driver, Late};

/// Asks the service whether a database was taken over.
#[derive(Clone)]
pub(crate) struct Watch {
    db: Arc<Db>,
    driver: Arc<Driver>,
    owner: u64,
    lost: Arc<AtomicU64>,
    looks: Arc<Looks>,
    /// How long a caller waits for its turn.
    deadline: Duration,
}

/// Which looks at the service there were, by number: each begins after all that asked for it.
#[derive(Default)]
struct Looks {
    turn: Mutex<()>,
    begun: AtomicU64,
    done: AtomicU64,
}

impl Watch {
    pub(crate) fn new(db: &Arc<Db>, driver: &Arc<Driver>, owner: u64, lost: &Arc<AtomicU64>) -> Self {
        Self {
            db: Arc::clone(db),
            driver: Arc::clone(driver),
            owner,
            lost: Arc::clone(lost),
            looks: Arc::default(),
            deadline: driver.deadline(),
        }
    }

    /// Returns under which name this owner's batches are known, and the number of the one amid which the database was lost.
    pub(crate) fn lost(&self) -> (u64, u64) {
        (self.owner, self.lost.load(Ordering::Acquire))
    }

    /// Returns when everything written before is durable.
    ///
    /// # Errors
    /// As a sync's.
    pub(crate) async fn persist(&self) -> KvResult<()> {
        let (db, operation) = (Arc::clone(&self.db), KvOperation::Persist);
        let synced = self.driver.run_async(async move { db.flush().await });
        let synced = synced.await.map_err(|error| late(operation, error))?;
        synced.map_err(|error| convert(operation, error))
    }

    /// Costs a request, two where there is news. Whoever asks while others wait shares the next one with them: one that begins after
    /// it was asked.
    ///
    /// # Errors
    /// [`layerstore_kv::KvErrorKind::Fenced`] where a later opener has the database; otherwise that nobody knows.
    pub(crate) async fn check(&self) -> KvResult<()> {
        let operation = KvOperation::Get;
        let wanted = self.looks.begun.load(Ordering::Acquire) + 1;
        let turn = timeout(self.deadline, self.looks.turn.lock()).await;
        let _turn = turn.map_err(|_| late(operation, Late))?;
        if self.looks.done.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let look = self.looks.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let db = Arc::clone(&self.db);
        let checked = self.driver.run_async(async move { db.refresh_manifest().await });
        let checked = checked.await.map_err(|error| late(operation, error))?;
        checked.map_err(|error| convert(operation, error))?;
        self.looks.done.store(look, Ordering::Release);
        Ok(())
    }
}
