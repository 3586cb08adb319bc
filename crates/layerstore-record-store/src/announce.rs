//! Tells observers, under the gate, after memory has changed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use layerstore_observer::{Mutation, MutationEvent, MutationObserver, ObserverError, Ownership};
use layerstore_record::{MapName, Provenance, Version};

use crate::counters::{Counters, count};
use crate::record_store::Shutdown;
use crate::telling::{Ancestry, OpId};

/// The observer of one partition of a map, and what it is told with every event.
pub(crate) struct Announcer {
    observer: Option<Arc<dyn MutationObserver>>,
    map: MapName,
    partition: u32,
    /// Whether the end was told, after which nothing is.
    ended: AtomicBool,
}

impl Announcer {
    pub(crate) fn new(observer: Option<Arc<dyn MutationObserver>>, map: MapName, partition: u32) -> Self {
        Self {
            observer,
            map,
            partition,
            ended: AtomicBool::new(false),
        }
    }

    /// Tells whether observers have heard the last.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Tells the observer that the store ends: once, and as the last that it hears.
    pub(crate) fn tell_end(
        &self,
        counters: &Counters,
        op: OpId,
        shutdown: Shutdown,
    ) -> Option<ObserverError> {
        if self.ended.swap(true, Ordering::AcqRel) {
            return None;
        }
        let shutdown = shutdown == Shutdown::Service;
        let from = (Provenance::Client, Ownership::Owner);
        self.tell_now(
            counters,
            (&Ancestry::here(), op),
            from,
            MutationEvent::Destroy { shutdown },
        )
    }

    /// Tells the observer of an event of operation `op`; its panic is its error.
    pub(crate) fn tell(
        &self,
        counters: &Counters,
        (ancestry, op): (&Ancestry, OpId),
        (provenance, ownership): (Provenance, Ownership),
        event: MutationEvent<'_>,
    ) -> Option<ObserverError> {
        if self.has_ended() {
            return None;
        }
        self.tell_now(counters, (ancestry, op), (provenance, ownership), event)
    }

    /// Tells the observer up to which version the data store may have forgotten removals.
    pub(crate) fn tell_forgotten(&self, up_to: Version) {
        let Some(observer) = &self.observer else { return };
        let told = catch_unwind(AssertUnwindSafe(|| {
            observer.removals_forgotten(&self.map, up_to);
        }));
        if told.is_err() {
            let observer = observer.name();
            tracing::warn!(map = %self.map, observer, "an observer panicked when it was told what is forgotten");
        }
    }

    fn tell_now(
        &self,
        counters: &Counters,
        (ancestry, op): (&Ancestry, OpId),
        (provenance, ownership): (Provenance, Ownership),
        event: MutationEvent<'_>,
    ) -> Option<ObserverError> {
        let observer = self.observer.as_ref().filter(|observer| observer.listens())?;
        let mutation = Mutation::new(&self.map, provenance, event)
            .in_partition(self.partition)
            .owned_as(ownership);
        let telling = ancestry.tell(op);
        let told = catch_unwind(AssertUnwindSafe(|| observer.on_mutation(&mutation)));
        drop(telling);
        let error = match told {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error,
            Err(_) => ObserverError::new(observer.name(), "it panicked"),
        };
        count(&counters.observer_errors);
        tracing::warn!(map = %self.map, event = event.name(), %error, "an observer failed; the write stands");
        Some(error)
    }
}
