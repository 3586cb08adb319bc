use layerstore_record::Cost;

/// What a record store has counted since it was made, and how full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RecordStoreStats {
    /// Reads that memory answered with a record.
    pub hits: u64,
    /// Reads that memory did not answer with a record.
    pub misses: u64,
    /// Loads that were begun.
    pub loads: u64,
    /// Loads that failed or ran into their deadline.
    pub load_failures: u64,
    /// Loads whose result was not kept because of a mutation meanwhile.
    pub loads_poisoned: u64,
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Writes that were refused, with nothing written.
    pub rejected: u64,
    /// Writes whose outcome is unknown.
    pub unknown: u64,
    /// Writes that were tried again because the data store held something newer.
    pub stale_retries: u64,
    /// Records that left memory for want of room or by request.
    pub evictions: u64,
    /// Records that ended.
    pub expirations: u64,
    /// Writes that found no room in time.
    pub over_budget: u64,
    /// Errors of observers.
    pub observer_errors: u64,
    /// Records in memory.
    pub resident: usize,
    /// Memory that they take, as the engine accounts for it.
    pub cost: Cost,
    /// Backups among them.
    pub backups: usize,
    /// Acknowledged writes that the data store has not in its final place yet.
    pub pending: usize,
}
