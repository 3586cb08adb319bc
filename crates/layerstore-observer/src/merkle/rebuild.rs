use layerstore_record::{Key, Record};
use thiserror::Error;

use super::MerkleObserver;
use super::digest::Digest;
use super::leaf::LeafHash;
use super::removals::Removal;

/// A reading of every record into a [`MerkleObserver`], while writes go on.
///
/// Whoever holds it covers each record once, tombstones included, in any order; then finishes. Dropped before that, the
/// observer stays incomplete, and holds nothing.
#[must_use = "a rebuild that is dropped leaves the observer incomplete"]
pub struct Rebuild<'a> {
    observer: &'a MerkleObserver,
    number: u64,
    is_finished: bool,
}

/// Another rebuild began, or the records were cleared or reset: what was read before is not what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the rebuild was overtaken by another, or by a clear or a reset of the map: begin anew")]
pub struct RebuildInterrupted;

impl<'a> Rebuild<'a> {
    pub(super) fn begin(observer: &'a MerkleObserver) -> Self {
        Self {
            observer,
            number: observer.lock().begin_rebuild(),
            is_finished: false,
        }
    }

    /// Covers a record that was read, unless a mutation of its key was told since the rebuild began: that is as new or newer.
    ///
    /// # Errors
    /// [`RebuildInterrupted`]; the rebuild is of no more use.
    pub fn cover(&self, key: &Key, record: &Record) -> Result<(), RebuildInterrupted> {
        let value = record.value();
        let (leaf, removal) = (LeafHash::of(key, value), Removal::of(value));
        let at = value.timestamp();
        let mut covered = self.observer.lock();
        let stands = covered.rebuild(self.number, key, leaf, removal, at);
        stands.then_some(()).ok_or(RebuildInterrupted)
    }

    /// Ends the rebuild: every record is covered from now on. Returns the root.
    ///
    /// # Errors
    /// [`RebuildInterrupted`]; the observer is as it was left by what came between.
    pub fn finish(mut self) -> Result<Digest, RebuildInterrupted> {
        self.is_finished = true;
        let mut covered = self.observer.lock();
        let stood = covered.end_rebuild(self.number, true);
        stood.then(|| covered.tree.root()).ok_or(RebuildInterrupted)
    }
}

impl Drop for Rebuild<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.observer.lock().end_rebuild(self.number, false);
        }
    }
}
