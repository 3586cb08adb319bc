use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore_data_store::StoreError;
use layerstore_record::MapName;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::policy::ArchivePolicy;
use crate::store::TieredDataStore;

/// How long the archiver rests between rounds, by default: a minute, which is nothing to records that wait for hours.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(60);

/// How often the archiver goes to work, and what it takes each time.
#[derive(Debug, Clone)]
pub struct Schedule {
    policy: ArchivePolicy,
    pause: Duration,
}

/// Archives and sweeps the maps that a store has claimed, in the background, a batch at a time.
///
/// Runs until [`shutdown`](Self::shutdown). Dropping it signals the task, which ends after the batch that it is at.
pub struct Archiver {
    /// Taken by `shutdown`.
    task: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    report: Arc<Mutex<ArchiverReport>>,
}

/// What an archiver has done since it was started.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct ArchiverReport {
    /// Rounds through all maps that came to their end.
    pub rounds: u64,
    /// Records that were archived.
    pub archived: u64,
    /// Copies that went from cold, since nobody can come to need them.
    pub removed: u64,
    /// Records that could not be archived when they were to, counted each time; batches that failed as a whole count once.
    pub failed: u64,
    /// Why, for the last of these.
    pub error: Option<StoreError>,
    /// Whether it ended by itself. One that had to be cut off lost nothing either: what it was at is done or not.
    pub ended_in_time: bool,
}

impl Schedule {
    /// Makes a schedule with a rest of [`DEFAULT_PAUSE`] between rounds.
    #[must_use]
    pub fn new(policy: ArchivePolicy) -> Self {
        Self {
            policy,
            pause: DEFAULT_PAUSE,
        }
    }

    /// Sets the rest between rounds; less than 1 ms counts as 1 ms.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause.max(Duration::from_millis(1));
        self
    }
}

impl Archiver {
    /// Starts archiving. Needs a Tokio runtime with time enabled.
    #[must_use]
    pub fn start(store: Arc<TieredDataStore>, schedule: Schedule) -> Self {
        let (stop, stopped) = watch::channel(false);
        let report = Arc::default();
        let work = Work {
            store,
            schedule,
            stopped,
            report: Arc::clone(&report),
        };
        Self {
            task: Some(tokio::spawn(work.run())),
            stop,
            report,
        }
    }

    /// Returns what it has done so far.
    pub fn report(&self) -> ArchiverReport {
        locked(&self.report).clone()
    }

    /// Ends it: after the batch that it is at, or at the deadline in the midst of it, which loses nothing.
    pub async fn shutdown(mut self, deadline: Duration) -> ArchiverReport {
        self.stop.send_replace(true);
        if let Some(mut task) = self.task.take() {
            match timeout(deadline, &mut task).await {
                Ok(ended) => locked(&self.report).ended_in_time = ended.is_ok(),
                Err(_) => {
                    task.abort();
                    // Aborted, it ends where it waits next; until then it might still be at work.
                    let _ = task.await;
                }
            }
        }
        self.report()
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        if self.task.is_some() {
            self.stop.send_replace(true);
            tracing::warn!(
                store = crate::convert::STORE,
                "an archiver was dropped: it ends after its batch, unobserved; use shutdown()"
            );
        }
    }
}

impl fmt::Debug for Archiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archiver")
            .field("report", &self.report())
            .finish()
    }
}

/// What the task owns.
struct Work {
    store: Arc<TieredDataStore>,
    schedule: Schedule,
    stopped: watch::Receiver<bool>,
    report: Arc<Mutex<ArchiverReport>>,
}

impl Work {
    async fn run(mut self) {
        while !self.is_stopped() {
            for map in self.store.claimed_maps() {
                if let Err(error) = self.round(&map).await {
                    tracing::warn!(%map, %error, "archiving goes on after a rest");
                    self.failed(1, error);
                }
            }
            if !self.is_stopped() {
                locked(&self.report).rounds += 1;
            }
            // Whatever ends the rest, the loop looks at why.
            let _ = timeout(self.schedule.pause, self.stopped.wait_for(|stopped| *stopped)).await;
        }
    }

    /// Goes once through a map in hot, then once through it in cold.
    async fn round(&self, map: &MapName) -> Result<(), StoreError> {
        let policy = &self.schedule.policy;
        while !self.is_stopped() {
            let batch = self.store.archive(map, policy).await?;
            locked(&self.report).archived += count(batch.archived);
            if let Some(error) = batch.error {
                self.failed(count(batch.failed), error);
            }
            if batch.is_round_complete {
                break;
            }
        }
        while !self.is_stopped() {
            let step = self.store.sweep(map, policy.batch_records).await?;
            locked(&self.report).removed += count(step.removed);
            if step.is_round_complete {
                break;
            }
        }
        Ok(())
    }

    fn failed(&self, times: u64, error: StoreError) {
        let mut report = locked(&self.report);
        report.failed += times;
        report.error = Some(error);
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
