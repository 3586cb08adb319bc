use std::sync::atomic::{AtomicU64, Ordering};

use layerstore_observer::{Mutation, MutationObserver, ObserverError};

/// Answers every mutation with an error, and counts them.
#[derive(Debug)]
pub struct FailingObserver {
    name: String,
    told: AtomicU64,
}

/// Panics at every mutation, and counts them.
#[derive(Debug)]
pub struct PanickingObserver {
    name: String,
    told: AtomicU64,
}

impl FailingObserver {
    /// Makes an observer that has been told nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            told: AtomicU64::new(0),
        }
    }

    /// Returns how many mutations it was told.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }
}

impl MutationObserver for FailingObserver {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, _mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        self.told.fetch_add(1, Ordering::AcqRel);
        Err(ObserverError::new(&self.name, "was made to fail"))
    }
}

impl PanickingObserver {
    /// Makes an observer that has been told nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            told: AtomicU64::new(0),
        }
    }

    /// Returns how many mutations it was told.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }
}

impl MutationObserver for PanickingObserver {
    fn name(&self) -> &str {
        &self.name
    }

    #[expect(clippy::panic, reason = "panicking is what this double is for")]
    fn on_mutation(&self, _mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        self.told.fetch_add(1, Ordering::AcqRel);
        panic!("observer {:?} was made to panic", self.name);
    }
}
