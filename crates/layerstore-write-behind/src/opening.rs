use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use layerstore_data_store::{ErrorKind, Limits, MapDataStore, StoreError};
use layerstore_record::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::info;

use crate::STORE;
use crate::failpoints::{Failed, Failpoint, Failpoints};
use crate::log::{DurableLog, LogEntry, LogOptions, Recovered, Sequence};
use crate::metrics;
use crate::options::{Coalescing, WhenFull, WriteBehindOptions};
use crate::queue::{Arrival, Bounds, MOST_PLACES, Queue};
use crate::sending::Sending;
use crate::shared::Shared;
use crate::storage::Storage;
use crate::store::WriteBehindDataStore;
use crate::worker::Worker;

/// How much of the log is read at a time when it is taken over, in bytes.
const RECOVERY_BYTES: u64 = 8 << 20;

/// Makes a [`WriteBehindDataStore`].
#[must_use]
pub struct WriteBehindBuilder {
    store: Arc<dyn MapDataStore>,
    clock: Arc<dyn Clock>,
    options: WriteBehindOptions,
    log: Option<(Arc<dyn Storage>, LogOptions)>,
    seed: u64,
    failpoints: Failpoints,
}

impl WriteBehindBuilder {
    pub(crate) fn new(store: Arc<dyn MapDataStore>, clock: Arc<dyn Clock>) -> Self {
        let seed = clock.now().0;
        Self {
            store,
            clock,
            options: WriteBehindOptions::default(),
            log: None,
            seed,
            failpoints: Failpoints::none(),
        }
    }

    /// Sets how writes are queued and written.
    pub fn options(mut self, options: WriteBehindOptions) -> Self {
        self.options = options;
        self
    }

    /// Keeps what is pending in a log.
    pub fn log(mut self, storage: Arc<dyn Storage>, options: LogOptions) -> Self {
        self.log = Some((storage, options));
        self
    }

    /// Sets what the pauses between tries are drawn from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Hands in who is told of each step of the store and of its log.
    #[cfg(feature = "failpoints")]
    pub fn failpoints(mut self, failpoints: Arc<dyn crate::FailpointPlan>) -> Self {
        self.failpoints = Failpoints::told_to(failpoints);
        self
    }

    /// Opens the log and takes over what is pending in it, which is then written to the store behind, whether its maps are claimed or not.
    /// Needs a Tokio runtime with time enabled.
    ///
    /// # Errors
    /// A [`StoreError`] for settings that cannot be, for a log that is damaged
    /// ([`Corrupt`](layerstore_data_store::ErrorKind::Corrupt)), of a later format or open elsewhere, and those of the disk.
    pub async fn open(self) -> Result<(WriteBehindDataStore, Option<Recovered>), StoreError> {
        let Self {
            store,
            clock,
            options,
            log,
            seed,
            failpoints,
        } = self;
        options.check(log.is_some())?;
        let limits = limits(store.limits(), &options, log.as_ref().map(|(_, options)| options));
        let mut queue = Queue::new(bounds(&options));
        let (log, recovered) = match log {
            None => (None, None),
            Some((storage, mut log_options)) => {
                log_options.failpoints = failpoints.clone();
                let opened = DurableLog::open(storage, log_options, Arc::clone(&clock)).await;
                let (log, recovered) = opened.map_err(|error| error.into_store_error(STORE, "open"))?;
                if let Err(error) = take_over(&log, &mut queue, &failpoints).await {
                    // Whoever tries again finds nobody at the log.
                    let _ = log.close(options.call_timeout).await;
                    return Err(error);
                }
                (Some(log), Some(recovered))
            }
        };
        let pending = queue.counts().records;
        if pending > 0 {
            info!(
                store = store.name(),
                pending, "writes of an earlier run are written now"
            );
        }
        queue.hurry();
        metrics::describe();
        let shared = Arc::new(Shared {
            inner: store,
            limits,
            clock,
            log,
            queue: std::sync::Mutex::new(queue),
            sending: std::sync::Mutex::new(Sending::new(options.breaker, seed)),
            options,
            work: Notify::new(),
            moved: Notify::new(),
            closed: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            claims: tokio::sync::Mutex::new(()),
            opened: Instant::now(),
            retried: AtomicBool::new(false),
            failpoints,
        });
        let worker = Worker::start(Arc::clone(&shared));
        Ok((WriteBehindDataStore { shared, worker }, recovered))
    }
}

/// What the store behind can hold, and the log.
fn limits(mut limits: Limits, options: &WriteBehindOptions, log: Option<&LogOptions>) -> Limits {
    if let Some(log) = log {
        // An append fits into half a segment, with its frames into the whole.
        let most = usize::try_from(log.segment_bytes / 2).unwrap_or(usize::MAX);
        limits.record_bytes = limits.record_bytes.min(most);
    }
    limits.batch_records = limits.batch_records.min(options.batch_records);
    // What was decided over the newest acknowledged write, by the only one who writes the map, needs no judge: a condition would make it wait
    // for the store, and fail while that is away.
    limits.compare_and_set = false;
    limits
}

fn bounds(options: &WriteBehindOptions) -> Bounds {
    Bounds {
        delay: options.delay,
        coalesces: options.coalescing == Coalescing::Newest,
        max_records: options.max_records.min(MOST_PLACES),
        max_bytes: options.max_bytes,
        spills: options.when_full == WhenFull::Spill,
        backoff: options.backoff,
    }
}

/// Puts what is pending in the log into the queue.
async fn take_over(log: &DurableLog, queue: &mut Queue, failpoints: &Failpoints) -> Result<(), StoreError> {
    let failed = |failed: Failed| StoreError::new(ErrorKind::Unavailable, STORE, "open", failed.text());
    let mut after = Sequence::default();
    loop {
        failpoints.reach(Failpoint::TakeOver).await.map_err(failed)?;
        let read = log.pending_after(after, RECOVERY_BYTES).await;
        let entries = read.map_err(|error| error.into_store_error(STORE, "open"))?;
        let Some(last) = entries.last() else {
            return failpoints.reach(Failpoint::TakenOver).await.map_err(failed);
        };
        after = last.sequence;
        let needless: Vec<u64> = entries
            .into_iter()
            .flat_map(|entry| take_over_one(queue, entry))
            .collect();
        log.done(needless.into_iter().map(Sequence));
    }
}

fn take_over_one(queue: &mut Queue, entry: LogEntry) -> Vec<u64> {
    let place = queue.place(&entry.map);
    let arrival = Arrival::of(&entry.key, entry.record, Some(entry.sequence.0));
    queue.recover(place, &entry.key, arrival, entry.dead, std::time::Duration::ZERO)
}
