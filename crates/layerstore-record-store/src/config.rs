use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Cost, RecordKind};
use thiserror::Error;

use crate::budget::Budget;
use crate::eviction::{EvictionPolicy, TwoSegment};

/// How long a writer waits for other writers of its key and for room in memory: 5 s, beyond which a caller has given up.
pub const DEFAULT_PUT_DEADLINE: Duration = Duration::from_secs(5);
/// How long one call of the data store may take: 30 s, above the timeouts of the data stores themselves.
pub const DEFAULT_STORE_DEADLINE: Duration = Duration::from_secs(30);
/// How long a load may take, waiting for its turn included: 10 s.
pub const DEFAULT_LOAD_DEADLINE: Duration = Duration::from_secs(10);
/// How many loads run at once: 64, about what a connection pool or an object store serves well.
pub const DEFAULT_LOAD_CONCURRENCY: usize = 64;
/// How many keys may be waiting to be loaded: 16,384, beyond which a reader is told that the store is busy.
pub const DEFAULT_LOAD_QUEUE: usize = 16_384;
/// How many writes may be under way in the data store: 4,096 keys' worth.
pub const DEFAULT_WRITE_CONCURRENCY: usize = 4_096;
/// How long an absent key is remembered: 1 s.
pub const DEFAULT_ABSENT_TTL: Duration = Duration::from_secs(1);
/// How many absent keys are remembered: 10,000, some 600 KB.
pub const DEFAULT_ABSENT_CAP: usize = 10_000;
/// How many records one sweep looks at: 1,000, about a tenth of a millisecond of work.
pub const DEFAULT_SWEEP_BATCH: usize = 1_000;
/// How often the background sweep runs: every second.
pub const DEFAULT_SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long removals are remembered: 24 h, the longest that a peer may be away and still merge.
pub const DEFAULT_TOMBSTONE_HORIZON: Duration = Duration::from_secs(24 * 60 * 60);

/// How a record store behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordStoreConfig {
    /// How long a record lives that says nothing else; `None` for ever.
    pub ttl: Option<Duration>,
    /// How long a record lives unread that says nothing else; `None` for ever.
    pub max_idle: Option<Duration>,
    /// The memory that may be used, shared by every store that holds the same budget.
    pub budget: Arc<Budget>,
    /// Which records leave memory first.
    pub eviction: Arc<dyn EvictionPolicy>,
    /// What becomes of ended records.
    pub expiry: ExpiryPolicy,
    /// How long a write waits for its turn and for room, a batch for that of all its records together.
    pub put_deadline: Duration,
    /// How long one call of the data store may take.
    pub store_deadline: Duration,
    /// How long a load may take, its turn included.
    pub load_deadline: Duration,
    /// How many loads run at once, at least 1.
    pub load_concurrency: usize,
    /// How many keys may wait to be loaded, at least 1; a batch of more is loaded in slices.
    pub load_queue: usize,
    /// How many writes may be under way in the data store, at least 1.
    pub write_concurrency: usize,
    /// How long an absent key is remembered; zero for not at all.
    pub absent_ttl: Duration,
    /// How many absent keys are remembered.
    pub absent_cap: usize,
    /// How many records one sweep looks at, at least 1.
    pub sweep_batch: usize,
    /// How often the store sweeps by itself; `None` when its owner calls [`sweep`](crate::RecordStore::sweep).
    pub sweep_interval: Option<Duration>,
    /// How long memory keeps tombstones that no data store keeps; zero for not at all.
    pub tombstone_horizon: Duration,
    /// The kind of the map's records; `None` for that of its first record.
    pub kind: Option<RecordKind>,
    /// The seed of sampling; `None` for one drawn from the node id.
    pub seed: Option<u64>,
}

