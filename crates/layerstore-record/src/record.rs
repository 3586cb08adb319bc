use std::sync::atomic::{AtomicU64, Ordering};

use crate::access::AccessStats;
use crate::clock::Millis;
use crate::cost::Cost;
use crate::expiry::Expiry;
use crate::key::Key;
use crate::metadata::Metadata;
use crate::record_value::RecordValue;
use crate::version::Version;

/// A value and what is known of it, shared as `Arc<Record>`: a read never copies the value.
///
/// Value and metadata never change: a mutation makes a new record. Only the access statistics and the time of
/// the last store are atomics, beside what a queue or an observer holds on to.
///
/// ```
/// use std::time::Duration;
/// use layerstore_record::{Expiry, Millis, NodeId, Record, RecordValue, Timestamp, Version};
///
/// let now = Millis(1_700_000_000_000);
/// let written = Timestamp::new(now, 0, NodeId(7));
/// let record = Record::builder(RecordValue::lww("hello", written), Version::new(written))
///     .expiry(Expiry::starting(now, Some(Duration::from_secs(60)), None)?)
///     .build();
/// assert!(!record.is_expired(now.plus(59_999)));
/// assert!(record.is_expired(now.plus(60_000)));
/// # Ok::<(), layerstore_record::ExpiryError>(())
/// ```
// In this order: beside the counts of its owners, which every reader writes, lies what a read asks, on one cache line or two.
#[derive(Debug)]
#[repr(C)]
pub struct Record {
    access: AccessStats,
    metadata: Metadata,
    value: RecordValue,
    version: Version,
    /// When the data store confirmed this version, 0 for not yet.
    stored: AtomicU64,
}

/// Puts a record together.
#[derive(Debug, Clone)]
pub struct RecordBuilder {
    value: RecordValue,
    version: Version,
    created: Option<Millis>,
    updated: Option<Millis>,
    expiry: Expiry,
    stored: Option<Millis>,
}

impl Record {
    /// Starts a record; times default to those of its version, expiry to never.
    #[must_use]
    pub fn builder(value: RecordValue, version: Version) -> RecordBuilder {
        RecordBuilder {
            value,
            version,
            created: None,
            updated: None,
            expiry: Expiry::NEVER,
            stored: None,
        }
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &RecordValue {
        &self.value
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns when the key got its first value.
    #[must_use]
    pub fn created(&self) -> Millis {
        self.metadata.created()
    }

    /// Returns when this value was written.
    #[must_use]
    pub fn updated(&self) -> Millis {
        self.metadata.updated(self.version)
    }

    /// Returns when the record ends.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.metadata.expiry()
    }

    /// Returns when the data store confirmed this version, `None` while it has not.
    #[must_use]
    pub fn last_stored(&self) -> Option<Millis> {
        match self.stored.load(Ordering::Acquire) {
            0 => None,
            millis => Some(Millis(millis)),
        }
    }

    /// Notes that the data store confirmed this version at `now`.
    pub fn mark_stored(&self, now: Millis) {
        self.stored.store(now.0.max(1), Ordering::Release);
    }

    /// Returns the access statistics.
    #[must_use]
    pub fn access(&self) -> &AccessStats {
        &self.access
    }

    /// Tells whether nothing is left but the memory of a removal.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.value.is_tombstone()
    }

    /// Tells whether the record has ended at `now`, swept or not.
    #[must_use]
    pub fn is_expired(&self, now: Millis) -> bool {
        self.metadata.is_over(now, self.access.last_access())
    }

    /// Tells whether the record has no end, whatever the time.
    #[must_use]
    pub fn never_expires(&self) -> bool {
        self.metadata.never_ends()
    }

    /// Returns the memory that this record takes under `key`.
    ///
    /// **R-cost**: exactly the bytes asked of the allocator for the record behind its `Arc`, all that its value holds, and
    /// a key too long to be inline; and the key's own struct, which stands in the engine. Not what the engine adds, nor
    /// what the allocator rounds up to. A value shared by several records counts in each.
    #[must_use]
    pub fn cost(&self, key: &Key) -> Cost {
        let counts = 2 * size_of::<usize>();
        // Counted once, while the record is being made: later it is a walk through memory that nobody else looks at.
        let heap = self.metadata.heap_bytes(|| self.value.heap_bytes());
        let record = counts + size_of::<Self>() + heap;
        Cost::from_bytes(record + size_of::<Key>() + key.heap_bytes())
    }

    /// Starts a record that replaces this one: the creation time stays.
    #[must_use]
    pub fn successor(&self, value: RecordValue, version: Version) -> RecordBuilder {
        Self::builder(value, version).created(self.created())
    }
}

impl PartialEq for Record {
    /// Compares value, version, times and expiry; neither access statistics nor the time of storing.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
            && self.version == other.version
            && self.created() == other.created()
            && self.updated() == other.updated()
            && self.expiry() == other.expiry()
    }
}

impl Eq for Record {}

impl RecordBuilder {
    /// Sets when the key got its first value.
    #[must_use]
    pub fn created(mut self, at: Millis) -> Self {
        self.created = Some(at);
        self
    }

    /// Sets when this value was written.
    #[must_use]
    pub fn updated(mut self, at: Millis) -> Self {
        self.updated = Some(at);
        self
    }

    /// Sets when the record ends.
    #[must_use]
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// Sets when the data store confirmed this version.
    #[must_use]
    pub fn stored(mut self, at: Millis) -> Self {
        self.stored = Some(at);
        self
    }

    /// Makes the record.
    #[must_use]
    pub fn build(self) -> Record {
        let updated = self.updated.unwrap_or(self.version.millis());
        let times = (self.created.unwrap_or(updated), updated);
        let value_bytes = self.value.heap_bytes();
        Record {
            access: AccessStats::new(updated),
            metadata: Metadata::new(times, self.version, self.expiry, value_bytes),
            value: self.value,
            version: self.version,
            stored: AtomicU64::new(self.stored.map_or(0, |at| at.0.max(1))),
        }
    }
}
