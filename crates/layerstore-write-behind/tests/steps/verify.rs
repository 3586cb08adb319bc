//! What the next run must find, and the store behind in the end.

use std::sync::Arc;

use layerstore_data_store::MapDataStore;
use layerstore_record::Record;
use layerstore_write_behind::WriteBehindDataStore;

use crate::hook::Hook;
use crate::ledger::{KEYS, Ledger, key, map};
use crate::script::DEADLINE;
use crate::world::World;

/// Opens once more with nothing failing; all that was acknowledged is read, reaches the store behind, and stays.
pub(crate) async fn verify(world: &mut World, ledger: &Ledger) -> Result<(), String> {
    let hook = Hook::new(None);
    world.is_healed = true;
    let opened = world.open(&hook).await;
    let store = opened.map_err(|error| format!("it does not open again: {error}"))?;
    store
        .claim(&map())
        .await
        .map_err(|error| format!("no claim: {error}"))?;
    let read = read_all(&store, ledger).await?;
    for letter in store.dead_letters() {
        let _ = store.retry_dead_letter(&letter.map, &letter.key);
    }
    let flushed = store.flush(DEADLINE).await;
    flushed.map_err(|error| format!("it is not flushed: {error:?}"))?;
    let behind = Arc::clone(world.recording.as_ref().unwrap());
    same(&read, &*behind).await?;
    rises(world)?;
    let report = store.close(DEADLINE).await;
    if !report.is_complete() {
        return Err(format!("it does not close: {report:?}"));
    }
    drop(store);
    let again = world.open(&hook).await.map_err(|error| error.to_string())?;
    let pending = again.pending_operation_count();
    if pending > 0 || !again.dead_letters().is_empty() {
        return Err(format!("{pending} are pending after all was written and closed"));
    }
    same(&read, &again).await?;
    drop(again.close(DEADLINE).await);
    Ok(())
}

async fn read_all(store: &WriteBehindDataStore, ledger: &Ledger) -> Result<Vec<Option<Record>>, String> {
    let mut read = Vec::new();
    for number in 0..KEYS {
        let found = store.load(&map(), &key(number)).await;
        let found = found.map_err(|error| format!("key {number} is not read: {error}"))?;
        ledger.check(number, found.as_ref())?;
        read.push(found);
    }
    Ok(read)
}

/// What was read stays: nothing older comes back, nothing goes.
async fn same(read: &[Option<Record>], store: &dyn MapDataStore) -> Result<(), String> {
    for (number, before) in (0..).zip(read) {
        let found = store.load(&map(), &key(number)).await;
        let found = found.map_err(|error| error.to_string())?;
        let version = |record: &Option<Record>| {
            let record = record.as_ref().filter(|record| !record.is_tombstone());
            record.map(Record::version)
        };
        if version(&found) != version(before) {
            let (found, before) = (version(&found), version(before));
            return Err(format!("key {number} held {before:?}, and now {found:?}"));
        }
    }
    Ok(())
}

/// W2: of each key the store behind is given versions that rise.
pub(crate) fn rises(world: &World) -> Result<(), String> {
    for number in 0..KEYS {
        let versions = world.recording.as_ref().unwrap().versions(&map(), &key(number));
        if let Some(pair) = versions.windows(2).find(|pair| pair[0] > pair[1]) {
            return Err(format!("key {number} was given {} after {}", pair[1], pair[0]));
        }
    }
    Ok(())
}
