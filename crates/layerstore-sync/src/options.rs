use std::time::Duration;

/// How long one call of a peer may take, its merges included: 10 s, as a load of a record store.
pub const DEFAULT_CALL_DEADLINE: Duration = Duration::from_secs(10);

/// How many ranges are compared with one call: 64, about what differs below one bucket.
const DEFAULT_RANGES: usize = 64;
/// How many records go with one call: 256, merged well within a call's deadline on a remote data store.
const DEFAULT_RECORDS: usize = 256;
/// How many bytes of records go with one call: 1 MiB. A single record above that goes alone.
const DEFAULT_BYTES: usize = 1 << 20;
/// How many merges run at once: 32, within the connections of a pool.
const DEFAULT_MERGES: usize = 32;

/// How a replica synchronises: what a message may hold, and how long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncOptions {
    /// How long one call of the peer may take.
    pub call_deadline: Duration,
    /// The most ranges that are compared with one call, at least 1.
    pub ranges: usize,
    /// The most records that go with one call, either way, at least 1.
    pub records: usize,
    /// The most bytes of records that go with one call, either way; a larger record goes alone.
    pub bytes: usize,
    /// The most merges into our store at once, at least 1.
    pub merges: usize,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            call_deadline: DEFAULT_CALL_DEADLINE,
            ranges: DEFAULT_RANGES,
            records: DEFAULT_RECORDS,
            bytes: DEFAULT_BYTES,
            merges: DEFAULT_MERGES,
        }
    }
}
