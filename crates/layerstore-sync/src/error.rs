use std::error::Error;
use std::fmt;

use layerstore_record::MapName;

/// Why two replicas could not be compared or merged, to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncErrorKind {
    /// Our tree does not cover every record: rebuild it first.
    Incomplete,
    /// The peer's tree does not cover every record: it has to rebuild it first.
    PeerIncomplete,
    /// The peer did not answer within the deadline of a call.
    Deadline,
    /// The peer could not be reached, or broke off.
    Unreachable,
    /// What came is not what the protocol has.
    Malformed,
    /// The two are not replicas of one map and partition.
    OtherMap,
    /// A cutoff lies ahead of our clock: it would make removals that are still to come count for nothing.
    CutoffAhead,
    /// Our record store failed.
    Store,
    /// A rebuild was overtaken too often by clears or other rebuilds.
    Interrupted,
}

/// Two replicas could not be compared or merged. What was merged until then stays; the next round goes on from there.
#[derive(Debug)]
pub struct SyncError {
    kind: SyncErrorKind,
    map: MapName,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SyncErrorKind {
    /// Returns the name used in spans and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "our tree is incomplete",
            Self::PeerIncomplete => "the peer's tree is incomplete",
            Self::Deadline => "the peer took too long",
            Self::Unreachable => "the peer cannot be reached",
            Self::Malformed => "a message is malformed",
            Self::OtherMap => "the peer has another map",
            Self::CutoffAhead => "a cutoff is ahead of the clock",
            Self::Store => "the record store failed",
            Self::Interrupted => "the rebuild was overtaken",
        }
    }
}

impl SyncError {
    /// Makes an error; `what` adds the facts and what to do, without any value.
    #[must_use]
    pub fn new(kind: SyncErrorKind, map: &MapName, what: impl Into<String>) -> Self {
        Self {
            kind,
            map: map.clone(),
            what: what.into(),
            source: None,
        }
    }

    /// Sets the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> SyncErrorKind {
        self.kind
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &MapName {
        &self.map
    }

    /// Tells whether the same call may succeed later, with nothing changed but the weather.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use SyncErrorKind::{Deadline, PeerIncomplete, Store, Unreachable};
        matches!(self.kind, PeerIncomplete | Deadline | Unreachable | Store)
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "map {:?} was not synchronised: {}: {}",
            self.map,
            self.kind.name(),
            self.what
        )
    }
}

impl Error for SyncError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
