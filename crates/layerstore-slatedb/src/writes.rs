//! Writing: to each map's database, and finding out what became of what was under way when a map was taken over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use layerstore_data_store::{ErrorKind, MapDataStore, StoreError, Write, WriteResult};
use layerstore_embedded::{KvDataStore, reading};
use layerstore_record::{Key, MapName, Record};
use tokio::time::{sleep, timeout};

use crate::errors::{STORE, fenced, from_kv, is_closed, is_fenced, not_claimed, renamed};
use crate::maps::Held;
use crate::store::SlateDataStore;

/// How long to wait before looking again whether a later claim is durable: it takes a few requests.
const CLAIM_PAUSE: Duration = Duration::from_millis(50);

/// Whether the lost batch is durable, and what is stored under the keys that were written; none before the later claim is.
type Left = Option<(bool, Vec<Option<Record>>)>;

impl SlateDataStore {
    /// Makes the writes to one map, in one of the two ways.
    async fn write(&self, way: Way, map: &MapName, writes: Vec<Write>) -> Vec<WriteResult> {
        let slot = self.known("apply", map);
        let held = slot.and_then(|slot| match slot {
            Some(slot) => slot.writable("apply", map).map(|held| (slot, held)),
            None => Err(not_claimed("apply", map)),
        });
        let (slot, held) = match held {
            Ok(found) => found,
            Err(error) => {
                let refuse = |write: &Write| WriteResult::Rejected(error.clone().at_key(&write.key));
                return writes.iter().map(refuse).collect();
            }
        };
        let asked = writes.clone();
        let mut answers = match way {
            Way::Apply => held.store.apply(writes).await,
            Way::Restate => match held.store.restating() {
                Some(restating) => restating.restate(writes).await,
                None => held.store.apply(writes).await,
            },
        };
        if answers.iter().any(is_fenced) || (answers.iter().any(is_closed) && !slot.holds(&held.store)) {
            slot.fence(&held.store).await;
            self.settle(&held, map, &asked, &mut answers).await;
        }
        answers.into_iter().map(renamed).collect()
    }

    /// Finds out what became of writes amid which the map was taken over. Where that cannot be read, they stay unknown.
    async fn settle(&self, held: &Held, map: &MapName, asked: &[Write], answers: &mut [WriteResult]) {
        let left = timeout(self.options.deadline, async {
            loop {
                match self.left_of(held, map, asked).await {
                    Ok(Some(None)) => sleep(CLAIM_PAUSE).await,
                    looked => return looked.ok().flatten().flatten(),
                }
            }
        });
        let Ok(Some((is_there, found))) = left.await else {
            return;
        };
        for ((write, answer), stored) in asked.iter().zip(answers).zip(found) {
            if is_fenced(answer) || is_closed(answer) {
                *answer = if is_there && stored.is_some_and(|stored| is_of(write, &stored)) {
                    WriteResult::Applied
                } else {
                    WriteResult::Rejected(fenced("apply", map).at_key(&write.key))
                };
            }
        }
    }

    /// Looks whether the batch amid which a map was lost is durable, and what is under the keys of its writes. Once the later claim is
    /// durable, too, that is all that will ever arrive; before, the later owner may still find more in the log, and there is nothing to tell.
    async fn left_of(&self, held: &Held, map: &MapName, asked: &[Write]) -> Result<Option<Left>, StoreError> {
        let ((owner, lost), epoch) = (held.watch.lost(), held.epoch);
        let (of, keys) = (map.clone(), asked.iter().map(|write| write.key.clone()));
        let keys: Vec<Key> = keys.collect();
        let looked = self.look_at("apply", map, move |view| {
            if reading::epoch(view, &of)? <= epoch {
                return Ok(None);
            }
            let last = view.last_batch_of(owner);
            let last = last.map_err(|error| from_kv("apply", error))?;
            // Without a lost batch nothing was tried that could be there.
            let is_there = lost > 0 && last >= lost;
            Ok(Some((is_there, reading::load_stored(view, &of, &keys)?)))
        });
        looked.await
    }

    /// Makes writes to any maps, each map's in the order given; the answers come in the order of the writes.
    pub(crate) async fn write_all(&self, way: Way, writes: Vec<Write>) -> Vec<WriteResult> {
        let mut by_map: BTreeMap<MapName, (Vec<usize>, Vec<Write>)> = BTreeMap::new();
        for (place, write) in writes.into_iter().enumerate() {
            let (places, writes) = by_map.entry(write.map.clone()).or_default();
            places.push(place);
            writes.push(write);
        }
        let made = by_map.into_iter().map(|(map, (places, writes))| async move {
            let answers = self.write(way, &map, writes).await;
            places.into_iter().zip(answers).collect::<Vec<_>>()
        });
        let mut answers: Vec<(usize, WriteResult)> = join_all(made).await.into_iter().flatten().collect();
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Changes a map otherwise: its rows are dropped.
    pub(crate) async fn change<T>(
        &self,
        operation: &'static str,
        map: &MapName,
        change: impl AsyncFnOnce(&KvDataStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let slot = self.known(operation, map)?;
        let slot = slot.ok_or_else(|| not_claimed(operation, map))?;
        let Held { store, watch, .. } = slot.writable(operation, map)?;
        let changed = match change(&store).await {
            // Rows that were taken away are gone for everybody only once the service has heard of it.
            Ok(changed) => watch
                .persist()
                .await
                .map(|()| changed)
                .map_err(|error| from_kv(operation, error)),
            refused => refused,
        };
        if let Err(error) = &changed
            && error.kind() == ErrorKind::Fenced
        {
            slot.fence(&store).await;
        }
        changed.map_err(|error| match error.kind() {
            // Another call heard first that the map was taken over, and ended the database amid this one.
            ErrorKind::Closed if !slot.holds(&store) => fenced(operation, map).with_unknown_outcome(),
            _ => error.in_store(STORE).in_map(map),
        })
    }
}

/// Tells whether a stored record is what a write wanted there.
fn is_of(write: &Write, stored: &Record) -> bool {
    stored.version() == write.version() && stored.value() == write.record.value()
}

/// In which of two ways writes are judged.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Apply,
    Restate,
}
