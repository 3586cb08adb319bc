//! How a store uses requests, memory, time and threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use layerstore_opendal::OpendalOptions;
use layerstore_record::Clock;

/// How long a call waits for its answer, by default: some tries of a request, and the waits between them.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(54);

/// How long closing a database waits for the service, by default.
pub const DEFAULT_CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// How often an open database looks whether a later opener has taken it over, and what compaction has done, by default. Each look
/// is a request or two, as long as a map is held.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of blocks and indexes kept in memory for reads of all maps, by default.
pub const DEFAULT_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes that a map gathers in memory before it writes a table, by default; also what the tables have.
pub const DEFAULT_TABLE_BYTES: usize = 16 * 1024 * 1024;

/// Threads for SlateDB's work, by default.
pub const DEFAULT_WORKER_THREADS: usize = 2;

/// How a [`SlateDataStore`](crate::SlateDataStore) uses requests, memory, time and threads.
#[derive(Clone)]
#[non_exhaustive]
pub struct SlateOptions {
    /// How requests are made: timeouts of a try, requests at once, whether there is a single writer; and the clock that decides
    /// what has expired.
    pub requests: OpendalOptions,
    /// How long a call waits for its answer.
    pub deadline: Duration,
    /// How long closing a database waits for the service.
    pub close_deadline: Duration,
    /// How often an open database looks for what others did.
    pub poll_interval: Duration,
    /// Bytes of blocks and indexes kept in memory for reads of all maps; none if 0.
    pub cache_bytes: u64,
    /// Bytes that a map gathers in memory before it writes a table.
    pub table_bytes: usize,
    /// Threads for SlateDB's work, at least 1.
    pub worker_threads: usize,
}

impl Default for SlateOptions {
    fn default() -> Self {
        Self {
            requests: OpendalOptions::default(),
            deadline: DEFAULT_DEADLINE,
            close_deadline: DEFAULT_CLOSE_DEADLINE,
            poll_interval: DEFAULT_POLL_INTERVAL,
            cache_bytes: DEFAULT_CACHE_BYTES,
            table_bytes: DEFAULT_TABLE_BYTES,
            worker_threads: DEFAULT_WORKER_THREADS,
        }
    }
}

impl SlateOptions {
    /// Sets how requests are made, and the clock that decides what has expired.
    #[must_use]
    pub fn requests(mut self, requests: OpendalOptions) -> Self {
        self.requests = requests;
        self
    }

    /// Sets the clock that decides what has expired.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.requests = self.requests.clock(clock);
        self
    }

    /// Sets how long a call waits for its answer.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long closing a database waits for the service.
    #[must_use]
    pub fn close_deadline(mut self, deadline: Duration) -> Self {
        self.close_deadline = deadline;
        self
    }

    /// Sets how often an open database looks for what others did; less than 10 ms counts as 10 ms.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how many bytes of blocks and indexes are kept in memory for reads of all maps; none if 0.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Sets how many bytes a map gathers in memory before it writes a table; less than 64 KiB counts as 64 KiB.
    #[must_use]
    pub fn table_bytes(mut self, bytes: usize) -> Self {
        self.table_bytes = bytes.max(64 * 1024);
        self
    }

    /// Sets how many threads do SlateDB's work; 0 counts as 1.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = threads.max(1);
        self
    }
}

impl fmt::Debug for SlateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlateOptions")
            .field("requests", &self.requests)
            .field("deadline", &self.deadline)
            .field("poll_interval", &self.poll_interval)
            .field("cache_bytes", &self.cache_bytes)
            .field("table_bytes", &self.table_bytes)
            .finish_non_exhaustive()
    }
}
