use layerstore_data_store::{ErrorKind, MapDataStore, StoreError, Write, WriteResult};

/// Restates through the store below, which offered to when the double did.
pub(super) async fn restate(inner: &dyn MapDataStore, writes: Vec<Write>) -> Vec<WriteResult> {
    let Some(restating) = inner.restating() else {
        let refused = |write: &Write| {
            let what = "the store below restates no more";
            let error = StoreError::new(ErrorKind::Rejected, inner.name(), "restate", what);
            WriteResult::Rejected(error.in_map(&write.map).at_key(&write.key))
        };
        return writes.iter().map(refused).collect();
    };
    restating.restate(writes).await
}
