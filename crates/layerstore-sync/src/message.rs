//! What two replicas say to each other.

use layerstore_observer::{Digest, KeyRange, LeafHash};
use layerstore_record::{Expiry, Key, MapName, RecordValue, Timestamp};

/// What one replica asks of the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// What do you hold in these ranges, where that is not what I hold?
    Compare {
        /// The map.
        map: MapName,
        /// The partition.
        partition: u32,
        /// Removals up to here do not count with me; with you neither from now on.
        cutoff: Timestamp,
        /// The ranges, each with my digest.
        ranges: Vec<ComparedRange>,
    },
    /// Merge these, and give me what you hold of those.
    Exchange {
        /// The map.
        map: MapName,
        /// The partition.
        partition: u32,
        /// What I hold of keys that differ.
        records: Vec<ReplicaRecord>,
        /// Keys of which I want what you hold.
        wanted: Vec<Key>,
    },
}

/// What one replica answers the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// To [`Request::Compare`].
    Compared(CompareAnswer),
    /// To [`Request::Exchange`].
    Exchanged(ExchangeAnswer),
    /// My tree does not cover every record: I cannot compare.
    Incomplete,
    /// I keep another map or partition.
    OtherMap,
    /// Your cutoff lies ahead of my clock: set the clocks right.
    CutoffAhead,
}

/// A range, and what its sender holds in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedRange {
    /// The keys.
    pub range: KeyRange,
    /// What the sender holds of them.
    pub digest: Digest,
}

/// How ranges compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareAnswer {
    /// Removals up to here do not count with me. Where that is later than what was asked under, raise yours and ask again:
    /// there are no answers then.
    pub cutoff: Timestamp,
    /// An answer to each of the first ranges, in order; the others have to be asked for again.
    pub answers: Vec<Answer>,
}

/// How one range compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// I hold the same.
    Same,
    /// I hold something else, in these pieces, which cover the range one after the other.
    Pieces(Vec<Piece>),
    /// I hold these leaves, up to the end of the range, or to the key after which the rest is to be asked for.
    Leaves {
        /// In key byte order.
        leaves: Vec<(Key, LeafHash)>,
        /// The last key that is covered, where that is not all.
        until: Option<Key>,
    },
}

/// A piece of a range: from where the piece before it ends, the first from where the range begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The key before which it ends; `None` for the last, which ends where the range does.
    pub until: Option<Key>,
    /// What the sender holds of it.
    pub digest: Digest,
}

/// What became of an exchange.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExchangeAnswer {
    /// What I hold of the wanted keys, and of those that were sent and where I hold something else after merging.
    pub records: Vec<ReplicaRecord>,
    /// Keys of which there was no room for what I hold: want them again.
    pub left: Vec<Key>,
    /// How many of those that were sent changed something here.
    pub merged: u64,
    /// How many were refused: older than the removals that I have forgotten, and unknown here.
    pub refused: u64,
    /// How many could not be merged, because the record store failed.
    pub failed: u64,
}

/// What a replica holds of a key: a value or a removal, without the version, which is each replica's own.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaRecord {
    /// The key.
    pub key: Key,
    /// The value, with its timestamps.
    pub value: RecordValue,
    /// When it ends, by the wall clock.
    pub expiry: Expiry,
}
