//! Making an end of what may still be under way: once a key is settled, no earlier write of it can arrive any more.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_record::{Key, MapName, Version};

use crate::bucket::{Condition, Put};
use crate::convert::{STORE, from_opendal};
use crate::object::{Stamp, encode_void, restamped, stamp_of};
use crate::path::record_path;
use crate::shared::Shared;
use crate::turn::fenced;

/// How often settling one key is tried when late writes come between: each can come once.
const TRIES: usize = 16;

/// Settles keys, several at a time.
pub(crate) async fn settle_all(
    shared: &Arc<Shared>,
    map: &MapName,
    keys: Vec<Key>,
    stamp: Stamp,
    version: Version,
) -> Result<(), StoreError> {
    // Without conditions a late write arrives whatever is done.
    if !shared.bucket.conditions().writes {
        return Ok(());
    }
    let settled: Vec<_> = keys
        .into_iter()
        .map(|key| settle(Arc::clone(shared), map.clone(), key, stamp, version))
        .collect();
    stream::iter(settled)
        .buffer_unordered(shared.concurrency)
        .try_collect()
        .await
}

/// Writes what a key holds once more, with a stamp of our own, so that a write on the condition of what was there before
/// fails. Where there is nothing, a void takes the place.
///
/// `version` must be at or above every version that was under way.
async fn settle(
    shared: Arc<Shared>,
    map: MapName,
    key: Key,
    stamp: Stamp,
    version: Version,
) -> Result<(), StoreError> {
    let path = record_path(&map, &key);
    let fail = |error: opendal::Error| from_opendal("settle", error).in_map(&map).at_key(&key);
    for _ in 0..TRIES {
        let found = shared.bucket.get(&path).await.map_err(fail)?;
        let put = match &found {
            None => {
                let void = encode_void(stamp, version);
                shared.bucket.put(&path, void, Condition::Absent).await
            }
            Some(found) if stamp_of(&found.bytes) == Ok(stamp) => return Ok(()),
            Some(found) if stamp_of(&found.bytes).is_ok_and(|by| by.epoch > stamp.epoch) => {
                return Err(fenced("settle", &map).at_key(&key));
            }
            Some(found) => {
                let Ok(bytes) = restamped(&found.bytes, stamp, version) else {
                    // No write rests on an object that cannot be read: what is under way expects another one.
                    return Ok(());
                };
                shared
                    .bucket
                    .put(&path, bytes, Condition::Unchanged(found.tag.as_ref()))
                    .await
            }
        };
        if let Put::Done(_) = put.map_err(fail)? {
            return Ok(());
        }
    }
    let what = "a key keeps changing: is another writer at work that knows no claims?";
    Err(StoreError::new(ErrorKind::Unavailable, STORE, "settle", what)
        .in_map(&map)
        .at_key(&key))
}
