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
    /// Returns the name under which errors and metrics speak of this observer.
    fn name(&self) -> &str;

    /// Takes note of a mutation.
    ///
    /// # Errors
    /// Whatever keeps it from taking note. The write stands; the error comes back inside its successful outcome.
    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError>;
}

/// An observer could not take note of a mutation. The write stands and must not be repeated.
#[derive(Debug, Error)]
#[error("observer {observer:?} failed: {what}")]
pub struct ObserverError {
    /// The observer.
    pub observer: String,
    /// What failed, without any value.
    pub what: String,
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
            source: None,
        }
    }
}