/// What becomes of records that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ExpiryPolicy {
    /// A sweep removes them from memory and, by a tombstone, from the data store.
    #[default]
    ThroughStore,
    /// A sweep drops them from memory; the data store hides them by itself and purges them in its own time.
    MemoryOnly,
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{setting} is {value}: {rule}")]
pub struct ConfigError {
    /// The setting.
    pub setting: &'static str,
    /// What it was given.
    pub value: String,
    /// What it must be.
    pub rule: &'static str,
}

impl Default for RecordStoreConfig {
    /// No expiry, no memory limit, two-segment eviction.
    fn default() -> Self {
        Self {
            ttl: None,
            max_idle: None,
            budget: Budget::unlimited(),
            eviction: Arc::new(TwoSegment::default()),
            expiry: ExpiryPolicy::default(),
            put_deadline: DEFAULT_PUT_DEADLINE,
            store_deadline: DEFAULT_STORE_DEADLINE,
            load_deadline: DEFAULT_LOAD_DEADLINE,
            load_concurrency: DEFAULT_LOAD_CONCURRENCY,
            load_queue: DEFAULT_LOAD_QUEUE,
            write_concurrency: DEFAULT_WRITE_CONCURRENCY,
            absent_ttl: DEFAULT_ABSENT_TTL,
            absent_cap: DEFAULT_ABSENT_CAP,
            sweep_batch: DEFAULT_SWEEP_BATCH,
            sweep_interval: Some(DEFAULT_SWEEP_INTERVAL),
            tombstone_horizon: DEFAULT_TOMBSTONE_HORIZON,
            kind: None,
            seed: None,
        }
    }
}

impl RecordStoreConfig {
    /// Limits memory to a number of records, in a budget of this store's own.
    #[must_use]
    pub fn max_count(mut self, records: u64) -> Self {
        self.budget = Budget::count(records);
        self
    }

    /// Limits memory to a number of bytes, in a budget of this store's own.
    #[must_use]
    pub fn max_cost(mut self, cost: Cost) -> Self {
        self.budget = Budget::cost(cost);
        self
    }

    /// Ends records this long after their write.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Ends records that were not read for this long.
    #[must_use]
    pub fn with_max_idle(mut self, max_idle: Duration) -> Self {
        self.max_idle = Some(max_idle);
        self
    }

    /// Sets which records leave memory first.
    #[must_use]
    pub fn with_eviction(mut self, policy: impl EvictionPolicy) -> Self {
        self.eviction = Arc::new(policy);
        self
    }

    /// Checks that the settings can work together.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that cannot.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let counts = [
            ("load_concurrency", self.load_concurrency),
            ("load_queue", self.load_queue),
            ("write_concurrency", self.write_concurrency),
            ("sweep_batch", self.sweep_batch),
        ];
        for (setting, value) in counts {
            // tokio's semaphores hold at most usize::MAX >> 3 permits.
            if value == 0 || value > usize::MAX >> 3 {
                let value = value.to_string();
                let rule = "it must be at least 1 and at most 2^61 - 1";
                return Err(ConfigError { setting, value, rule });
            }
        }
        let deadlines = [
            ("put_deadline", Some(self.put_deadline)),
            ("store_deadline", Some(self.store_deadline)),
            ("load_deadline", Some(self.load_deadline)),
            ("sweep_interval", self.sweep_interval),
            ("ttl", self.ttl),
            ("max_idle", self.max_idle),
        ];
        for (setting, value) in deadlines {
            if value.is_some_and(|value| value < Duration::from_millis(1)) {
                let value = format!("{value:?}");
                let rule = "it must be at least 1 ms";
                return Err(ConfigError { setting, value, rule });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert_eq!(RecordStoreConfig::default().validate(), Ok(()));
        let none = RecordStoreConfig {
            load_concurrency: 0,
            ..RecordStoreConfig::default()
        };
        assert_eq!(none.validate().unwrap_err().setting, "load_concurrency");
        let short = RecordStoreConfig::default().with_ttl(Duration::from_micros(1));
        assert_eq!(short.validate().unwrap_err().setting, "ttl");
    }
}
