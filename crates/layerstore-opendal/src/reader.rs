//! Reading, which needs no claim.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use layerstore_data_store::{ErrorKind, Floors, Held, Include, ScanPage, ScanRequest, StoreError};
use layerstore_record::{Key, MapName, Record};

use crate::convert::{STORE, from_opendal};
use crate::head::Head;
use crate::object::decode_at;
use crate::path::{MAPS, just_below, key_of, map_of, record_path, records_dir};
use crate::shared::{Facts, Shared};
use crate::sweep::stranger;
use crate::turn::read_head;

/// The fewest and the most names that are listed for a page.
const LISTED: std::ops::RangeInclusive<usize> = 100..=999;

/// Names that are remembered of a listing that could not begin where the page before ended.
const REMEMBERED: usize = 1 << 20;

/// What is left of the listing of a scan, on services that list a map as a whole: so each scan lists it once, not each page.
/// A record that is there throughout is in it, and each is read anew.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    /// Never held across an await.
    rest: Mutex<Option<Rest>>,
}

#[derive(Debug)]
struct Rest {
    map: MapName,
    /// The path that the page before ended with.
    after: String,
    paths: VecDeque<String>,
}

/// Reads the records of keys, in the order given.
pub(crate) async fn load_all(
    shared: &Arc<Shared>,
    facts: Option<&Facts>,
    map: &MapName,
    keys: &[Key],
) -> Result<Vec<Option<Record>>, StoreError> {
    let operation = "load";
    let floors = floors(shared, facts, operation, map).await?;
    let loads: Vec<_> = keys
        .iter()
        .map(|key| load(Arc::clone(shared), operation, map.clone(), key.clone(), floors))
        .collect();
    stream::iter(loads)
        .buffered(shared.concurrency)
        .try_collect()
        .await
}

/// Reads a page of a map.
pub(crate) async fn scan_page(
    shared: &Arc<Shared>,
    facts: Option<&Facts>,
    listings: &Listings,
    map: &MapName,
    request: &ScanRequest,
) -> Result<ScanPage, StoreError> {
    let operation = "scan_page";
    let floors = floors(shared, facts, operation, map).await?;
    let wanted = request.limit.max(1);
    let (mut paths, more) = listed(shared, listings, map, request, wanted).await?;
    let end = paths.len();
    let dir = records_dir(map);
    let mut keys = Vec::with_capacity(end);
    for path in &paths {
        let key = key_of(&dir, path).ok_or_else(|| stranger(operation, map, path))?;
        if is_behind(&key, &request.end) {
            break;
        }
        keys.push(key);
    }
    let ends_here = keys.len() < end || !more;
    let loads: Vec<_> = keys
        .iter()
        .map(|key| load(Arc::clone(shared), operation, map.clone(), key.clone(), floors))
        .collect();
    let mut records = stream::iter(loads).buffered(shared.concurrency.min(wanted));
    let (mut page, mut looked_at) = (ScanPage::default(), 0);
    while page.records.len() < wanted
        && let Some(key) = keys.get(looked_at)
        && let Some(record) = records.next().await
    {
        looked_at += 1;
        if let Some(record) = record?
            && (request.include == Include::Tombstones || !record.is_tombstone())
        {
            page.records.push((key.clone(), record));
        }
    }
    drop(records);
    if looked_at < keys.len() || !ends_here {
        page.next = looked_at.checked_sub(1).and_then(|last| keys.get(last)).cloned();
        let rest = paths.split_off(looked_at);
        if let Some(last) = paths.pop()
            && !shared.bucket.lists_from()
        {
            listings.remember(map, last, rest);
        }
    }
    Ok(page)
}

