//! What the parts of a record store share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use layerstore_data_store::{Limits, MapDataStore};
use layerstore_engine::Cursor;
use layerstore_record::{Hlc, Key, MapName, Millis};
use tokio::sync::{Notify, Semaphore};

use crate::absent::AbsentKeys;
use crate::announce::Announcer;
use crate::claim::ClaimOnce;
use crate::config::RecordStoreConfig;
use crate::counters::Counters;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::gate::{Barrier, Gates, Pass, Refused};
use crate::kind::MapKind;
use crate::loads::Loads;
use crate::lock::lock;
use crate::memory::Memory;
use crate::partition::Partition;
use crate::patience::Patience;
use crate::tasks::Tasks;
use crate::unresolved::Unresolved;
use crate::victims::Victims;

/// The inside of a record store: held by its handle and by the tasks under way.
pub(crate) struct Core {
    pub(crate) map: MapName,
    pub(crate) partition: Partition,
    pub(crate) config: RecordStoreConfig,
    pub(crate) memory: Memory,
    pub(crate) store: Arc<dyn MapDataStore>,
    pub(crate) is_null: bool,
    pub(crate) limits: Limits,
    pub(crate) announcer: Announcer,
    pub(crate) hlc: Arc<Hlc>,
    pub(crate) claim: Arc<ClaimOnce>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) loads: Loads,
    pub(crate) absent: AbsentKeys,
    pub(crate) unresolved: Unresolved,
    pub(crate) kind: Arc<MapKind>,
    pub(crate) counters: Counters,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) writes: Arc<Semaphore>,
    pub(crate) victims: Mutex<Victims>,
    pub(crate) sweep: Sweep,
    /// Whether another process has claimed the map: memory is no longer the truth.
    pub(crate) fenced: AtomicBool,
}

/// Where sweeping stands.
#[derive(Default)]
pub(crate) struct Sweep {
    pub(crate) cursor: Mutex<Cursor>,
    /// Records whose idle deadline is to be persisted, as readers and evictions noticed; bounded.
    pub(crate) moved: Mutex<HashSet<Key>>,
    /// Whether there were more of them than are kept in mind.
    pub(crate) forgot_moved: AtomicBool,
    /// Wakes the background sweep before its time.
    pub(crate) wake: Arc<Notify>,
}

/// How many moved idle deadlines are kept in mind; a sweep that passes the record notices the others.
const MOVED_CAP: usize = 65_536;

impl Core {
    pub(crate) fn now(&self) -> Millis {
        self.hlc.now()
    }

    /// Returns how long the writes of one call may wait together.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.config.put_deadline)
    }

    pub(crate) fn error(&self, kind: RecordErrorKind, operation: &'static str) -> RecordStoreError {
        RecordStoreError::new(kind, operation, &self.map, "")
    }

    /// Refuses work of a store that was closed.
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<(), RecordStoreError> {
        if self.tasks.is_closed() {
            return Err(self.error(RecordErrorKind::Closed, operation));
        }
        Ok(())
    }

    /// Passes the gate of a key in turn, within the put deadline.
    pub(crate) async fn pass(&self, key: &Key, operation: &'static str) -> Result<Pass, RecordStoreError> {
        match self.gates.try_pass(key) {
            Ok(pass) => {
                return self
                    .check_not_ended(pass, operation)
                    .map_err(|error| error.at_key(key));
            }
            Err(Refused::Busy) => {}
            Err(refused) => return Err(self.refusal(refused, operation).at_key(key)),
        }
        let passed = self
            .tasks
            .within(self.config.put_deadline, self.gates.pass(key))
            .await;
        let late = || self.late(operation, self.config.put_deadline, "other writers of the key");
        passed
            .map_err(|_| late())?
            .map_err(|refused| self.refusal(refused, operation))
            .and_then(|pass| self.check_not_ended(pass, operation))
            .map_err(|error| error.at_key(key))
    }

    /// Refuses those who waited at the gate while the store ended: observers would not hear of what they do.
    fn check_not_ended<P>(&self, passed: P, operation: &'static str) -> Result<P, RecordStoreError> {
        if self.announcer.has_ended() {
            return Err(self.error(RecordErrorKind::Closed, operation));
        }
        Ok(passed)
    }

    /// Passes the gates of several keys, as long as there is patience.
    pub(crate) async fn pass_all(
        &self,
        keys: &[Key],
        operation: &'static str,
        patience: &Patience,
    ) -> Result<Vec<Pass>, RecordStoreError> {
        let passed = self.tasks.inside(patience.wait(self.gates.pass_all(keys))).await;
        let late = || self.late(operation, self.config.put_deadline, "other writers of the keys");
        passed
            .ok_or_else(late)?
            .map_err(|refused| self.refusal(refused, operation))
            .and_then(|passes| self.check_not_ended(passes, operation))
    }

    /// Keeps every writer out, within the put deadline.
    pub(crate) async fn bar(&self, operation: &'static str) -> Result<Barrier, RecordStoreError> {
        let barred = self
            .tasks
            .within(self.config.put_deadline, self.gates.bar())
            .await;
        let late = || self.late(operation, self.config.put_deadline, "the writers of all keys");
        barred
            .map_err(|_| late())?
            .map_err(|refused| self.refusal(refused, operation))
    }

    pub(crate) fn refusal(&self, refused: Refused, operation: &'static str) -> RecordStoreError {
        match refused {
            Refused::Busy => self.error(RecordErrorKind::Deadline, operation),
            Refused::Reentrant => self.error(RecordErrorKind::Reentrant, operation),
        }
    }

    pub(crate) fn late(
        &self,
        operation: &'static str,
        waited: Duration,
        awaited: &'static str,
    ) -> RecordStoreError {
        let what = format!("waited {waited:?} for {awaited}");
        RecordStoreError::new(RecordErrorKind::Deadline, operation, &self.map, what)
    }

    /// Notes that the idle deadline of a record is to be persisted soon.
    pub(crate) fn note_moved(&self, key: &Key) {
        self.memory.note_kept(key);
        let mut moved = lock(&self.sweep.moved);
        if moved.len() >= MOVED_CAP {
            self.sweep.forgot_moved.store(true, Ordering::Relaxed);
        } else if moved.insert(key.clone()) {
            self.sweep.wake.notify_one();
        }
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Takes note of an error of the data store that concerns the whole store.
    pub(crate) fn note_error(&self, error: RecordStoreError) -> RecordStoreError {
        if error.kind() == RecordErrorKind::Fenced && !self.fenced.swap(true, Ordering::AcqRel) {
            tracing::error!(map = %self.map, "another process has claimed the map: writes fail from now on");
        }
        error
    }
}
