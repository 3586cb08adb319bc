use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Key, MapName, Millis, Record};
use thiserror::Error;

/// How many records one batch looks at, by default: few enough for a batch to end within a second over a network.
pub const DEFAULT_BATCH_RECORDS: usize = 500;

/// How many encoded bytes one batch takes to cold at once, by default: 8 MiB, which bounds what a batch holds in memory.
pub const DEFAULT_BATCH_BYTES: usize = 8 << 20;

/// Tells when a key was last used, where that is known.
type LastUse = dyn Fn(&MapName, &Key) -> Option<Millis> + Send + Sync;

/// Which records go to cold, and how many at a time.
///
/// A record goes once it is as old as `age`, or as idle as `idle`, whichever is given and comes first. A record that was brought
/// back counts as written and used then, as long as that is remembered.
///
/// ```
/// use std::time::Duration;
/// use layerstore_tiered::ArchivePolicy;
///
/// let policy = ArchivePolicy::builder().idle(Duration::from_secs(7 * 86_400)).batch_records(200).build()?;
/// # let _ = policy;
/// # Ok::<(), layerstore_tiered::InvalidPolicy>(())
/// ```
#[derive(Clone)]
pub struct ArchivePolicy {
    age: Option<u64>,
    idle: Option<u64>,
    last_use: Option<Arc<LastUse>>,
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
}

/// Puts an [`ArchivePolicy`] together.
#[derive(Clone, Default)]
pub struct ArchivePolicyBuilder {
    age: Option<Duration>,
    idle: Option<Duration>,
    last_use: Option<Arc<LastUse>>,
    batch_records: Option<usize>,
    batch_bytes: Option<usize>,
}

/// A policy that would archive nothing, or nothing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidPolicy {
    /// Neither age nor idleness is given.
    #[error("an archive policy needs an age or an idle time: give at least one")]
    NoCondition,
    /// A batch would hold nothing.
    #[error("the {0} of an archive batch is 0: give at least 1")]
    EmptyBatch(&'static str),
}

impl ArchivePolicy {
    /// Starts a policy that has no condition yet.
    #[must_use]
    pub fn builder() -> ArchivePolicyBuilder {
        ArchivePolicyBuilder::default()
    }

    /// Tells whether a record is to go at `now`, given when it was brought back.
    pub(crate) fn takes(
        &self,
        map: &MapName,
        key: &Key,
        record: &Record,
        now: Millis,
        brought_back: Option<Millis>,
    ) -> bool {
        let written = record.updated().max(brought_back.unwrap_or_default());
        let is_older = |at: Millis, than: Option<u64>| than.is_some_and(|than| now.since(at) >= than);
        if is_older(written, self.age) {
            return true;
        }
        // The question is asked only where the answer counts.
        is_older(written, self.idle) && {
            let used = self.last_use.as_ref().and_then(|last_use| last_use(map, key));
            is_older(written.max(used.unwrap_or_default()), self.idle)
        }
    }
}

impl ArchivePolicyBuilder {
    /// Takes records that were written this long ago.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Takes records that were neither written nor used for this long.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Sets who knows when a key was last used, such as the observer `AccessTimes`; without, being written alone counts as a use.
    #[must_use]
    pub fn last_use(
        mut self,
        last_use: impl Fn(&MapName, &Key) -> Option<Millis> + Send + Sync + 'static,
    ) -> Self {
        self.last_use = Some(Arc::new(last_use));
        self
    }

    /// Sets how many records one batch looks at.
    #[must_use]
    pub fn batch_records(mut self, records: usize) -> Self {
        self.batch_records = Some(records);
        self
    }

    /// Sets how many encoded bytes one batch takes to cold at once; a single record may be larger.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = Some(bytes);
        self
    }

    /// Makes the policy.
    ///
    /// # Errors
    /// [`InvalidPolicy`] without a condition, or with a batch of nothing.
    pub fn build(self) -> Result<ArchivePolicy, InvalidPolicy> {
        let millis = |period: Duration| u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        if self.age.is_none() && self.idle.is_none() {
            return Err(InvalidPolicy::NoCondition);
        }
        let some = |given: Option<usize>, default, what| match given.unwrap_or(default) {
            0 => Err(InvalidPolicy::EmptyBatch(what)),
            number => Ok(number),
        };
        Ok(ArchivePolicy {
            age: self.age.map(millis),
            idle: self.idle.map(millis),
            last_use: self.last_use,
            batch_records: some(self.batch_records, DEFAULT_BATCH_RECORDS, "number of records")?,
            batch_bytes: some(self.batch_bytes, DEFAULT_BATCH_BYTES, "number of bytes")?,
        })
    }
}

impl fmt::Debug for ArchivePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivePolicy")
            .field("age_millis", &self.age)
            .field("idle_millis", &self.idle)
            .field("batch_records", &self.batch_records)
            .field("batch_bytes", &self.batch_bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ArchivePolicyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivePolicyBuilder")
            .field("age", &self.age)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use layerstore_record::{NodeId, RecordValue, Timestamp, Version};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn written(at: u64) -> Record {
        let at = Timestamp::new(Millis(at), 0, NodeId(1));
        Record::builder(RecordValue::lww(1_u64, at), Version::new(at)).build()
    }

    fn takes(policy: &ArchivePolicy, record: &Record, now: u64, brought_back: Option<u64>) -> bool {
        let (map, key) = (MapName::new("map").unwrap(), Key::new("key").unwrap());
        policy.takes(&map, &key, record, Millis(now), brought_back.map(Millis))
    }

    #[test]
    fn age_counts_from_the_last_write_or_return() {
        let policy = ArchivePolicy::builder().age(SECOND).build().unwrap();
        let record = written(5_000);
        assert!(!takes(&policy, &record, 5_999, None) && takes(&policy, &record, 6_000, None));
        assert!(!takes(&policy, &record, 6_999, Some(6_000)) && takes(&policy, &record, 7_000, Some(6_000)));
        // A clock that was set back makes nothing old.
        assert!(!takes(&policy, &record, 1_000, None));
    }

    #[test]
    fn idleness_counts_from_the_last_use_and_asks_only_where_it_counts() {
        let (used, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let source = (Arc::clone(&used), Arc::clone(&asked));
        let policy = ArchivePolicy::builder().idle(SECOND).last_use(move |_, _| {
            source.1.fetch_add(1, Ordering::SeqCst);
            Some(source.0.load(Ordering::SeqCst))
                .filter(|at| *at > 0)
                .map(Millis)
        });
        let policy = policy.build().unwrap();
        let record = written(5_000);
        assert!(!takes(&policy, &record, 5_999, None));
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        assert!(takes(&policy, &record, 6_000, None));
        used.store(5_500, Ordering::SeqCst);
        assert!(!takes(&policy, &record, 6_499, None) && takes(&policy, &record, 6_500, None));
    }

    #[test]
    fn a_policy_without_a_condition_or_with_empty_batches_is_refused() {
        let of = |builder: ArchivePolicyBuilder| builder.build().map(|_| ());
        assert_eq!(of(ArchivePolicy::builder()), Err(InvalidPolicy::NoCondition));
        let aged = || ArchivePolicy::builder().age(SECOND);
        assert_eq!(
            of(aged().batch_records(0)),
            Err(InvalidPolicy::EmptyBatch("number of records"))
        );
        assert_eq!(
            of(aged().batch_bytes(0)),
            Err(InvalidPolicy::EmptyBatch("number of bytes"))
        );
        assert_eq!(of(aged()), Ok(()));
    }
}
