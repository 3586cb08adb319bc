use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use layerstore_record::{MapName, Version};
use thiserror::Error;

use crate::mutation::Mutation;
use crate::observer::{MutationObserver, ObserverError};

/// Tells several observers, in the order in which they were added, whatever one of them does.
///
/// A panic of one is caught and becomes its error (where panics unwind, as they do unless a profile sets
/// `panic = "abort"`); all others are still told. The first error comes back with the count of the others, which
/// are logged as warnings. Observers come and go at any time: the list is copied when it changes, and a mutation
/// under way tells those that were in the list when it began.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_observer::{CompositeObserver, FnObserver, Mutation, MutationEvent, MutationObserver, ObserverError};
/// use layerstore_record::{MapName, Provenance};
///
/// let observers = CompositeObserver::new("all");
/// observers.add(Arc::new(FnObserver::new("broken", |_: &Mutation<'_>| {
///     Err(ObserverError::new("broken", "has no connection"))
/// })))?;
/// observers.add(Arc::new(FnObserver::new("healthy", |_: &Mutation<'_>| Ok(()))))?;
///
/// let map = MapName::new("users")?;
/// let mutation = Mutation::new(&map, Provenance::Client, MutationEvent::Clear { resident: 3 });
/// let error = observers.on_mutation(&mutation).unwrap_err();
/// assert_eq!(error.to_string(), "observer \"broken\" failed: has no connection");
/// assert_eq!(observers.failures(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CompositeObserver {
    name: String,
    /// Guards the list for as long as it takes to copy a pointer: no observer is ever called under it.
    members: RwLock<Arc<[Member]>>,
    failures: AtomicU64,
}

/// An observer, and the name that it had when it came.
#[derive(Clone)]
struct Member {
    name: Arc<str>,
    observer: Arc<dyn MutationObserver>,
}

/// An observer was not added: another has its name, under which errors speak of it and it is removed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is an observer named {name:?} already: give this one another name or remove that one first")]
pub struct NameTaken {
    /// The name.
    pub name: String,
}

impl CompositeObserver {
    /// Makes a composite of no observers yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            members: RwLock::new(Arc::default()),
            failures: AtomicU64::new(0),
        }
    }

    /// Adds an observer behind the others. It is told of every mutation that begins after this returns.
    ///
    /// # Errors
    /// [`NameTaken`] when an observer of its name is there.
    pub fn add(&self, observer: Arc<dyn MutationObserver>) -> Result<(), NameTaken> {
        let name: Arc<str> = observer.name().into();
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        if members.iter().any(|member| member.name == name) {
            return Err(NameTaken {
                name: name.to_string(),
            });
        }
        let added = Member { name, observer };
        *members = members.iter().cloned().chain([added]).collect();
        Ok(())
    }

    /// Removes the observer of that name and returns it, if it is there. A mutation under way may still tell it.
    pub fn remove(&self, name: &str) -> Option<Arc<dyn MutationObserver>> {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let at = members.iter().position(|member| &*member.name == name)?;
        let mut left = members.to_vec();
        let removed = left.remove(at);
        *members = left.into();
        Some(removed.observer)
    }

    /// Returns the names of the observers, in the order in which they are told.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let members = self.members();
        members.iter().map(|member| member.name.to_string()).collect()
    }

    /// Tells whether there are no observers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Returns how often an observer failed since the composite was made; several may fail at one mutation.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn members(&self) -> Arc<[Member]> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&members)
    }
}

impl MutationObserver for CompositeObserver {
    fn name(&self) -> &str {
        &self.name
    }

    fn listens(&self) -> bool {
        !self.is_empty()
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        let mut first: Option<ObserverError> = None;
        for member in self.members().iter() {
            let Err(error) = member.tell(mutation) else {
                continue;
            };
            let failures = error.failures();
            self.failures
                .fetch_add(u64::try_from(failures).unwrap_or(u64::MAX), Ordering::Relaxed);
            match &mut first {
                None => first = Some(error),
                Some(first) => {
                    // The caller gets the first error only: without this line the others would be numbers.
                    tracing::warn!(map = %mutation.map, event = mutation.event.name(), %error, "observer failed");
                    first.further = first.further.saturating_add(failures);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn removals_forgotten(&self, map: &MapName, up_to: Version) {
        for member in self.members().iter() {
            let told = member.guarded(|observer| {
                observer.removals_forgotten(map, up_to);
                Ok(())
            });
            if let Err(error) = told {
                self.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%map, %error, "observer failed");
            }
        }
    }
}

impl Member {
    fn tell(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        self.guarded(|observer| observer.on_mutation(mutation))
    }

    /// Calls the observer; its panic is its error.
    fn guarded(
        &self,
        call: impl FnOnce(&dyn MutationObserver) -> Result<(), ObserverError>,
    ) -> Result<(), ObserverError> {
        // Unwind safety: nothing of ours is half changed when an observer panics, and what the observer itself
        // left behind is behind its own locks, which poison.
        catch_unwind(AssertUnwindSafe(|| call(&*self.observer))).unwrap_or_else(|payload| {
            discard(payload);
            // The payload is not repeated: a panic message may hold a value.
            Err(ObserverError::new(&*self.name, "it panicked"))
        })
    }
}

impl fmt::Debug for CompositeObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompositeObserver")
            .field("name", &self.name)
            .field("observers", &self.names())
            .field("failures", &self.failures())
            .finish()
    }
}

/// Drops what a panic carried; a payload may itself panic when it is dropped.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(again);
    }
}
