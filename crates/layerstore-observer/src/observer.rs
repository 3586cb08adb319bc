use layerstore_record::{MapName, Version};
use thiserror::Error;

use crate::mutation::Mutation;

/// Is told of every mutation, on the writing side, after memory has changed.
///
/// # Contract
/// **O1**: a key's mutations arrive one at a time, in the order of their versions.
/// **O2**: an observer's error or panic never undoes a write and never keeps another observer from being told.
/// **O3**: an observer must not write to the key it is told of (the record store answers with an error), and must
/// not block: what takes time belongs behind a bounded queue of its own.
pub trait MutationObserver: Send + Sync + 'static {
    /// Returns the name under which errors and metrics speak of this observer. It never changes.
    fn name(&self) -> &str;

    /// Tells whether there is anybody to tell: where there is not, callers may spare themselves the telling.
    fn listens(&self) -> bool {
        true
    }

    /// Takes note of a mutation.
    ///
    /// # Errors
    /// Whatever keeps it from taking note. The write stands; the error comes back inside its successful outcome.
    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError>;

    /// Takes note that the data store may have forgotten the removals of a map up to a version: they were purged, or the map was
    /// cleared, now or before it was opened. No record changes by that. It may come again, and with an older version than before.
    fn removals_forgotten(&self, _map: &MapName, _up_to: Version) {}
}

/// An observer could not take note of a mutation. The write stands and must not be repeated.
#[derive(Debug, Error)]
#[non_exhaustive]
#[error("observer {observer:?} failed: {what}{}", others(*.further))]
pub struct ObserverError {
    /// The observer, the first of those that failed.
    pub observer: String,
    /// What failed, without any value.
    pub what: String,
    /// How many more observers failed to take note of the same mutation.
    pub further: usize,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ObserverError {
    /// Makes an error without a cause.
    #[must_use]
    pub fn new(observer: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            observer: observer.into(),
            what: what.into(),
            further: 0,
            source: None,
        }
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns how many observers failed: this one and the further ones.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.further.saturating_add(1)
    }
}

fn others(further: usize) -> String {
    match further {
        0 => String::new(),
        1 => " (and 1 more observer)".to_owned(),
        _ => format!(" (and {further} more observers)"),
    }
}
