use std::error::Error;
use std::fmt;
use std::sync::Arc;

use layerstore_data_store::{ErrorKind, Outcome, StoreError};
use layerstore_record::{Key, MapName, Version};

/// What went wrong in a record store, to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordErrorKind {
    /// The data store failed, and nothing was written; [`RecordStoreError::store_error`] says why.
    Store,
    /// The data store does not say whether the write was made: read before you write again.
    OutcomeUnknown,
    /// Memory is full, and nothing could be evicted in time.
    OverBudget,
    /// The record is larger than the memory budget or the data store holds.
    TooLarge,
    /// The map holds records of the other kind.
    KindMismatch,
    /// An observer tried to write to a key whose write it is being told of.
    Reentrant,
    /// The record is not of the expected version.
    Conflict,
    /// Another process has claimed the map: this one must not write any more.
    Fenced,
    /// The wait for other writers, for room in memory, or for the data store took too long.
    Deadline,
    /// Too many loads are waiting.
    Busy,
    /// The record store was closed or destroyed, or its runtime has ended.
    Closed,
    /// A time to live or idle time that cannot be.
    InvalidExpiry,
    /// The value is nested too deep.
    TooDeep,
    /// A peer's timestamp lies too far ahead of this machine's clock.
    ClockDrift,
    /// A backup's version does not rise above the one that is held.
    NotNewer,
    /// The engine's disk tier could not be read.
    Engine,
    /// The caller's computation panicked; nothing was written.
    Panicked,
}

/// An operation of a record store failed. Holds no value. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RecordStoreError {
    facts: Box<Facts>,
}

#[derive(Debug, Clone)]
struct Facts {
    kind: RecordErrorKind,
    operation: &'static str,
    map: MapName,
    key: Option<Key>,
    what: String,
    current: Option<Version>,
    source: Option<Cause>,
}

#[derive(Debug, Clone)]
enum Cause {
    Store(StoreError),
    Other(Arc<dyn Error + Send + Sync>),
}

impl RecordErrorKind {
    /// Returns the name used in metrics, spans and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "the data store failed, nothing was written",
            Self::OutcomeUnknown => "the outcome is unknown: read before writing again",
            Self::OverBudget => "the memory budget is exhausted",
            Self::TooLarge => "the record is too large",
            Self::KindMismatch => "the map holds records of the other kind",
            Self::Reentrant => "an observer must not write to the key that it is told of",
            Self::Conflict => "the record is not of the expected version",
            Self::Fenced => "another process has claimed the map",
            Self::Deadline => "it took too long",
            Self::Busy => "too many loads are waiting",
            Self::Closed => "the record store is closed",
            Self::InvalidExpiry => "the expiry cannot be",
            Self::TooDeep => "the value is nested too deep",
            Self::ClockDrift => "a peer's clock is too far ahead",
            Self::NotNewer => "a backup must be newer than what is held",
            Self::Engine => "the engine failed",
            Self::Panicked => "the computation panicked, nothing was written",
        }
    }
}

impl RecordStoreError {
    /// Makes an error; `what` adds the facts and what to do, without any value.
    #[must_use]
    pub fn new(
        kind: RecordErrorKind,
        operation: &'static str,
        map: &MapName,
        what: impl Into<String>,
    ) -> Self {
        Self {
            facts: Box::new(Facts {
                kind,
                operation,
                map: map.clone(),
                key: None,
                what: what.into(),
                current: None,
                source: None,
            }),
        }
    }

    /// Makes an error of a data store's error.
    #[must_use]
    pub fn of_store(operation: &'static str, map: &MapName, error: StoreError) -> Self {
        let kind = match (error.outcome(), error.kind()) {
            (Outcome::Unknown, _) => RecordErrorKind::OutcomeUnknown,
            (_, ErrorKind::Fenced) => RecordErrorKind::Fenced,
            (_, ErrorKind::TooLarge) => RecordErrorKind::TooLarge,
            _ => RecordErrorKind::Store,
        };
        let mut made = Self::new(kind, operation, map, "");
        made.facts.key = error.key().cloned();
        made.facts.source = Some(Cause::Store(error));
        made
    }

    /// Makes an error of a failed read, which leaves no trace whatever the data store says of its outcome.
    pub(crate) fn of_read(operation: &'static str, map: &MapName, error: StoreError) -> Self {
        let mut made = Self::of_store(operation, map, error);
        if made.facts.kind == RecordErrorKind::OutcomeUnknown {
            made.facts.kind = RecordErrorKind::Store;
        }
        made
    }

    /// Adds the key.
    #[must_use]
    pub fn at_key(mut self, key: &Key) -> Self {
        self.facts.key = Some(key.clone());
        self
    }

    /// Adds the cause, which must hold no value.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.facts.source = Some(Cause::Other(Arc::new(source)));
        self
    }

    /// Adds the version that stands in the way.
    #[must_use]
    pub fn with_current(mut self, current: Option<Version>) -> Self {
        self.facts.current = current;
        self
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> RecordErrorKind {
        self.facts.kind
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.facts.operation
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &MapName {
        &self.facts.map
    }

    /// Returns the key, where one was concerned.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.facts.key.as_ref()
    }

    /// Returns the version that stands in the way of a [`Conflict`](RecordErrorKind::Conflict), `None` when the key is absent.
    #[must_use]
    pub fn current_version(&self) -> Option<Version> {
        self.facts.current
    }

    /// Returns the data store's error, where it is the cause.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        match &self.facts.source {
            Some(Cause::Store(error)) => Some(error),
            _ => None,
        }
    }

    /// Tells whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.facts.kind {
            RecordErrorKind::Store => self.store_error().is_some_and(StoreError::is_retryable),
            RecordErrorKind::OverBudget | RecordErrorKind::Deadline | RecordErrorKind::Busy => true,
            _ => false,
        }
    }
}

impl fmt::Display for RecordStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts {
            kind,
            operation,
            map,
            key,
            what,
            current,
            ..
        } = &*self.facts;
        write!(f, "{operation}, map {:?}", map.as_str())?;
        if let Some(key) = key {
            write!(f, ", key {:?}", key.as_str())?;
        }
        write!(f, ": {}", kind.name())?;
        if !what.is_empty() {
            write!(f, ": {what}")?;
        }
        if let Some(current) = current {
            write!(f, " (it is at {current})")?;
        }
        Ok(())
    }
}

impl Error for RecordStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.facts.source {
            Some(Cause::Store(error)) => Some(error),
            Some(Cause::Other(error)) => Some(&**error),
            None => None,
        }
    }
}
