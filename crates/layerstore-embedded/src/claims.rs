//! The maps that this store writes, and where each stands.

use std::collections::BTreeMap;

use layerstore_data_store::{ErrorKind, Floors, MapClaim, StoreError};
use layerstore_kv::{Batch, Durability, KvBackend, KvErrorKind};
use layerstore_record::{MapName, Version};

use crate::convert::{STORE, from_kv};
use crate::keyspaces::{META, records_of};
use crate::meta::{self, epoch_key, epoch_row, floors_key, floors_row, high_water_key, high_water_row};

/// How often a claim is tried again when another claim came between its read and its write.
const CLAIM_TRIES: usize = 32;

/// What this store knows of a map that it claimed. True as long as the epoch stands, which every commit requires.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) keyspace: Vec<u8>,
    pub(crate) epoch: u64,
    pub(crate) high_water: Version,
    pub(crate) floors: Floors,
}

/// Claims by map. Owned by the committer, so that claims and commits happen one after another.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    maps: BTreeMap<MapName, State>,
}

#[derive(Debug)]
enum State {
    Held(Claimed),
    Fenced,
}

impl Claims {
    /// Raises a map's epoch, so that whoever claimed it earlier is fenced out.
    pub(crate) fn claim(&mut self, kv: &dyn KvBackend, map: &MapName) -> Result<MapClaim, StoreError> {
        let fail = |error| from_kv("claim", error).in_map(map);
        let keyspace = records_of(map);
        kv.create_keyspace(&keyspace).map_err(fail)?;
        let epoch = raise_epoch(kv, map)?;
        // Read after the epoch is raised: from then on nobody else moves them.
        let high_water = meta::read_high_water(kv, map)?;
        let floors = meta::read_floors(kv, map)?;
        // A clock that resumes below a floor would make nothing but stale writes.
        let resume_above = high_water.max(floors.cleared).max(floors.purged);
        let claim = MapClaim::new(epoch, resume_above, floors.cleared, floors.purged);
        self.maps.insert(
            map.clone(),
            State::Held(Claimed {
                keyspace,
                epoch,
                high_water,
                floors,
            }),
        );
        Ok(claim)
    }

    /// Returns the claim of a map.
    pub(crate) fn get(&self, operation: &'static str, map: &MapName) -> Result<&Claimed, StoreError> {
        let (kind, what) = match self.maps.get(map) {
            Some(State::Held(claimed)) => return Ok(claimed),
            Some(State::Fenced) => (
                ErrorKind::Fenced,
                "a later writer has claimed the map: this one must stop",
            ),
            None => (ErrorKind::NotClaimed, "claim the map before writing to it"),
        };
        Err(StoreError::new(kind, STORE, operation, what).in_map(map))
    }

    /// Remembers that a later claim has fenced this one out.
    pub(crate) fn fence(&mut self, map: &MapName) {
        self.maps.insert(map.clone(), State::Fenced);
    }

    /// Remembers a high-water mark that is durable.
    pub(crate) fn raise_high_water(&mut self, map: &MapName, version: Version) {
        if let Some(State::Held(claimed)) = self.maps.get_mut(map) {
            claimed.high_water = claimed.high_water.max(version);
        }
    }

    /// Raises a map's floors, durably, before it returns.
    pub(crate) fn raise_floors(
        &mut self,
        kv: &dyn KvBackend,
        operation: &'static str,
        map: &MapName,
        raise: impl FnOnce(&mut Floors),
    ) -> Result<(), StoreError> {
        let claimed = self.get(operation, map)?;
        let mut floors = claimed.floors;
        raise(&mut floors);
        let mut batch = Batch::new();
        claimed.require(&mut batch, map);
        batch.put(META, floors_key(map), floors_row(floors));
        let committed = kv.commit(&batch, Durability::Sync);
        let _durable = committed.map_err(|error| self.commit_failed(operation, map, error))?;
        if let Some(State::Held(claimed)) = self.maps.get_mut(map) {
            claimed.floors = floors;
        }
        Ok(())
    }

    /// Converts the error of a commit to one map, and remembers it where it says that the map was lost.
    pub(crate) fn commit_failed(
        &mut self,
        operation: &'static str,
        map: &MapName,
        error: layerstore_kv::KvError,
    ) -> StoreError {
        if matches!(
            error.kind(),
            KvErrorKind::PreconditionFailed { .. } | KvErrorKind::Fenced
        ) {
            self.fence(map);
            return match self.get(operation, map) {
                Err(fenced) => fenced,
                Ok(_) => from_kv(operation, error).in_map(map),
            };
        }
        from_kv(operation, error).in_map(map)
    }
}

impl Claimed {
    /// Makes a batch fail if a later claim has raised the epoch.
    pub(crate) fn require(&self, batch: &mut Batch, map: &MapName) {
        batch.require(META, epoch_key(map), Some(&epoch_row(self.epoch)));
    }

    /// Adds the high-water mark to a batch.
    pub(crate) fn put_high_water(batch: &mut Batch, map: &MapName, version: Version) {
        batch.put(META, high_water_key(map), high_water_row(version));
    }
}

fn raise_epoch(kv: &dyn KvBackend, map: &MapName) -> Result<u64, StoreError> {
    for _ in 0..CLAIM_TRIES {
        let before = meta::read_epoch(kv, map)?;
        let epoch = before + 1;
        let mut batch = Batch::new();
        let expected = (before > 0).then(|| epoch_row(before));
        batch.require(META, epoch_key(map), expected.as_deref());
        batch.put(META, epoch_key(map), epoch_row(epoch));
        match kv.commit(&batch, Durability::Sync) {
            Ok(_) => return Ok(epoch),
            Err(error) if matches!(error.kind(), KvErrorKind::PreconditionFailed { .. }) => {}
            Err(error) => return Err(from_kv("claim", error).in_map(map)),
        }
    }
    let what = "other claims of the map came first, again and again: is it open elsewhere?";
    Err(StoreError::new(ErrorKind::Unavailable, STORE, "claim", what).in_map(map))
}
