use std::ops::Bound;

use layerstore_data_store::ScanRequest;
use layerstore_observer::{Digest, MerkleObserver, RebuildInterrupted};
use layerstore_record_store::RecordStore;

use crate::error::{SyncError, SyncErrorKind};

/// How many records are read at a time: 10,000. A store without a data store reads through all of memory for each page.
const PAGE: usize = 10_000;

/// How often a rebuild begins anew after a clear or another rebuild came between.
const ATTEMPTS: usize = 3;

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RebuildProgress {
    /// How many records were read, tombstones included.
    pub records: u64,
    /// Which attempt this is, from 1.
    pub attempt: usize,
}

/// Reads every record of a store, tombstones included, into its tree, page by page, while writes go on. Tells of every page; returns the root.
///
/// The pages are of the data store, with what is pending and what memory alone knows. Dropped, it leaves the tree incomplete.
///
/// # Errors
/// [`Store`](SyncErrorKind::Store) when a page could not be read, [`Interrupted`](SyncErrorKind::Interrupted) when clears or
/// other rebuilds came between three times.
pub async fn rebuild(
    tree: &MerkleObserver,
    store: &dyn RecordStore,
    mut progress: impl FnMut(RebuildProgress),
) -> Result<Digest, SyncError> {
    for attempt in 1..=ATTEMPTS {
        let read = read_all(tree, store, |records| {
            progress(RebuildProgress { records, attempt });
        })
        .await?;
        if let Ok(root) = read {
            return Ok(root);
        }
    }
    let what = format!("{ATTEMPTS} attempts were overtaken: try again when the map is quieter");
    Err(SyncError::new(SyncErrorKind::Interrupted, tree.map(), what))
}

async fn read_all(
    tree: &MerkleObserver,
    store: &dyn RecordStore,
    mut progress: impl FnMut(u64),
) -> Result<Result<Digest, RebuildInterrupted>, SyncError> {
    let rebuild = tree.rebuild();
    let (mut records, mut start) = (0, Bound::Unbounded);
    loop {
        let request = ScanRequest::first(PAGE).from(start).with_tombstones();
        let page = store.scan_page(request).await.map_err(|error| {
            SyncError::new(SyncErrorKind::Store, tree.map(), "a page could not be read").because(error)
        })?;
        for (key, record) in &page.records {
            if let Err(interrupted) = rebuild.cover(key, record) {
                return Ok(Err(interrupted));
            }
            records += 1;
        }
        progress(records);
        let Some(next) = page.next else {
            return Ok(rebuild.finish());
        };
        start = Bound::Excluded(next);
    }
}
