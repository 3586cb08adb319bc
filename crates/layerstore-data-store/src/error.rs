use std::error::Error;
use std::fmt;
use std::sync::Arc;

use layerstore_record::{Key, MapName};
use thiserror::Error as ThisError;

/// What went wrong in a data store, to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached or does not work now.
    Unavailable,
    /// No answer came in time.
    Timeout,
    /// The store asks us to slow down.
    Throttled,
    /// The store refuses this write for what it is.
    Rejected,
    /// A key, name or record is larger than the store holds.
    TooLarge,
    /// What is stored cannot be what was written.
    Corrupt,
    /// What is stored was written by a newer version of this software.
    UnknownFormat,
    /// We may not do this.
    Forbidden,
    /// A later writer has claimed the map.
    Fenced,
    /// The map was not claimed by this store before a write.
    NotClaimed,
    /// The write is older than what was purged, and cannot be judged.
    BelowHorizon,
    /// There is no room left.
    Full,
    /// Another process has the store open.
    AlreadyOpen,
    /// The store was closed, or must be reopened after a failure.
    Closed,
}

/// Whether a failed operation may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It has not.
    NotApplied,
    /// It may have: a timeout, or a reply that was lost.
    Unknown,
}

/// An operation on a data store failed. Holds no value and no credential. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StoreError {
    facts: Box<Facts>,
}

#[derive(Debug, Clone)]
struct Facts {
    kind: ErrorKind,
    outcome: Outcome,
    store: &'static str,
    operation: &'static str,
    map: Option<MapName>,
    key: Option<Key>,
    what: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// A flush ended, and not everything that was acknowledged is in the final store.
#[derive(Debug, Clone, ThisError)]
#[error("{} acknowledged writes are not in the final store", .pending.len())]
pub struct FlushError {
    /// What is not there.
    pub pending: Vec<(MapName, Key)>,
    /// Why, where one error stands for it.
    #[source]
    pub source: Option<StoreError>,
}

impl ErrorKind {
    /// Tells whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Timeout | Self::Throttled | Self::Full
        )
    }

    /// Returns the name used in metrics, spans and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::Rejected => "rejected",
            Self::TooLarge => "too large",
            Self::Corrupt => "corrupt",
            Self::UnknownFormat => "unknown format",
            Self::Forbidden => "forbidden",
            Self::Fenced => "fenced",
            Self::NotClaimed => "not claimed",
            Self::BelowHorizon => "below horizon",
            Self::Full => "full",
            Self::AlreadyOpen => "already open",
            Self::Closed => "closed",
        }
    }
}

impl StoreError {
    /// Makes an error of an operation that has not taken effect; `what` says what to do where that is known.
    #[must_use]
    pub fn new(
        kind: ErrorKind,
        store: &'static str,
        operation: &'static str,
        what: impl Into<String>,
    ) -> Self {
        let what = what.into();
        let outcome = Outcome::NotApplied;
        Self {
            facts: Box::new(Facts {
                kind,
                outcome,
                store,
                operation,
                map: None,
                key: None,
                what,
                source: None,
            }),
        }
    }

    /// Says that the operation may have taken effect.
    #[must_use]
    pub fn with_unknown_outcome(mut self) -> Self {
        self.facts.outcome = Outcome::Unknown;
        self
    }

    /// Names the store that answers, where it speaks for one behind it.
    #[must_use]
    pub fn in_store(mut self, store: &'static str) -> Self {
        self.facts.store = store;
        self
    }

    /// Adds the map.
    #[must_use]
    pub fn in_map(mut self, map: &MapName) -> Self {
        self.facts.map = Some(map.clone());
        self
    }

    /// Adds the key.
    #[must_use]
    pub fn at_key(mut self, key: &Key) -> Self {
        self.facts.key = Some(key.clone());
        self
    }

    /// Adds the cause, which must hold no value and no credential.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.facts.source = Some(Arc::new(source));
        self
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.facts.kind
    }

    /// Tells whether the operation may have taken effect.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.facts.outcome
    }

    /// Tells whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// Returns the store that failed.
    #[must_use]
    pub fn store(&self) -> &'static str {
        self.facts.store
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.facts.operation
    }

    /// Returns the map, where one was concerned.
    #[must_use]
    pub fn map(&self) -> Option<&MapName> {
        self.facts.map.as_ref()
    }

    /// Returns the key, where one was concerned.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.facts.key.as_ref()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts {
            kind,
            outcome,
            store,
            operation,
            map,
            key,
            what,
            ..
        } = &*self.facts;
        write!(f, "{store} store, {operation}")?;
        if let Some(map) = map {
            write!(f, ", map {:?}", map.as_str())?;
        }
        if let Some(key) = key {
            write!(f, ", key {:?}", key.as_str())?;
        }
        write!(f, ": {}", kind.name())?;
        if !what.is_empty() {
            write!(f, ": {what}")?;
        }
        match outcome {
            Outcome::NotApplied => Ok(()),
            Outcome::Unknown => f.write_str(" (it may have taken effect)"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.facts
            .source
            .as_ref()
            .map(|source| &**source as &(dyn Error + 'static))
    }
}
