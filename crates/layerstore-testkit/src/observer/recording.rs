use std::sync::{Mutex, MutexGuard, PoisonError};

use layerstore_observer::{Mutation, MutationObserver, ObserverError, OwnedMutation};
use layerstore_record::Key;

use super::order::order_violations;

/// Writes down everything that it is told, without a bound: for tests.
///
/// ```
/// use layerstore_observer::{Mutation, MutationEvent, MutationObserver};
/// use layerstore_record::{MapName, Provenance};
/// use layerstore_testkit::observer::RecordingObserver;
///
/// let observer = RecordingObserver::new("recorder");
/// let map = MapName::new("users")?;
/// let event = MutationEvent::Clear { resident: 3 };
/// observer.on_mutation(&Mutation::new(&map, Provenance::Client, event))?;
/// assert_eq!(observer.names(), ["clear"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordingObserver {
    name: String,
    told: Mutex<Vec<OwnedMutation>>,
}

impl RecordingObserver {
    /// Makes an observer that has been told nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            told: Mutex::default(),
        }
    }

    /// Returns everything it was told, in order.
    #[must_use]
    pub fn told(&self) -> Vec<OwnedMutation> {
        self.lock().clone()
    }

    /// Returns what it was told since the last time it was asked, and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<OwnedMutation> {
        std::mem::take(&mut self.lock())
    }

    /// Returns what it was told of `key`, in order.
    #[must_use]
    pub fn of_key(&self, key: &Key) -> Vec<OwnedMutation> {
        let told = self.lock();
        told.iter()
            .filter(|one| one.key() == Some(key))
            .cloned()
            .collect()
    }

    /// Returns the names of the events it was told, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.lock().iter().map(|one| one.event.name()).collect()
    }

    /// Returns where the mutations of a key were not in the order of their versions (O1); empty when all is well.
    #[must_use]
    pub fn order_violations(&self) -> Vec<String> {
        order_violations(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OwnedMutation>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MutationObserver for RecordingObserver {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        self.lock().push(OwnedMutation::from(mutation));
        Ok(())
    }
}
