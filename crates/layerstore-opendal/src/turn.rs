//! Taking turns by a map's head: whoever changes it, on the condition that it is as it was, is the writer.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_record::MapName;
use tokio::time::Instant;

use crate::bucket::{Condition, Found, Put, Tag};
use crate::convert::{STORE, from_opendal};
use crate::head::Head;
use crate::held::Held;
use crate::object::unreadable;
use crate::path::head_path;
use crate::shared::Shared;

/// How often the writer of a map tries to change its head when what is there is not what it left.
const TRIES: u32 = 32;

/// What the longest pause before the next try of a claim grows by. Without one of random length a claim and the writer that it
/// takes the map from can keep step, and meet in every try.
const PAUSE: Duration = Duration::from_millis(1);

/// How often that pause grows.
const LONGER_PAUSES: u32 = 32;

/// Claims a map: the head gets the next epoch, and keeps every key of which a write may be under way.
///
/// The writer that the map is taken from changes the head with every group, and needs one request for it where a claim needs
/// two. So a claim may come too late many times, and goes on as long as [`Shared::claim_contest`] says.
pub(crate) async fn claim(
    shared: &Shared,
    map: &MapName,
    owner: u64,
) -> Result<(Head, Option<Tag>), StoreError> {
    let path = head_path(map);
    let fail = |error: opendal::Error| from_opendal("claim", error).in_map(map);
    let mut rng = fastrand::Rng::with_seed(owner);
    let end = Instant::now() + shared.claim_contest;
    for tried in 1.. {
        let found = read(shared, "claim", map, &path).await?;
        let (before, tag) = match found {
            Some((head, found)) => (head, Some(found.tag)),
            None => (Head::default(), None),
        };
        let next = Head {
            epoch: before.epoch + 1,
            owner,
            group: before.group + 1,
            ..before
        };
        let condition = match &tag {
            Some(tag) => Condition::Unchanged(tag.as_ref()),
            None => Condition::Absent,
        };
        let bytes = encode("claim", map, &next)?;
        let failure = match shared.bucket.put(&path, bytes, condition).await {
            Ok(Put::Done(tag)) => return Ok((next, tag)),
            Ok(Put::Refused) => None,
            Err(error) => Some(error),
        };
        // Refused, or lost on the way: an earlier try of this very change may have been made all the same.
        if let Some((head, found)) = read(shared, "claim", map, &path).await?
            && head == next
        {
            return Ok((next, found.into_tag()));
        }
        if let Some(error) = failure {
            return Err(fail(error));
        }
        if Instant::now() >= end {
            break;
        }
        tokio::time::sleep((PAUSE * tried.min(LONGER_PAUSES)).mul_f64(rng.f64())).await;
    }
    let what = "another writer changed the map first, again and again: is it open elsewhere?";
    Err(StoreError::new(ErrorKind::Unavailable, STORE, "claim", what).in_map(map))
}

/// Replaces the head by the next one of the same claim, durably, before it returns.
///
/// An error but [`ErrorKind::Fenced`] leaves open whether the head was replaced. Nothing rests on it: what it announces was
/// not begun.
pub(crate) async fn advance(
    shared: &Shared,
    operation: &'static str,
    map: &MapName,
    held: &Held,
    next: &Head,
) -> Result<Option<Tag>, StoreError> {
    let path = head_path(map);
    let mut tag = held.tag.clone();
    if !shared.bucket.conditions().writes {
        // The service would not keep us out. This finds another writer that is not at work in this very moment.
        let found = read(shared, operation, map, &path).await?;
        check(operation, map, held, found.as_ref().map(|(head, _)| head))?;
    }
    for _ in 0..TRIES {
        let bytes = encode(operation, map, next)?;
        let failure = match shared
            .bucket
            .put(&path, bytes, Condition::Unchanged(tag.as_ref()))
            .await
        {
            Ok(Put::Done(tag)) => return Ok(tag),
            Ok(Put::Refused) => None,
            Err(error) => Some(error),
        };
        let found = read(shared, operation, map, &path).await?;
        let head = found.as_ref().map(|(head, _)| head);
        if head == Some(next) {
            return Ok(found.and_then(|(_, found)| found.into_tag()));
        }
        check(operation, map, held, head)?;
        // It is ours, from a try that had been given up.
        tag = found.and_then(|(_, found)| found.into_tag());
        if let Some(error) = failure {
            return Err(from_opendal(operation, error).in_map(map));
        }
    }
    let what = "the head of the map keeps changing: is the service consistent?";
    Err(StoreError::new(ErrorKind::Unavailable, STORE, operation, what).in_map(map))
}

/// Reads the head of a map; `None` before its first claim.
pub(crate) async fn read_head(
    shared: &Shared,
    operation: &'static str,
    map: &MapName,
) -> Result<Option<Head>, StoreError> {
    let found = read(shared, operation, map, &head_path(map)).await?;
    Ok(found.map(|(head, _)| head))
}

/// Says that a later claim has fenced this writer out.
pub(crate) fn fenced(operation: &'static str, map: &MapName) -> StoreError {
    let what = "a later writer has claimed the map: this one must stop";
    StoreError::new(ErrorKind::Fenced, STORE, operation, what).in_map(map)
}

fn check(
    operation: &'static str,
    map: &MapName,
    held: &Held,
    found: Option<&Head>,
) -> Result<(), StoreError> {
    match found {
        Some(head) if (head.epoch, head.owner) == (held.head.epoch, held.head.owner) => Ok(()),
        Some(_) => Err(fenced(operation, map)),
        None => {
            let what = "the head of the map is gone: restore it from a copy, or claim the map anew";
            Err(StoreError::new(ErrorKind::Corrupt, STORE, operation, what).in_map(map))
        }
    }
}

async fn read(
    shared: &Shared,
    operation: &'static str,
    map: &MapName,
    path: &str,
) -> Result<Option<(Head, Found)>, StoreError> {
    let found = shared.bucket.get(path).await;
    let Some(found) = found.map_err(|error| from_opendal(operation, error).in_map(map))? else {
        return Ok(None);
    };
    let head = Head::decode(&found.bytes).map_err(|error| unreadable(operation, error).in_map(map))?;
    Ok(Some((head, found)))
}

fn encode(operation: &'static str, map: &MapName, head: &Head) -> Result<Vec<u8>, StoreError> {
    head.encode()
        .map_err(|error| unreadable(operation, error).in_map(map))
}
