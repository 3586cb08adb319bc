use std::time::Duration;

use layerstore_data_store::{BackoffPolicy, BreakerPolicy, ErrorKind, StoreError};

use crate::STORE;

/// How long a write waits before it goes to the store, by default: 1 s, in which a busy key is written once instead of often.
pub const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// How many writes go to the store at a time, by default: 1,000, what databases take best. Never more than the store's own
/// [`batch_records`](layerstore_data_store::Limits::batch_records).
pub const DEFAULT_BATCH_RECORDS: usize = 1_000;

/// How many bytes go to the store at a time, by default: 8 MiB.
pub const DEFAULT_BATCH_BYTES: u64 = 8 << 20;

/// How many batches are on their way at a time, by default: 2, so that the store has work while an answer travels.
pub const DEFAULT_PARALLEL: usize = 2;

/// How many writes may be pending, by default: 1,000,000.
pub const DEFAULT_MAX_RECORDS: usize = 1_000_000;

/// What pending writes may take in memory, by default: 256 MiB.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;

/// How long a write waits for room, by default: 5 s, as long as record stores wait for theirs.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);

/// How long one call of the store may take, by default: 30 s; a store behind a network has shorter timeouts of its own.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a flush waits, by default: a minute.
pub const DEFAULT_FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// What becomes of a write when as many are pending as may be. It is never dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for room, and is refused as [`Throttled`](ErrorKind::Throttled) when there is none in time.
    #[default]
    Wait,
    /// It is refused at once, as [`Throttled`](ErrorKind::Throttled).
    Reject,
    /// Its value goes to the log alone, once values take half of the memory; its place stays there. Needs a log. When the places use up the rest, it
    /// waits.
    Spill,
    /// It goes to the store at once, and is acknowledged when that has it.
    WriteThrough,
}

/// What becomes of an older write of a key that waits when a newer one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coalescing {
    /// The newer takes its place, and its due time: the store sees the newest.
    #[default]
    Newest,
    /// Each goes to the store, in order.
    Each,
}

/// How writes are queued and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteBehindOptions {
    /// How long a write waits before it goes to the store.
    pub delay: Duration,
    /// How many writes go to the store at a time.
    pub batch_records: usize,
    /// How many bytes go to the store at a time; a larger write goes alone.
    pub batch_bytes: u64,
    /// How many batches are on their way at a time.
    pub parallel: usize,
    /// What becomes of an older write of a key that waits.
    pub coalescing: Coalescing,
    /// How many writes may be pending, dead letters included. Where they spill: how many with their values in memory.
    pub max_records: usize,
    /// What pending writes may take in memory, dead letters included, in bytes. A single write that is larger is taken when nothing else is
    /// pending.
    pub max_bytes: u64,
    /// What becomes of a write when there is no room.
    pub when_full: WhenFull,
    /// How long a write waits for room.
    pub patience: Duration,
    /// How long one call of the store may take.
    pub call_timeout: Duration,
    /// How long [`hard_flush`](layerstore_data_store::MapDataStore::hard_flush) and
    /// [`flush_key`](layerstore_data_store::MapDataStore::flush_key) wait.
    pub flush_timeout: Duration,
    /// How long a key that the store failed to take waits before it is tried again: between half of the policy's ceiling and the whole of
    /// it. It is tried until it succeeds, whatever number of attempts and whatever total the policy names.
    pub backoff: BackoffPolicy,
    /// When the store is left alone for a while.
    pub breaker: BreakerPolicy,
}

impl Default for WriteBehindOptions {
    fn default() -> Self {
        Self {
            delay: DEFAULT_DELAY,
            batch_records: DEFAULT_BATCH_RECORDS,
            batch_bytes: DEFAULT_BATCH_BYTES,
            parallel: DEFAULT_PARALLEL,
            coalescing: Coalescing::default(),
            max_records: DEFAULT_MAX_RECORDS,
            max_bytes: DEFAULT_MAX_BYTES,
            when_full: WhenFull::default(),
            patience: DEFAULT_PATIENCE,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            flush_timeout: DEFAULT_FLUSH_TIMEOUT,
            backoff: BackoffPolicy::default(),
            breaker: BreakerPolicy::default(),
        }
    }
}

impl WriteBehindOptions {
    /// Sets how long a write waits before it goes to the store; 0 for none.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets how many writes go to the store at a time.
    #[must_use]
    pub fn batch_records(mut self, records: usize) -> Self {
        self.batch_records = records;
        self
    }

    /// Sets how many bytes go to the store at a time.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: u64) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets how many batches are on their way at a time.
    #[must_use]
    pub fn parallel(mut self, batches: usize) -> Self {
        self.parallel = batches;
        self
    }

    /// Sets what becomes of an older write of a key that waits.
    #[must_use]
    pub fn coalescing(mut self, coalescing: Coalescing) -> Self {
        self.coalescing = coalescing;
        self
    }

    /// Sets how many writes may be pending.
    #[must_use]
    pub fn max_records(mut self, records: usize) -> Self {
        self.max_records = records;
        self
    }

    /// Sets what pending writes may take in memory, in bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets what becomes of a write when there is no room.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Sets how long a write waits for room.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how long one call of the store may take.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Sets how long flushes wait.
    #[must_use]
    pub fn flush_timeout(mut self, timeout: Duration) -> Self {
        self.flush_timeout = timeout;
        self
    }

    /// Sets how long a key that failed waits.
    #[must_use]
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.backoff = policy;
        self
    }

    /// Sets when the store is left alone for a while.
    #[must_use]
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
        self
    }

    /// Finds settings that contradict each other, or cannot be.
    pub(crate) fn check(&self, has_log: bool) -> Result<(), StoreError> {
        let counts = [
            ("batch_records", self.batch_records as u64),
            ("batch_bytes", self.batch_bytes),
            ("parallel", self.parallel as u64),
            ("max_records", self.max_records as u64),
            ("max_bytes", self.max_bytes),
        ];
        let times = [
            ("patience", self.patience),
            ("call_timeout", self.call_timeout),
            ("flush_timeout", self.flush_timeout),
        ];
        let zero = counts.iter().find(|(_, count)| *count == 0).map(|(name, _)| name);
        let zero = zero.or_else(|| {
            times
                .iter()
                .find(|(_, time)| time.is_zero())
                .map(|(name, _)| name)
        });
        let wrong = if let Some(name) = zero {
            format!("{name} must be above 0")
        } else if self.when_full == WhenFull::Spill && !has_log {
            "values can spill to a log only where there is one: open it with a log, or choose another `when_full`".to_owned()
        } else {
            return Ok(());
        };
        Err(StoreError::new(ErrorKind::Rejected, STORE, "open", wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradicting_settings_are_refused_by_name() {
        let fine = WriteBehindOptions::default();
        assert!(fine.check(false).is_ok() && fine.delay(Duration::ZERO).check(false).is_ok());
        assert!(fine.when_full(WhenFull::Spill).check(true).is_ok());
        let wrong = [
            ("batch_records", fine.batch_records(0)),
            ("batch_bytes", fine.batch_bytes(0)),
            ("parallel", fine.parallel(0)),
            ("max_records", fine.max_records(0)),
            ("max_bytes", fine.max_bytes(0)),
            ("patience", fine.patience(Duration::ZERO)),
            ("call_timeout", fine.call_timeout(Duration::ZERO)),
            ("flush_timeout", fine.flush_timeout(Duration::ZERO)),
            ("log", fine.when_full(WhenFull::Spill)),
        ];
        for (name, options) in wrong {
            let error = options.check(false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
