/// Where a mutation comes from; it decides version, conflict, persistence and notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// A user of this process: a new version, replaces what is there.
    Client,
    /// A peer's state to be merged: a new version if the merge changed anything.
    CrdtMerge,
    /// A replication stream: as [`Provenance::CrdtMerge`], announced as a replication.
    Replication,
    /// A copy kept for another owner: the owner's version, memory only until promoted.
    Backup,
    /// Read from the data store: the store's version, installed only if absent or newer.
    Load,
}

impl Provenance {
    /// Returns the name used in spans, metrics and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::CrdtMerge => "crdt-merge",
            Self::Replication => "replication",
            Self::Backup => "backup",
            Self::Load => "load",
        }
    }
}
