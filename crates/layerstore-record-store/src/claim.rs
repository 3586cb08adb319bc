//! Claims a map once, for all partitions of it that one process has.

use layerstore_data_store::{MapClaim, MapDataStore, StoreError};
use layerstore_record::{Hlc, MapName};
use tokio::sync::OnceCell;

/// The claim of a map, made by the first that needs it.
#[derive(Default)]
pub(crate) struct ClaimOnce {
    claim: OnceCell<MapClaim>,
}

impl ClaimOnce {
    /// Claims the map if that was not done, and makes the clock resume above all its versions, wherever the wall clock stands.
    pub(crate) async fn ensure(
        &self,
        store: &dyn MapDataStore,
        map: &MapName,
        hlc: &Hlc,
    ) -> Result<MapClaim, StoreError> {
        let claim = self.claim.get_or_try_init(|| store.claim(map)).await?;
        for version in [claim.high_water, claim.cleared, claim.purged] {
            hlc.resume_above(version);
        }
        Ok(*claim)
    }
}
