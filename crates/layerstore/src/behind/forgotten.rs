use std::path::Path;

use super::WITHIN_EMBEDDED;
use crate::backend::{Backend, OpenDataStore};

/// Says so where an embedded store is opened without write-behind, and an earlier opening had it and left writes in its log: they were
/// acknowledged, and nobody would see them.
pub(crate) async fn note_forgotten_log(backend: &Backend, opened: OpenDataStore) -> OpenDataStore {
    let Backend::Embedded(embedded) = backend else {
        return opened;
    };
    let directory = embedded.directory.join(WITHIN_EMBEDDED);
    let shown = directory.display().to_string();
    let looked = tokio::task::spawn_blocking(move || is_needed(&directory)).await;
    if !looked.unwrap_or(false) {
        return opened;
    }
    tracing::warn!(
        log = shown,
        "a store was opened without write-behind, whose log has writes that the store does not have"
    );
    opened.with_note(format!(
        "writes are pending in the log {shown}, and are not seen: open the store with a configuration that has [write_behind]"
    ))
}

#[cfg(feature = "write-behind")]
fn is_needed(directory: &Path) -> bool {
    use std::sync::Arc;

    use layerstore_write_behind::{DiskStorage, inspect};
    directory.is_dir()
        && inspect(Arc::new(DiskStorage::read_only(directory)))
            .is_ok_and(|found| found.pending > 0 || found.refusal.is_some())
}

/// Without the feature nobody can read it; closed or not, it is worth a word.
#[cfg(not(feature = "write-behind"))]
fn is_needed(directory: &Path) -> bool {
    directory.is_dir()
}
