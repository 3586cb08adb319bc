use layerstore_observer::Digest;

/// What a round of synchronisation did. Counts records, not bytes: those a transport counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use]
pub struct SyncReport {
    /// How often the peer was called.
    pub calls: u64,
    /// How many ranges were compared.
    pub ranges: u64,
    /// How many leaves of the peer were looked at.
    pub leaves: u64,
    /// How many records went to the peer.
    pub sent: u64,
    /// How many records came from the peer.
    pub received: u64,
    /// How many of what came changed something here.
    pub merged_here: u64,
    /// How many of what went changed something there.
    pub merged_there: u64,
    /// How many were refused, here and there: older than removals that were forgotten, and unknown to who refused them. Such a
    /// replica was away for longer than removals are remembered.
    pub refused: u64,
    /// How many could not be merged, here and there, because a record store failed; the next round tries again.
    pub failed: u64,
    /// How many of ours had ended, where no sweep has come to them, or were lost by a store without a data store: they are not
    /// sent, and not covered any more.
    pub ended: u64,
    /// Our root at the end.
    pub root: Digest,
    /// Whether the peer's root was the same then.
    pub is_equal: bool,
}
