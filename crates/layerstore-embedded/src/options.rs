//! How the embedded store uses memory, time and threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Clock, SystemClock};

/// Calls that may wait for the committer, by default; further ones wait for a place, up to the deadline.
pub const DEFAULT_QUEUE_LEN: usize = 1_024;

/// Writes that one sync may serve, by default: enough for the sync to cost little a record, few enough for an answer in
/// milliseconds.
pub const DEFAULT_GROUP_RECORDS: usize = 8_192;

/// Reads under way at once, by default; further ones wait, up to the deadline.
pub const DEFAULT_READS: usize = 64;

/// How long a call waits for its answer, by default: longer than a disk under compaction stalls.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// How a [`KvDataStore`](crate::KvDataStore) uses memory, time and threads.
#[derive(Clone)]
#[non_exhaustive]
pub struct EmbeddedOptions {
    /// Calls that may wait for the committer, at least 1.
    pub queue_len: usize,
    /// Writes that one sync may serve, at least 1.
    pub group_records: usize,
    /// Reads under way at once, at least 1.
    pub reads: usize,
    /// How long a call waits for its answer.
    pub deadline: Duration,
    /// The clock that decides what has expired.
    pub clock: Arc<dyn Clock>,
    /// How fjall uses memory, disk and threads.
    #[cfg(feature = "fjall")]
    pub fjall: layerstore_kv_fjall::FjallOptions,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            queue_len: DEFAULT_QUEUE_LEN,
            group_records: DEFAULT_GROUP_RECORDS,
            reads: DEFAULT_READS,
            deadline: DEFAULT_DEADLINE,
            clock: Arc::new(SystemClock),
            #[cfg(feature = "fjall")]
            fjall: layerstore_kv_fjall::FjallOptions::default(),
        }
    }
}

impl EmbeddedOptions {
    /// Sets how many calls may wait for the committer; 0 counts as 1.
    #[must_use]
    pub fn queue_len(mut self, calls: usize) -> Self {
        self.queue_len = calls.max(1);
        self
    }

    /// Sets how many writes one sync may serve; 0 counts as 1.
    #[must_use]
    pub fn group_records(mut self, records: usize) -> Self {
        self.group_records = records.max(1);
        self
    }

    /// Sets how many reads may be under way at once; 0 counts as 1.
    #[must_use]
    pub fn reads(mut self, reads: usize) -> Self {
        self.reads = reads.max(1);
        self
    }

    /// Sets how long a call waits for its answer.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the clock that decides what has expired.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how fjall uses memory, disk and threads.
    #[cfg(feature = "fjall")]
    #[must_use]
    pub fn fjall(mut self, options: layerstore_kv_fjall::FjallOptions) -> Self {
        self.fjall = options;
        self
    }
}

impl fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedOptions")
            .field("queue_len", &self.queue_len)
            .field("group_records", &self.group_records)
            .field("reads", &self.reads)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
