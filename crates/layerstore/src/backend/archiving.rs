//! When a tiered store archives, and who does it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore_observer::AccessTimes;
use layerstore_record::{Clock, Key, MapName, Millis};
use layerstore_tiered::{ArchivePolicyBuilder, Archiver, ArchiverReport, Schedule, TieredDataStore};

use crate::config::ConfigError;

/// The name of the observer that hears of uses.
const OBSERVER: &str = "tiered-access-times";

/// A tiered store with its schedule, and its archiver once one is started.
pub(crate) struct Archiving {
    store: Arc<TieredDataStore>,
    policy: ArchivePolicyBuilder,
    clock: Arc<dyn Clock>,
    pause: Option<Duration>,
    /// How many keys' last use is to be known, where that counts.
    known_uses: Option<usize>,
    /// Held only to put an archiver there, to take it, or to look at it.
    archiver: Mutex<Progress>,
}

/// Where the archiver is.
#[derive(Default)]
enum Progress {
    /// Nobody has started one: records stay where they are.
    #[default]
    Resting,
    AtWork(Archiver),
    Ended(ArchiverReport),
}

impl Archiving {
    pub(crate) fn new(
        store: Arc<TieredDataStore>,
        policy: ArchivePolicyBuilder,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            policy,
            clock,
            pause: None,
            known_uses: None,
            archiver: Mutex::default(),
        }
    }

    /// Sets the rest between rounds; without, it is as the crate has it.
    pub(crate) fn pause(self, pause: Option<Duration>) -> Self {
        Self { pause, ..self }
    }

    /// Has the last uses of so many keys known.
    pub(crate) fn watch(self, known_uses: usize) -> Self {
        Self {
            known_uses: Some(known_uses),
            ..self
        }
    }

    pub(crate) fn store(&self) -> &Arc<TieredDataStore> {
        &self.store
    }

    /// Makes the observer that has to hear of every use for [`start`](Self::start), where uses count.
    pub(crate) fn observer(&self) -> Option<Arc<AccessTimes>> {
        let keys = self.known_uses?;
        Some(Arc::new(AccessTimes::new(
            OBSERVER,
            Arc::clone(&self.clock),
            keys,
        )))
    }

    /// Starts the archiver, unless one is at work or has ended. Needs a Tokio runtime.
    pub(crate) fn start(&self, times: Option<Arc<AccessTimes>>) -> Result<(), ConfigError> {
        let mut policy = self.policy.clone();
        if let Some(times) = times {
            policy = policy.last_use(since(self.clock.now(), times));
        }
        let policy = policy
            .build()
            .map_err(|error| ConfigError::new("data_store.age", error.to_string()))?;
        let mut schedule = Schedule::new(policy);
        if let Some(pause) = self.pause {
            schedule = schedule.pause(pause);
        }
        let mut archiver = self.archiver();
        if matches!(*archiver, Progress::Resting) {
            *archiver = Progress::AtWork(Archiver::start(Arc::clone(&self.store), schedule));
        }
        Ok(())
    }

    /// Returns what the archiver has done so far, or had done when it ended; `None` where none was started.
    pub(crate) fn report(&self) -> Option<ArchiverReport> {
        match &*self.archiver() {
            Progress::Resting => None,
            Progress::AtWork(archiver) => Some(archiver.report()),
            Progress::Ended(report) => Some(report.clone()),
        }
    }

    /// Ends the archiver within `deadline`, and says in the log what it has done. Dropped at its await, it leaves an archiver that ends
    /// after its batch.
    pub(crate) async fn shutdown(&self, deadline: Duration) {
        let Some(archiver) = self.take() else { return };
        let report = archiver.shutdown(deadline).await;
        let ArchiverReport {
            archived,
            removed,
            failed,
            ended_in_time,
            ..
        } = report;
        if ended_in_time {
            tracing::info!(archived, removed, failed, "the archiver has ended");
        } else {
            tracing::warn!(
                archived,
                removed,
                failed,
                "the archiver was cut off at its deadline: nothing is lost, and what it was at is gone on with later"
            );
        }
        *self.archiver() = Progress::Ended(report);
    }

    /// Takes the archiver out; what it has done up to now stays.
    fn take(&self) -> Option<Archiver> {
        let mut progress = self.archiver();
        match std::mem::take(&mut *progress) {
            Progress::AtWork(archiver) => {
                *progress = Progress::Ended(archiver.report());
                Some(archiver)
            }
            other => {
                *progress = other;
                None
            }
        }
    }

    /// Takes the lock, whose holders leave whole what it protects, even where one panicked.
    fn archiver(&self) -> MutexGuard<'_, Progress> {
        self.archiver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a key whose last use is not known as used at `start`: who used it before was told to an earlier process, and what is in use there must
/// not be archived because of a restart.
fn since(
    start: Millis,
    times: Arc<AccessTimes>,
) -> impl Fn(&MapName, &Key) -> Option<Millis> + Send + Sync + 'static {
    move |map, key| Some(times.last_use(map, key).unwrap_or_default().max(start))
}

#[cfg(test)]
mod tests {
    use layerstore_data_store::InMemoryDataStore;
    use layerstore_testkit::clock::ManualClock;
    use layerstore_testkit::doubles::{Call, Side, SlowDataStore};
    use layerstore_testkit::log::Log;
    use layerstore_tiered::{ArchivePolicy, TieredOptions};
    use tokio::time::Instant;

    use super::*;
    use crate::{Layerstore, OpenDataStore};

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn f3_a_close_ends_in_time_where_cold_does_not_answer_and_says_that_the_archiver_was_cut_off() {
        let log = Log::events("layerstore");
        let _logging = tracing::subscriber::set_default(log.clone());
        let clock = ManualClock::new();
        let hot = Arc::new(InMemoryDataStore::new(clock.shared()));
        let cold = InMemoryDataStore::new(clock.shared());
        let cold = Arc::new(SlowDataStore::new(Arc::new(cold)));
        let options = TieredOptions::default().clock(clock.shared());
        let tiered = TieredDataStore::new(hot.clone(), cold.clone(), options).unwrap();
        let policy = ArchivePolicy::builder().age(HOUR);
        let archiving = Archiving::new(Arc::new(tiered), policy, clock.shared());
        let tiers = [
            ("hot", OpenDataStore::new(hot)),
            ("cold", OpenDataStore::new(cold.clone())),
        ];
        let opened = OpenDataStore::tiered(archiving, tiers);
        let builder = Layerstore::builder().open_data_store(opened.clone());
        let store = builder.clock(clock.shared()).build().await.unwrap();
        let map = store.map::<u64>("m").unwrap();
        map.set("k", &1).await.unwrap();
        clock.advance(2 * HOUR);
        cold.shut(Call::Apply, Side::Before);
        cold.until_waiting(Call::Apply, Side::Before, 1).await;
        let begin = Instant::now();
        let report = store.close(Duration::from_secs(20)).await;
        // The archiver's half of the deadline, and little more.
        let took = begin.elapsed();
        assert!(
            took >= Duration::from_secs(9) && took < Duration::from_secs(11),
            "{took:?}"
        );
        assert!(report.is_complete(), "{report:?}");
        let archiver = report.archiver.unwrap();
        assert!(!archiver.ended_in_time && archiver.archived == 0, "{archiver:?}");
        assert!(log.text().contains("cut off at its deadline"), "{}", log.text());
        // Whoever asks later hears the same, and a second end has nothing to do.
        let _ = opened.close(Duration::from_secs(20)).await;
        assert!(!opened.archiver_report().unwrap().ended_in_time);
    }
}
