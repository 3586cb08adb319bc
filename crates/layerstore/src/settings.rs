use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Clock, Cost, Expiry};
use layerstore_record_store::eviction::{
    EvictionPolicy, LeastFrequentlyUsed, LeastRecentlyUsed, NoEviction, RandomEviction, TwoSegment,
};
use layerstore_record_store::{Budget, ExpiryPolicy, Limit, Period, RecordStoreConfig};

use crate::config::ConfigError;

/// The directory of an embedded store that no other is named for.
pub const DEFAULT_DIRECTORY: &str = "layerstore-data";
/// How many partitions a map has that says nothing else: 1, as more help only under contention on one map.
pub const DEFAULT_PARTITIONS: u32 = 1;
/// The most partitions that a map may have: 1,024, each with an engine of its own.
pub const MAX_PARTITIONS: u32 = 1_024;
/// How often ended records are looked for: every second.
pub const DEFAULT_SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How often old tombstones are dropped from the data store: every 10 minutes, small against the horizon of a day.
pub const DEFAULT_PURGE_INTERVAL: Duration = Duration::from_secs(600);

/// The most evicted keys that a map remembers: about 1,000,000, in 4 MB.
const MAX_GHOSTS: usize = 1 << 20;
/// What a small record takes in memory with all that is around it, in bytes: it says how many fit where memory is counted in bytes.
const SMALL_RECORD: u64 = 512;

/// How a map behaves. What is not set is taken from the builder's defaults for every map, then from Layerstore's own.
///
/// ```
/// use std::time::Duration;
/// use layerstore::{Eviction, MapSettings};
///
/// let sessions = MapSettings::new().ttl(Duration::from_secs(3_600)).max_count(100_000).eviction(Eviction::Lru);
/// # let _ = sessions;
/// ```
#[derive(Debug, Clone, Default)]
pub struct MapSettings {
    pub(crate) ttl: Period,
    pub(crate) max_idle: Period,
    pub(crate) memory: MemoryLimit,
    pub(crate) eviction: Option<Eviction>,
    pub(crate) expiry: Option<OnExpiry>,
    pub(crate) partitions: Option<u32>,
    pub(crate) put_deadline: Option<Duration>,
    pub(crate) store_deadline: Option<Duration>,
    pub(crate) load_deadline: Option<Duration>,
    pub(crate) absent_ttl: Option<Duration>,
}

/// The memory that a map's records may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryLimit {
    /// What the defaults say; where they say nothing, a share of the memory of all maps.
    #[default]
    Default,
    /// A share of the memory of all maps, whatever the defaults say.
    Shared,
    /// So many records.
    Count(u64),
    /// So many bytes.
    Cost(Cost),
}

/// Which records leave memory first when it is full.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Eviction {
    /// The best victim of a sample, in two segments.
    #[default]
    TwoSegment,
    /// The one that was not read for longest, of a sample.
    Lru,
    /// The one that was read least often, of a sample.
    Lfu,
    /// Any.
    Random,
    /// None: a full map refuses writes.
    None,
    /// Your own policy.
    Custom(Arc<dyn EvictionPolicy>),
}

/// What becomes of records that have ended. Either way they are never returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "toml",
    derive(serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum OnExpiry {
    /// They are removed from memory and from the data store.
    #[default]
    ThroughStore,
    /// They are dropped from memory; the data store purges them in its own time.
    MemoryOnly,
}

/// What a map's settings come to.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) records: RecordStoreConfig,
    pub(crate) partitions: u32,
}

