//! Standing with the two stores: the claim of a map in both, restating in hot, asking hot without changing it.

use layerstore_data_store::{ErrorKind, Expect, MapClaim, MapDataStoreExt, StoreError, Write, WriteResult};
use layerstore_record::{Key, MapName, Record, RecordValue, Timestamp, Version};
use std::sync::Arc;

use crate::convert::{STORE, Tier, answer_of_hot, of_tier};
use crate::maps::{ColdClaim, MapState};
use crate::store::TieredDataStore;

impl TieredDataStore {
    /// Claims a map in hot, then in cold.
    ///
    /// Hot first: from then on an earlier writer can make no stub, so that whatever it still writes to cold is waste.
    pub(crate) async fn claim_both(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let operation = "claim";
        let claim = self.hot.claim(map).await;
        let claim = claim.map_err(|error| of_tier(Tier::Hot, operation, error))?;
        let state = self.maps.claimed(map, &claim);
        match self.claim_cold(operation, map, &state).await {
            Ok(()) => Ok(claim),
            Err(error) if error.is_retryable() => {
                state.set_cold(ColdClaim::Open);
                tracing::warn!(%map, %error, "cold could not be claimed: nothing is archived until it can");
                Ok(claim)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes sure that this store may write to a map in cold.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] where another writer has the map in hot by now: its claim of cold is not taken from it.
    pub(crate) async fn ensure_cold(
        &self,
        operation: &'static str,
        map: &MapName,
        state: &MapState,
    ) -> Result<(), StoreError> {
        if state.cold() != ColdClaim::Open {
            return Ok(());
        }
        self.check_hot_is_ours(operation, map).await?;
        self.claim_cold(operation, map, state).await
    }

    async fn claim_cold(
        &self,
        operation: &'static str,
        map: &MapName,
        state: &MapState,
    ) -> Result<(), StoreError> {
        let claim = self.cold.claim(map).await;
        let claim = claim.map_err(|error| of_tier(Tier::Cold, operation, error))?;
        // Every version that this store gives in cold from now on is above whatever stands there.
        self.ticks.resume_above(claim.high_water);
        state.set_cold(ColdClaim::Held {
            was_written: claim.high_water > Version::ZERO,
        });
        Ok(())
    }

    /// Converts an error of a write to cold, and takes note where it says that another writer came: hot is asked before cold
    /// is claimed again.
    pub(crate) fn cold_failed(
        &self,
        operation: &'static str,
        state: &MapState,
        error: StoreError,
    ) -> StoreError {
        if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::NotClaimed) {
            state.set_cold(ColdClaim::Open);
        }
        of_tier(Tier::Cold, operation, error)
    }

    /// Replaces records of hot by other forms of them.
    pub(crate) async fn restate(
        &self,
        operation: &'static str,
        writes: Vec<Write>,
    ) -> Result<Vec<WriteResult>, StoreError> {
        let Some(restating) = self.hot.restating() else {
            let what = "the hot store can no longer keep a record in another form";
            return Err(StoreError::new(ErrorKind::Rejected, STORE, operation, what));
        };
        let answers = restating.restate(writes).await;
        Ok(answers
            .into_iter()
            .map(|answer| answer_of_hot(operation, answer))
            .collect())
    }

    /// Tells whether hot holds this very version of a key, ended or not. Nothing is changed: no value has the version that
    /// the write expects, and a repeated write is answered before its condition is looked at (D1).
    pub(crate) async fn holds(&self, map: &MapName, key: &Key, record: &Record) -> Result<bool, StoreError> {
        match self.ask_hot(map, key, record).await {
            WriteResult::Applied => Ok(true),
            WriteResult::Stale { .. } | WriteResult::Conflict { .. } => Ok(false),
            WriteResult::Rejected(error) if error.kind() == ErrorKind::BelowHorizon => Ok(false),
            WriteResult::Rejected(error) => Err(of_tier(Tier::Hot, "sweep", error)),
        }
    }

    /// Asks hot whether this store still has a map: a write that can only be stale is judged after the claim (D8).
    async fn check_hot_is_ours(&self, operation: &'static str, map: &MapName) -> Result<(), StoreError> {
        let value = RecordValue::Tombstone {
            timestamp: Timestamp::ZERO,
        };
        let oldest = Record::builder(value, Version::ZERO).build();
        match self.ask_hot(map, &self.probe, &oldest).await {
            WriteResult::Rejected(error) => Err(of_tier(Tier::Hot, operation, error)),
            _ => Ok(()),
        }
    }

    async fn ask_hot(&self, map: &MapName, key: &Key, record: &Record) -> WriteResult {
        let copy = Record::builder(record.value().clone(), record.version()).build();
        let write = Write::new(map.clone(), key.clone(), Arc::new(copy));
        self.hot
            .apply_one(write.expecting(Expect::Version(Version::MAX)))
            .await
    }
}
