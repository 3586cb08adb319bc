use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use layerstore_record::{MapName, Provenance};
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::mutation::{Mutation, MutationEvent, Ownership};
use crate::observer::{MutationObserver, ObserverError};
use crate::resident::ResidentKeys;

/// The counter of mutations, labelled `event`, `map`, `provenance` and `ownership`; unit: mutations.
pub const MUTATIONS_TOTAL: &str = "layerstore_mutations_total";
/// The gauge of records in memory, labelled `map` and `ownership`; unit: records.
pub const RESIDENT_RECORDS: &str = "layerstore_resident_records";

const EVENTS: usize = 9;
const PROVENANCES: usize = 5;
const OWNERSHIPS: usize = 2;

/// Counts mutations and records in memory through the `metrics` facade.
///
/// Whatever recorder the process has installed gets [`MUTATIONS_TOTAL`] and [`RESIDENT_RECORDS`]. Install it **before** the
/// first mutation: counters are looked up once and kept.
///
/// The gauge follows the events that it is told, so the observer should be there from the start of a map; what left memory
/// untold (after a write of unknown outcome) is counted until its key is heard of again. It remembers the
/// hash of each key in memory, 20 to 40 bytes a record; [`MetricsObserver::without_gauge`] does not.
///
/// ```
/// use layerstore_observer::{MetricsObserver, Mutation, MutationEvent, MutationObserver};
/// use layerstore_record::{MapName, Provenance};
///
/// let observer = MetricsObserver::new();
/// let map = MapName::new("users")?;
/// observer.on_mutation(&Mutation::new(&map, Provenance::Client, MutationEvent::Clear { resident: 0 }))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MetricsObserver {
    /// Guards the list of sources; written when a source is first heard of and when it is destroyed.
    sources: RwLock<HashMap<Source, Arc<SourceMetrics>>>,
    has_gauge: bool,
}

/// Who tells of mutations.
#[derive(PartialEq, Eq, Hash)]
struct Source {
    map: MapName,
    partition: u32,
}

/// The handles of one source. Partitions of a map share its series; each knows its own part of the gauge.
struct SourceMetrics {
    map: MapName,
    mutations: [[[OnceLock<Counter>; OWNERSHIPS]; PROVENANCES]; EVENTS],
    resident: Option<Resident>,
}

/// The gauges, and which records this source has added to them.
struct Resident {
    map: MapName,
    gauges: [OnceLock<Gauge>; OWNERSHIPS],
    keys: ResidentKeys,
}

impl MetricsObserver {
    /// Makes the observer and describes its metrics to the recorder.
    #[must_use]
    pub fn new() -> Self {
        describe_counter!(
            MUTATIONS_TOTAL,
            Unit::Count,
            "Mutations of records, by event, map, provenance and ownership"
        );
        describe_gauge!(
            RESIDENT_RECORDS,
            Unit::Count,
            "Records in memory, by map and ownership"
        );
        Self {
            sources: RwLock::default(),
            has_gauge: true,
        }
    }

    /// Counts mutations alone, and remembers nothing of records.
    #[must_use]
    pub fn without_gauge(mut self) -> Self {
        self.has_gauge = false;
        self
    }

    fn source(&self, mutation: &Mutation<'_>) -> Arc<SourceMetrics> {
        let source = Source::of(mutation);
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.get(&source) {
            return Arc::clone(known);
        }
        drop(sources);
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(SourceMetrics::new(mutation, self.has_gauge));
        Arc::clone(sources.entry(source).or_insert_with(new))
    }

