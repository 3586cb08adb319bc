use std::fmt;
use std::sync::Arc;

use layerstore_observer::MerkleObserver;
use layerstore_record::{Clock, MapName, SystemClock};
use layerstore_record_store::{MergeSource, RecordStore};

use crate::error::{SyncError, SyncErrorKind};
use crate::options::SyncOptions;

/// One copy of a partition of a map: a record store, and the tree over it, which is among the store's observers.
///
/// [`sync`](Self::sync) makes it and a peer's equal; [`answer`](Self::answer) is the peer's side of that.
///
/// # Contract
/// **A1**: after one round with a quiet peer both hold the same; when writes go on, once they cease.
/// **A2**: only what differs is sent: equal replicas exchange their roots and no record, and a record goes to who does not have it.
/// **A3**: no removed record comes back: a removal is merged as a value is, and a record that is older than the removals that a
/// replica has forgotten, and unknown there, is refused and counted.
/// **A4**: messages are bounded, in ranges, records and bytes, whatever differs; one record above the bound goes alone.
/// **A5**: every wait for the peer has a deadline. A round that ends early, by an error or because its future was dropped,
/// leaves both as they were, but for records that were merged whole; the next one goes on from there.
/// **A6**: errors say what failed, of which map, and whether it may pass; a record that one store cannot merge is counted, and keeps
/// no other from being merged.
pub struct Replica {
    pub(crate) store: Arc<dyn RecordStore>,
    pub(crate) tree: Arc<MerkleObserver>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) source: MergeSource,
    pub(crate) options: SyncOptions,
}

impl Replica {
    /// Takes a record store, and the observer of its partition that the store tells.
    ///
    /// What comes is merged as a peer's state ([`MergeSource::Crdt`]), on the machine's clock, with default options.
    ///
    /// # Errors
    /// [`OtherMap`](SyncErrorKind::OtherMap) when they are not of one map and partition.
    pub fn new(store: Arc<dyn RecordStore>, tree: Arc<MerkleObserver>) -> Result<Self, SyncError> {
        let (map, partition) = (tree.map(), tree.partition());
        if store.map() != map || store.partition() != partition {
            let what = format!(
                "the tree is of partition {partition} of map {map:?}, the record store of partition {} of {:?}",
                store.partition(),
                store.map()
            );
            return Err(SyncError::new(SyncErrorKind::OtherMap, store.map(), what));
        }
        Ok(Self {
            store,
            tree,
            clock: Arc::new(SystemClock),
            source: MergeSource::Crdt,
            options: SyncOptions::default(),
        })
    }

    /// Sets the clock by which records end and cutoffs are believed.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets as what records are merged: a peer's state, or a replication stream, which observers are told apart.
    #[must_use]
    pub fn with_source(mut self, source: MergeSource) -> Self {
        self.source = source;
        self
    }

    /// Sets the bounds of messages and waits.
    #[must_use]
    pub fn with_options(mut self, options: SyncOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &MapName {
        self.tree.map()
    }

    /// Returns the record store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn RecordStore> {
        &self.store
    }

    /// Returns the tree.
    #[must_use]
    pub fn tree(&self) -> &Arc<MerkleObserver> {
        &self.tree
    }

    pub(crate) fn error(&self, kind: SyncErrorKind, what: impl Into<String>) -> SyncError {
        SyncError::new(kind, self.map(), what)
    }

    pub(crate) fn incomplete(&self) -> SyncError {
        self.error(
            SyncErrorKind::Incomplete,
            "rebuild it from the record store first",
        )
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("tree", &self.tree)
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