impl MapSettings {
    /// Starts with nothing set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends records this long after their write.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Period::Of(ttl);
        self
    }

    /// Lets records live for ever, whatever the defaults say.
    #[must_use]
    pub fn no_ttl(mut self) -> Self {
        self.ttl = Period::Unlimited;
        self
    }

    /// Ends records that were not read for this long.
    #[must_use]
    pub fn max_idle(mut self, max_idle: Duration) -> Self {
        self.max_idle = Period::Of(max_idle);
        self
    }

    /// Lets unread records live, whatever the defaults say.
    #[must_use]
    pub fn no_max_idle(mut self) -> Self {
        self.max_idle = Period::Unlimited;
        self
    }

    /// Keeps at most so many records in memory.
    #[must_use]
    pub fn max_count(mut self, records: u64) -> Self {
        self.memory = MemoryLimit::Count(records);
        self
    }

    /// Keeps at most so many bytes of records in memory.
    #[must_use]
    pub fn max_cost(mut self, cost: Cost) -> Self {
        self.memory = MemoryLimit::Cost(cost);
        self
    }

    /// Sets the memory that the map may take.
    #[must_use]
    pub fn memory(mut self, limit: MemoryLimit) -> Self {
        self.memory = limit;
        self
    }

    /// Sets which records leave memory first.
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = Some(eviction);
        self
    }

    /// Sets what becomes of records that have ended.
    #[must_use]
    pub fn on_expiry(mut self, expiry: OnExpiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Sets in how many parts the map is kept in memory, 1 to [`MAX_PARTITIONS`]. It may change between opens.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Sets how long a write waits for earlier writes to its key, and for room in memory.
    #[must_use]
    pub fn put_deadline(mut self, deadline: Duration) -> Self {
        self.put_deadline = Some(deadline);
        self
    }

    /// Sets how long one call of the data store may take.
    #[must_use]
    pub fn store_deadline(mut self, deadline: Duration) -> Self {
        self.store_deadline = Some(deadline);
        self
    }

    /// Sets how long a load may take, its turn included, and how long
    /// [`get_or_insert_with`](crate::Map::get_or_insert_with) waits for another caller's value.
    #[must_use]
    pub fn load_deadline(mut self, deadline: Duration) -> Self {
        self.load_deadline = Some(deadline);
        self
    }

    /// Sets how long an absent key is remembered; zero for not at all.
    #[must_use]
    pub fn absent_ttl(mut self, ttl: Duration) -> Self {
        self.absent_ttl = Some(ttl);
        self
    }

    /// Works out what holds for the map `name`, whose settings these are.
    ///
    /// # Errors
    /// [`ConfigError`] for what contradicts itself or cannot be.
    pub(crate) fn resolve(
        &self,
        name: &str,
        defaults: &Self,
        shared: &Arc<Budget>,
        clock: &dyn Clock,
    ) -> Result<Resolved, ConfigError> {
        let own = RecordStoreConfig::default();
        let of = |setting: &str, what: String| ConfigError::new(format!("map.{name}.{setting}"), what);
        let ttl = self.ttl.or_else(defaults.ttl).or(own.ttl);
        let max_idle = self.max_idle.or_else(defaults.max_idle).or(own.max_idle);
        check_expiry(ttl, max_idle, clock).map_err(|(setting, what)| of(setting, what))?;
        let partitions = self
            .partitions
            .or(defaults.partitions)
            .unwrap_or(DEFAULT_PARTITIONS);
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(of("partitions", format!("it must be 1 to {MAX_PARTITIONS}")));
        }
        let budget = match self.memory.or_else(defaults.memory) {
            MemoryLimit::Default | MemoryLimit::Shared => Arc::clone(shared),
            MemoryLimit::Count(0) => return Err(of("max_count", "it must be at least 1".to_owned())),
            MemoryLimit::Cost(Cost::ZERO) => {
                return Err(of("max_cost", "it must be at least 1 byte".to_owned()));
            }
            MemoryLimit::Count(records) => Budget::count(records),
            MemoryLimit::Cost(cost) => Budget::cost(cost),
        };
        let eviction = self
            .eviction
            .as_ref()
            .or(defaults.eviction.as_ref())
            .cloned()
            .unwrap_or_default();
        let mut records = own.clone();
        records.ttl = ttl;
        records.max_idle = max_idle;
        records.eviction = eviction.policy(budget.limit());
        records.budget = budget;
        records.expiry = self.expiry.or(defaults.expiry).unwrap_or_default().policy();
        records.put_deadline = self
            .put_deadline
            .or(defaults.put_deadline)
            .unwrap_or(own.put_deadline);
        records.store_deadline = self
            .store_deadline
            .or(defaults.store_deadline)
            .unwrap_or(own.store_deadline);
        records.load_deadline = self
            .load_deadline
            .or(defaults.load_deadline)
            .unwrap_or(own.load_deadline);
        records.absent_ttl = self.absent_ttl.or(defaults.absent_ttl).unwrap_or(own.absent_ttl);
        // The facade's own maintenance sweeps, so that one owner ends all work in the background.
        records.sweep_interval = None;
        records
            .validate()
            .map_err(|error| of(error.setting, error.rule.to_owned()))?;
        Ok(Resolved { records, partitions })
    }
}