    fn forget(&self, mutation: &Mutation<'_>) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        sources.remove(&Source::of(mutation));
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl MutationObserver for MetricsObserver {
    fn name(&self) -> &str {
        "metrics"
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        let source = self.source(mutation);
        source.counter(mutation).increment(1);
        if let Some(resident) = &source.resident {
            resident.follow(&mutation.event, mutation.ownership);
        }
        if let MutationEvent::Destroy { .. } = mutation.event {
            self.forget(mutation);
        }
        Ok(())
    }
}

impl Source {
    fn of(mutation: &Mutation<'_>) -> Self {
        Self {
            map: mutation.map.clone(),
            partition: mutation.partition,
        }
    }
}

impl SourceMetrics {
    fn new(mutation: &Mutation<'_>, has_gauge: bool) -> Self {
        let resident = has_gauge.then(|| Resident {
            map: mutation.map.clone(),
            gauges: Default::default(),
            keys: ResidentKeys::default(),
        });
        Self {
            map: mutation.map.clone(),
            mutations: Default::default(),
            resident,
        }
    }

    fn counter(&self, mutation: &Mutation<'_>) -> &Counter {
        let (event, provenance, ownership) = (&mutation.event, mutation.provenance, mutation.ownership);
        let counters = &self.mutations[event_index(event)][provenance_index(provenance)];
        counters[ownership_index(ownership)].get_or_init(|| {
            counter!(
                MUTATIONS_TOTAL,
                "event" => event.name(),
                "map" => self.map.to_string(),
                "provenance" => provenance.name(),
                "ownership" => ownership.name(),
            )
        })
    }
}

impl Resident {
    /// Adds what came into memory and takes away what left it. Asks which key it was rather than trusting the event's
    /// word on the previous value, which may have been read from the data store.
    fn follow(&self, event: &MutationEvent<'_>, ownership: Ownership) {
        match event {
            MutationEvent::Put { key, record }
            | MutationEvent::Load { key, record }
            | MutationEvent::Update { key, record, .. }
            | MutationEvent::ReplicationPut { key, record, .. }
                if !record.is_tombstone() =>
            {
                // A backup that is promoted changes hands: it is one record, before and after.
                let before = self.keys.insert(key, ownership);
                if before != Some(ownership) {
                    self.gauge(ownership).increment(1.0);
                    self.take(before);
                }
            }
            // A clear leaves what is kept for others; the other two leave nothing.
            MutationEvent::Clear { .. } => self.empty(ownership),
            MutationEvent::Reset { .. } | MutationEvent::Destroy { .. } => {
                self.empty(Ownership::Owner);
                self.empty(Ownership::Backup);
            }
            _ => self.take(event.key().and_then(|key| self.keys.remove(key))),
        }
    }

    fn take(&self, from: Option<Ownership>) {
        if let Some(ownership) = from {
            self.gauge(ownership).decrement(1.0);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "gauges are floats: exact up to 2^53 records"
    )]
    fn empty(&self, ownership: Ownership) {
        let left = self.keys.clear(ownership);
        if left > 0 {
            self.gauge(ownership).decrement(left as f64);
        }
    }

    fn gauge(&self, ownership: Ownership) -> &Gauge {
        self.gauges[ownership_index(ownership)].get_or_init(
            || gauge!(RESIDENT_RECORDS, "map" => self.map.to_string(), "ownership" => ownership.name()),
        )
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver").finish_non_exhaustive()
    }
}

fn event_index(event: &MutationEvent<'_>) -> usize {
    match event {
        MutationEvent::Put { .. } => 0,
        MutationEvent::Update { .. } => 1,
        MutationEvent::Remove { .. } => 2,
        MutationEvent::Evict { .. } => 3,
        MutationEvent::Load { .. } => 4,
        MutationEvent::ReplicationPut { .. } => 5,
        MutationEvent::Clear { .. } => 6,
        MutationEvent::Reset { .. } => 7,
        MutationEvent::Destroy { .. } => 8,
    }
}

fn provenance_index(provenance: Provenance) -> usize {
    match provenance {
        Provenance::Client => 0,
        Provenance::CrdtMerge => 1,
        Provenance::Replication => 2,
        Provenance::Backup => 3,
        Provenance::Load => 4,
    }
}

fn ownership_index(ownership: Ownership) -> usize {
    match ownership {
        Ownership::Owner => 0,
        Ownership::Backup => 1,
    }
}