/// Lists the maps that ever held anything, in name order.
pub(crate) async fn list_maps(shared: &Arc<Shared>) -> Result<Vec<MapName>, StoreError> {
    let operation = "list_maps";
    let dirs = shared.bucket.list_dirs(MAPS).await;
    let dirs = dirs.map_err(|error| from_opendal(operation, error))?;
    let maps: Vec<MapName> = dirs
        .iter()
        .map(|dir| map_of(dir).ok_or_else(|| nameless(dir)))
        .collect::<Result<_, _>>()?;
    let heads: Vec<_> = maps
        .into_iter()
        .map(|map| used(Arc::clone(shared), map))
        .collect();
    let listed: Vec<Option<MapName>> = stream::iter(heads)
        .buffer_unordered(shared.concurrency)
        .try_collect()
        .await?;
    let mut maps: Vec<MapName> = listed.into_iter().flatten().collect();
    maps.sort();
    Ok(maps)
}

/// Returns the map, if it ever held anything.
async fn used(shared: Arc<Shared>, map: MapName) -> Result<Option<MapName>, StoreError> {
    let head = read_head(&shared, "list_maps", &map).await?;
    Ok(head.is_some_and(|head| head.is_used()).then_some(map))
}

/// The writer knows the floors; anybody else reads them first.
async fn floors(
    shared: &Shared,
    facts: Option<&Facts>,
    operation: &'static str,
    map: &MapName,
) -> Result<Floors, StoreError> {
    if let Some(floors) = facts.and_then(Facts::floors) {
        return Ok(floors);
    }
    let head: Option<Head> = read_head(shared, operation, map).await?;
    Ok(head.unwrap_or_default().floors)
}

async fn load(
    shared: Arc<Shared>,
    operation: &'static str,
    map: MapName,
    key: Key,
    floors: Floors,
) -> Result<Option<Record>, StoreError> {
    let found = shared.bucket.get(&record_path(&map, &key)).await;
    let found = found.map_err(|error| from_opendal(operation, error).in_map(&map).at_key(&key))?;
    let Some(found) = found else { return Ok(None) };
    let record = decode_at(operation, &map, &key, &found.bytes)?.into_record();
    Ok(record.filter(|record| Held::is_visible(record, floors, shared.now())))
}

/// Lists the paths of a page and some more, and tells whether there are others behind them.
async fn listed(
    shared: &Shared,
    listings: &Listings,
    map: &MapName,
    request: &ScanRequest,
    wanted: usize,
) -> Result<(Vec<String>, bool), StoreError> {
    let after = match &request.start {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(just_below(map, key)),
        Bound::Excluded(key) => Some(record_path(map, key)),
    };
    if let Some(rest) = after.as_deref().and_then(|after| listings.take(map, after)) {
        return Ok((rest, false));
    }
    let limit = wanted.clamp(*LISTED.start(), *LISTED.end());
    let listing = shared
        .bucket
        .list(&records_dir(map), after.as_deref(), limit)
        .await
        .map_err(|error| from_opendal("scan_page", error).in_map(map))?;
    Ok((listing.paths, listing.more))
}

fn is_behind(key: &Key, end: &Bound<Key>) -> bool {
    match end {
        Bound::Unbounded => false,
        Bound::Included(end) => key > end,
        Bound::Excluded(end) => key >= end,
    }
}

/// A map that is not listed would be gone without a word.
fn nameless(dir: &str) -> StoreError {
    let what = format!("no map has the place {dir:?}: take away what is not of this store");
    StoreError::new(ErrorKind::Corrupt, STORE, "list_maps", what)
}

impl Listings {
    fn take(&self, map: &MapName, after: &str) -> Option<Vec<String>> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.take_if(|rest| rest.map == *map && rest.after == after)
            .map(|rest| rest.paths.into())
    }

    fn remember(&self, map: &MapName, after: String, paths: Vec<String>) {
        let rest = Rest {
            map: map.clone(),
            after,
            paths: paths.into(),
        };
        let mut remembered = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *remembered = (rest.paths.len() <= REMEMBERED).then_some(rest);
    }
}
