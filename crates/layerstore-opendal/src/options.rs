//! How the store uses the network and memory.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Clock, SystemClock};

/// How long one try of one request may take, by default: some services take seconds now and then, few take ten.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request is tried in all, by default.
pub const DEFAULT_ATTEMPTS: usize = 5;

/// The wait before the first retry, by default; it doubles from there, and chance adds up to as much again.
pub const DEFAULT_BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait before a retry, before chance adds to it.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Requests under way at once, by default: enough to fill a link, few enough not to be throttled at once.
pub const DEFAULT_CONCURRENCY: usize = 64;

/// Writes of one group, by default: they share the request that announces them.
pub const DEFAULT_GROUP_RECORDS: usize = 1_000;

/// Calls that may wait for a map's writer, by default; further ones wait for a place, up to the deadline.
pub const DEFAULT_QUEUE_LEN: usize = 1_024;

/// Keys of a map of which it is remembered what their objects hold, by default: about 200 bytes each, and a request saved
/// when they are written again.
pub const DEFAULT_KNOWN_KEYS: usize = 16_384;

/// How an [`OpendalDataStore`](crate::OpendalDataStore) uses the network and memory.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpendalOptions {
    /// How long one try of one request may take.
    pub attempt_timeout: Duration,
    /// How often a request is tried in all, at least 1.
    pub attempts: usize,
    /// The wait before the first retry.
    pub backoff: Duration,
    /// Requests under way at once, at least 1.
    pub concurrency: usize,
    /// Writes of one group, at least 1.
    pub group_records: usize,
    /// Calls that may wait for a map's writer, at least 1.
    pub queue_len: usize,
    /// Keys of a map of which it is remembered what their objects hold.
    pub known_keys: usize,
    /// Whether a service may be used that cannot keep a second writer out: then nobody else may write there.
    pub single_writer: bool,
    /// The clock that decides what has expired.
    pub clock: Arc<dyn Clock>,
    /// Where the numbers come from by which claims are told apart: no two stores may have the same.
    pub seed: u64,
}

impl Default for OpendalOptions {
    fn default() -> Self {
        Self {
            attempt_timeout: DEFAULT_ATTEMPT_TIMEOUT,
            attempts: DEFAULT_ATTEMPTS,
            backoff: DEFAULT_BACKOFF,
            concurrency: DEFAULT_CONCURRENCY,
            group_records: DEFAULT_GROUP_RECORDS,
            queue_len: DEFAULT_QUEUE_LEN,
            known_keys: DEFAULT_KNOWN_KEYS,
            single_writer: false,
            clock: Arc::new(SystemClock),
            seed: RandomState::new().hash_one(0_u8),
        }
    }
}

impl OpendalOptions {
    /// Sets how long one try of one request may take.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets how often a request is tried in all; 0 counts as 1.
    #[must_use]
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the wait before the first retry.
    #[must_use]
    pub fn backoff(mut self, wait: Duration) -> Self {
        self.backoff = wait;
        self
    }

    /// Sets how many requests may be under way at once; 0 counts as 1.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Sets how many writes one group has at most; 0 counts as 1.
    #[must_use]
    pub fn group_records(mut self, records: usize) -> Self {
        self.group_records = records.max(1);
        self
    }

    /// Sets how many calls may wait for a map's writer; 0 counts as 1.
    #[must_use]
    pub fn queue_len(mut self, calls: usize) -> Self {
        self.queue_len = calls.max(1);
        self
    }

    /// Sets of how many keys of a map it is remembered what their objects hold.
    #[must_use]
    pub fn known_keys(mut self, keys: usize) -> Self {
        self.known_keys = keys;
        self
    }

    /// Allows, or not, a service that cannot keep a second writer out.
    #[must_use]
    pub fn single_writer(mut self, allowed: bool) -> Self {
        self.single_writer = allowed;
        self
    }

    /// Sets the clock that decides what has expired.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets where the numbers come from by which claims are told apart.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Returns how long a call may take: as long as all tries of one request, and a twelfth more.
    ///
    /// A call makes several requests; one after which it gives up is the last. A call with many records has this long for
    /// each group of them, and ends with the first group that the service does not answer.
    #[must_use]
    pub fn call_deadline(&self) -> Duration {
        let attempts = u32::try_from(self.attempts.max(1)).unwrap_or(u32::MAX);
        self.attempt_timeout.saturating_mul(attempts).saturating_mul(13) / 12
    }
}

impl fmt::Debug for OpendalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpendalOptions")
            .field("attempt_timeout", &self.attempt_timeout)
            .field("attempts", &self.attempts)
            .field("concurrency", &self.concurrency)
            .field("group_records", &self.group_records)
            .field("single_writer", &self.single_writer)
            .finish_non_exhaustive()
    }
}