/// Refuses periods that the calendar cannot hold, and an idle time that could never take effect.
fn check_expiry(
    ttl: Option<Duration>,
    max_idle: Option<Duration>,
    clock: &dyn Clock,
) -> Result<(), (&'static str, String)> {
    let now = clock.now();
    Expiry::starting(now, ttl, None).map_err(|error| ("ttl", error.to_string()))?;
    Expiry::starting(now, None, max_idle).map_err(|error| ("max_idle", error.to_string()))?;
    match (ttl, max_idle) {
        (Some(ttl), Some(idle)) if idle > ttl => {
            let what = "it is longer than ttl, and would never take effect: shorten it or leave it out";
            Err(("max_idle", what.to_owned()))
        }
        _ => Ok(()),
    }
}

impl MemoryLimit {
    fn or_else(self, default: Self) -> Self {
        if self == Self::Default { default } else { self }
    }
}

impl Eviction {
    /// Returns the name used in configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::TwoSegment => "two-segment",
            Self::Lru => "lru",
            Self::Lfu => "lfu",
            Self::Random => "random",
            Self::None => "none",
            Self::Custom(policy) => policy.name(),
        }
    }

    fn policy(&self, limit: Limit) -> Arc<dyn EvictionPolicy> {
        match self {
            Self::TwoSegment => Arc::new(TwoSegment::with_ghosts(ghosts(limit))),
            Self::Lru => Arc::new(LeastRecentlyUsed),
            Self::Lfu => Arc::new(LeastFrequentlyUsed),
            Self::Random => Arc::new(RandomEviction),
            Self::None => Arc::new(NoEviction),
            Self::Custom(policy) => Arc::clone(policy),
        }
    }
}

/// Returns how many evicted keys are worth remembering: about as many as fit in memory. More make every key that comes back look
/// like one that is read often; fewer forget those that are.
fn ghosts(limit: Limit) -> usize {
    let records = match limit {
        Limit::Count(records) => records,
        Limit::Cost(cost) => cost.0 / SMALL_RECORD,
        // Nothing is ever evicted.
        _ => 0,
    };
    usize::try_from(records).map_or(MAX_GHOSTS, |records| records.min(MAX_GHOSTS))
}

impl OnExpiry {
    /// Returns the name used in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ThroughStore => "through-store",
            Self::MemoryOnly => "memory-only",
        }
    }

    fn policy(self) -> ExpiryPolicy {
        match self {
            Self::ThroughStore => ExpiryPolicy::ThroughStore,
            Self::MemoryOnly => ExpiryPolicy::MemoryOnly,
        }
    }
}

/// What a setting says before its default is known.
trait OrElse {
    fn or_else(self, default: Self) -> Self;
}

impl OrElse for Period {
    fn or_else(self, default: Self) -> Self {
        if self == Self::Default { default } else { self }
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::Millis;

    use super::*;

    /// Evicts so many keys, one after the other, and returns how many of them are known to come back.
    fn remembered(limit: Limit, evicted: u64) -> usize {
        let policy = Eviction::TwoSegment.policy(limit);
        let hashes = || (1..=evicted).map(|key| key << 32 | key);
        hashes().for_each(|hash| policy.evicted(hash, Millis(1)));
        hashes().filter(|hash| policy.admitted(*hash) > 0).count()
    }

    #[test]
    fn a_map_remembers_as_many_evicted_keys_as_it_has_room_for() {
        assert_eq!(remembered(Limit::Count(64), 1_000), 64);
        assert_eq!(remembered(Limit::Cost(Cost(64 * SMALL_RECORD)), 1_000), 64);
        assert_eq!(remembered(Limit::Count(u64::MAX), 2 << 20), 1 << 20);
        assert_eq!(remembered(Limit::Unlimited, 1_000), 1, "nothing is evicted there");
    }
}
