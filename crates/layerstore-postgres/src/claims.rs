//! The maps that this store writes, and where each stands.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapClaim, StoreError};
use layerstore_record::{MapName, Millis, NodeId, Timestamp, Version};

use crate::convert::STORE;
use crate::row::{column, version};
use crate::store::{Core, Effect};

/// How often a claim is tried again when another claim came between its read and its write.
const CLAIM_TRIES: usize = 32;

/// The mark that is at or above every applied version is raised this far ahead of the clock: then one batch a second
/// raises it, and batches beside each other need not wait for one row. After a crash versions go on this much later.
const HIGH_WATER_AHEAD: Duration = Duration::from_secs(1);

/// What this store knows of a map that it claimed. True as long as the epoch stands, which every change looks at.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) epoch: i64,
    /// At or above every applied version, durably.
    high_water: Version,
}

/// Claims by map.
#[derive(Default)]
pub(crate) struct Claims {
    /// Held for a look or a change, never over an await.
    maps: Mutex<HashMap<MapName, State>>,
}

enum State {
    Held(Claimed),
    /// The epoch that was lost.
    Fenced(i64),
}

impl Claims {
    /// Returns the claim of a map.
    pub(crate) fn get(&self, operation: &'static str, map: &MapName) -> Result<Claimed, StoreError> {
        let error = match self.maps().get(map) {
            Some(State::Held(claimed)) => return Ok(claimed.clone()),
            Some(State::Fenced(epoch)) => {
                let what =
                    format!("a later writer has claimed the map after epoch {epoch}: this one must stop");
                StoreError::new(ErrorKind::Fenced, STORE, operation, what)
            }
            None => {
                let what = "claim the map before writing to it";
                StoreError::new(ErrorKind::NotClaimed, STORE, operation, what)
            }
        };
        Err(error.in_map(map))
    }

    /// Remembers that an epoch has passed to another writer, unless this store has claimed anew since.
    pub(crate) fn lost(&self, map: &MapName, epoch: i64) {
        let mut maps = self.maps();
        if let Some(State::Held(claimed)) = maps.get(map)
            && claimed.epoch == epoch
        {
            maps.insert(map.clone(), State::Fenced(epoch));
        }
    }

    fn hold(&self, map: &MapName, claimed: Claimed) {
        let mut maps = self.maps();
        // Of two claims beside each other the later counts, whichever answer came first.
        let newest = match maps.get(map) {
            Some(State::Held(held)) => held.epoch,
            Some(State::Fenced(epoch)) => *epoch,
            None => 0,
        };
        if claimed.epoch > newest {
            maps.insert(map.clone(), State::Held(claimed));
        }
    }

    fn raise(&self, map: &MapName, epoch: i64, high_water: Version) {
        if let Some(State::Held(claimed)) = self.maps().get_mut(map)
            && claimed.epoch == epoch
        {
            claimed.high_water = claimed.high_water.max(high_water);
        }
    }

    fn maps(&self) -> MutexGuard<'_, HashMap<MapName, State>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Takes the next epoch of a map, so that whoever claimed it earlier is fenced out.
    pub(crate) async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let operation = "claim";
        let name = map.as_str().as_bytes();
        for _ in 0..CLAIM_TRIES {
            let found = self
                .ask(operation, Effect::None, || {
                    self.query(&self.statements.find_map).bind(name)
                })
                .await?;
            let Some(row) = found.first() else {
                let zero = Version::ZERO.to_bytes().to_vec();
                let add = || self.query(&self.statements.add_map).bind(name).bind(&zero);
                self.ask(operation, Effect::Some, add).await?;
                continue;
            };
            let (id, before): (i64, i64) = (column(operation, row, 0)?, column(operation, row, 1)?);
            let take = || self.query(&self.statements.take_epoch).bind(id).bind(before);
            let taken = self.ask(operation, Effect::Some, take).await?;
            if let Some(row) = taken.first() {
                let epoch: i64 = column(operation, row, 0)?;
                let mark = |number| version(operation, column(operation, row, number)?);
                let (high_water, cleared, purged) = (mark(1)?, mark(2)?, mark(3)?);
                self.claims.hold(
                    map,
                    Claimed {
                        id,
                        epoch,
                        high_water,
                    },
                );
                // A clock that resumes below a floor would make nothing but stale writes.
                let resume_above = high_water.max(cleared).max(purged);
                return Ok(MapClaim::new(epoch.unsigned_abs(), resume_above, cleared, purged));
            }
        }
        let what = "other claims of the map came first, again and again: is it open elsewhere?";
        Err(StoreError::new(ErrorKind::Unavailable, STORE, operation, what))
    }

    /// Makes sure that the durable mark is at or above `newest`, before anything of this version is written.
    ///
    /// Returns whether the claim still stands.
    pub(crate) async fn raise_high_water(
        &self,
        map: &MapName,
        claimed: &Claimed,
        newest: Version,
    ) -> Result<bool, StoreError> {
        if newest <= claimed.high_water {
            return Ok(true);
        }
        let operation = "apply";
        let mark = newest.max(ahead_of(self.clock.now())).to_bytes().to_vec();
        let raise = || {
            self.query(&self.statements.raise_high_water)
                .bind(claimed.id)
                .bind(claimed.epoch)
                .bind(&mark)
        };
        let raised = self.ask(operation, Effect::None, raise).await?;
        let Some(row) = raised.first() else {
            self.claims.lost(map, claimed.epoch);
            return Ok(false);
        };
        let high_water = version(operation, column(operation, row, 0)?)?;
        self.claims.raise(map, claimed.epoch, high_water);
        Ok(true)
    }
}

fn ahead_of(now: Millis) -> Version {
    let ahead = u64::try_from(HIGH_WATER_AHEAD.as_millis()).unwrap_or_default();
    Version::new(Timestamp::new(now.plus(ahead), u16::MAX, NodeId(u64::MAX)))
}
