//! The first call: claims the map, resumes the clock, and learns what kind of records there are.

use layerstore_data_store::ScanRequest;
use layerstore_record::Version;

use crate::core::Core;
use crate::error::RecordStoreError;

impl Core {
    /// Claims the map and resumes above its versions.
    pub(crate) async fn init(&self) -> Result<(), RecordStoreError> {
        let deadline = self.config.store_deadline;
        let late = || self.late("init", deadline, "the data store");
        let of_store = |error| RecordStoreError::of_read("init", &self.map, error);
        let claim = self.claim.ensure(&*self.store, &self.map, &self.hlc);
        let claim = tokio::time::timeout(deadline, claim)
            .await
            .map_err(|_| late())?
            .map_err(of_store)?;
        let forgotten = claim.purged.max(claim.cleared);
        if forgotten > Version::ZERO {
            self.announcer.tell_forgotten(forgotten);
        }
        let first = self
            .store
            .scan_page(&self.map, ScanRequest::first(1).with_tombstones());
        let first = tokio::time::timeout(deadline, first)
            .await
            .map_err(|_| late())?
            .map_err(of_store)?;
        if let Some((_, record)) = first.records.first() {
            self.kind.learn(record.value().kind());
        }
        Ok(())
    }
}
