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

/// Counts mutations and records in memory through the `metrics` facade.
///
/// Whatever recorder the process has installed gets [`MUTATIONS_TOTAL`] and [`RESIDENT_RECORDS`]. Install it **before** the
/// first mutation: counters are looked up once and kept.
///
/// The gauge follows the events that it is told, so the observer should be there from the start of a map; what left memory
/// untold (after a write of unknown outcome) is counted until its key is heard of again. It remembers the
/// hash of each key in memory, some 20 bytes a record; [`MetricsObserver::without_gauge`] does not.
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
    ownership: Ownership,
}

/// The handles of one source. Partitions of a map share its series; each knows its own part of the gauge.
struct SourceMetrics {
    map: MapName,
    ownership: Ownership,
    mutations: [[OnceLock<Counter>; PROVENANCES]; EVENTS],
    resident: Option<Resident>,
}

/// The gauge, and which records this source has added to it.
struct Resident {
    gauge: Gauge,
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
            resident.follow(&mutation.event);
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
            ownership: mutation.ownership,
        }
    }
}

impl SourceMetrics {
    fn new(mutation: &Mutation<'_>, has_gauge: bool) -> Self {
        let (map, ownership) = (mutation.map.clone(), mutation.ownership);
        let resident = has_gauge.then(|| Resident {
            gauge: gauge!(RESIDENT_RECORDS, "map" => map.to_string(), "ownership" => ownership.name()),
            keys: ResidentKeys::default(),
        });
        Self {
            map,
            ownership,
            mutations: Default::default(),
            resident,
        }
    }

    fn counter(&self, mutation: &Mutation<'_>) -> &Counter {
        let (event, provenance) = (mutation.event.name(), mutation.provenance);
        self.mutations[event_index(&mutation.event)][provenance_index(provenance)].get_or_init(|| {
            counter!(
                MUTATIONS_TOTAL,
                "event" => event,
                "map" => self.map.to_string(),
                "provenance" => provenance.name(),
                "ownership" => self.ownership.name(),
            )
        })
    }
}

impl Resident {
    /// Adds what came into memory and takes away what left it. Asks which key it was rather than trusting the event's
    /// word on the previous value, which may have been read from the data store.
    fn follow(&self, event: &MutationEvent<'_>) {
        match event {
            MutationEvent::Put { key, record }
            | MutationEvent::Load { key, record }
            | MutationEvent::Update { key, record, .. }
            | MutationEvent::ReplicationPut { key, record, .. }
                if !record.is_tombstone() =>
            {
                if self.keys.insert(key) {
                    self.gauge.increment(1.0);
                }
            }
            MutationEvent::Clear { .. } | MutationEvent::Reset { .. } | MutationEvent::Destroy { .. } => {
                self.empty();
            }
            _ => {
                if event.key().is_some_and(|key| self.keys.remove(key)) {
                    self.gauge.decrement(1.0);
                }
            }
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "gauges are floats: exact up to 2^53 records"
    )]
    fn empty(&self) {
        self.gauge.decrement(self.keys.clear() as f64);
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
