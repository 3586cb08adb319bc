//! How a store uses memory, disk and threads.

/// Bytes of blocks kept in memory for reads, by default. Records are served from Layerstore's own memory, so this only
/// serves misses and scans.
pub const DEFAULT_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of journal kept on disk before fjall flushes the oldest writes into tables, by default. Replayed at open.
pub const DEFAULT_MAX_JOURNAL_BYTES: u64 = 256 * 1024 * 1024;

/// Least bytes of journal that fjall accepts as a maximum.
const MIN_JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// Threads that flush and compact, by default: one of each goes on while the other works.
pub const DEFAULT_WORKER_THREADS: usize = 2;

/// How a [`FjallKv`](crate::FjallKv) uses memory, disk and threads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FjallOptions {
    /// Bytes of blocks kept in memory for reads.
    pub cache_bytes: u64,
    /// Bytes of journal kept on disk, at least 64 MiB.
    pub max_journal_bytes: u64,
    /// Threads that flush and compact, at least 1.
    pub worker_threads: usize,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self {
            cache_bytes: DEFAULT_CACHE_BYTES,
            max_journal_bytes: DEFAULT_MAX_JOURNAL_BYTES,
            worker_threads: DEFAULT_WORKER_THREADS,
        }
    }
}

impl FjallOptions {
    /// Sets how many bytes of blocks are kept in memory for reads.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Sets how many bytes of journal are kept on disk; fewer than 64 MiB count as 64 MiB.
    #[must_use]
    pub fn max_journal_bytes(mut self, bytes: u64) -> Self {
        self.max_journal_bytes = bytes.max(MIN_JOURNAL_BYTES);
        self
    }

    /// Sets how many threads flush and compact; 0 counts as 1.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = threads.max(1);
        self
    }
}
