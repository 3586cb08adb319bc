//! Clearing and purging: objects go a chunk at a time, between groups of writes, after the floor is durable.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use layerstore_data_store::{ErrorKind, Floors, StoreError};
use layerstore_record::{Key, MapName, Version};
use tokio::sync::oneshot;

use crate::bucket::{Condition, Put, Tag};
use crate::convert::{STORE, from_opendal};
use crate::group::{intents, take_turn};
use crate::head::Head;
use crate::held::{Held, Known};
use crate::object::{Content, Stamp, decode_at, encode_void};
use crate::path::{key_of, record_path, records_dir};
use crate::shared::Shared;

/// Objects that one step looks at: few enough for writes to come between.
const CHUNK: usize = 256;

/// A clear or purge under way.
pub(crate) struct Sweep {
    map: MapName,
    kind: SweepKind,
    /// What is left of a listing that could not begin where the last step ended.
    listed: Option<Vec<String>>,
    /// Objects up to this path are done.
    after: Option<String>,
    dropped: u64,
    reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// What a sweep drops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SweepKind {
    /// Everything up to a version.
    Clear {
        /// The floor.
        up_to: Version,
        /// Whether nothing newer had been applied when the clear began: then objects that cannot be read go as well.
        everything: bool,
    },
    /// Tombstones and ended records up to a version.
    Purge {
        /// The floor.
        horizon: Version,
    },
}

/// An object that is to go.
struct Doomed {
    key: Key,
    tag: Option<Tag>,
    /// Whether a void takes its place.
    leaves_void: bool,
    /// Whether it counts as a record that was dropped.
    is_record: bool,
}

impl SweepKind {
    fn floor(self) -> Version {
        match self {
            Self::Clear { up_to, .. } => up_to,
            Self::Purge { horizon } => horizon,
        }
    }

    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Clear { .. } => "clear",
            Self::Purge { .. } => "purge",
        }
    }
}

impl Sweep {
    pub(crate) fn new(
        map: MapName,
        kind: SweepKind,
        reply: oneshot::Sender<Result<u64, StoreError>>,
    ) -> Self {
        Self {
            map,
            kind,
            listed: None,
            after: None,
            dropped: 0,
            reply,
        }
    }

    /// Looks at one chunk of objects; gives itself back while there are more.
    pub(crate) async fn step(mut self, shared: &Arc<Shared>, held: &mut Held) -> Option<Self> {
        let answer = match self.try_step(shared, held).await {
            Ok(true) => return Some(self),
            Ok(false) => Ok(self.dropped),
            Err(error) => Err(error),
        };
        // The caller may be gone; the floor is what counts.
        let _ = self.reply.send(answer);
        None
    }

    /// Ends it with an error.
    pub(crate) fn abandon(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }

    async fn try_step(&mut self, shared: &Arc<Shared>, held: &mut Held) -> Result<bool, StoreError> {
        let (paths, more) = self.chunk(shared).await?;
        let doomed = self.doomed(shared, held.head.floors, &paths).await?;
        self.drop_all(shared, held, doomed).await?;
        self.after = paths.into_iter().next_back().or(self.after.take());
        Ok(more)
    }

    async fn chunk(&mut self, shared: &Shared) -> Result<(Vec<String>, bool), StoreError> {
        if let Some(mut listed) = self.listed.take() {
            let rest = listed.split_off(CHUNK.min(listed.len()));
            let more = !rest.is_empty();
            self.listed = more.then_some(rest);
            return Ok((listed, more));
        }
        let dir = records_dir(&self.map);
        let listing = shared.bucket.list(&dir, self.after.as_deref(), CHUNK).await;
        let mut listing = listing.map_err(|error| self.failed(error))?;
        if listing.paths.len() > CHUNK {
            let rest = listing.paths.split_off(CHUNK);
            self.listed = Some(rest);
            listing.more = true;
        }
        Ok((listing.paths, listing.more))
    }

    async fn doomed(
        &self,
        shared: &Arc<Shared>,
        floors: Floors,
        paths: &[String],
    ) -> Result<Vec<Doomed>, StoreError> {
        let looks: Vec<_> = paths
            .iter()
            .map(|path| {
                look(
                    Arc::clone(shared),
                    self.map.clone(),
                    path.clone(),
                    self.kind,
                    floors,
                )
            })
            .collect();
        let looked: Vec<Option<Doomed>> = stream::iter(looks)
            .buffer_unordered(shared.concurrency)
            .try_collect()
            .await?;
        Ok(looked.into_iter().flatten().collect())
    }

    async fn drop_all(
        &mut self,
        shared: &Arc<Shared>,
        held: &mut Held,
        doomed: Vec<Doomed>,
    ) -> Result<(), StoreError> {
        let voids = doomed.iter().filter(|doomed| doomed.leaves_void);
        if voids.clone().count() > 0 {
            let next = Head {
                intents: intents(shared, held, voids.map(|doomed| &doomed.key)),
                ..held.head.clone()
            };
            take_turn(shared, self.kind.operation(), &self.map, held, next).await?;
        }
        let (stamp, version) = (held.head.stamp(), held.head.high_water);
        let drops: Vec<_> = doomed
            .into_iter()
            .map(|doomed| drop_one(Arc::clone(shared), self.map.clone(), doomed, stamp, version))
            .collect();
        let mut dropped = stream::iter(drops).buffer_unordered(shared.concurrency);
        while let Some(gone) = dropped.next().await {
            let (doomed, known) = gone.map_err(|error| self.failed(error))?;
            match known {
                Some(known) => {
                    self.dropped += u64::from(doomed.is_record);
                    held.keys.remember(doomed.key, known);
                }
                None => held.keys.forget(&doomed.key),
            }
        }
        Ok(())
    }

    fn failed(&self, error: opendal::Error) -> StoreError {
        from_opendal(self.kind.operation(), error).in_map(&self.map)
    }
}

/// Reads an object, and tells whether it goes.
async fn look(
    shared: Arc<Shared>,
    map: MapName,
    path: String,
    kind: SweepKind,
    floors: Floors,
) -> Result<Option<Doomed>, StoreError> {
    let operation = kind.operation();
    let Some(key) = key_of(&records_dir(&map), &path) else {
        return Err(stranger(operation, &map, &path));
    };
    let found = shared.bucket.get(&path).await;
    let found = found.map_err(|error| from_opendal(operation, error).in_map(&map).at_key(&key))?;
    let Some(found) = found else { return Ok(None) };
    let object = decode_at(operation, &map, &key, &found.bytes);
    let guard = object.as_ref().map_or(Version::ZERO, |object| object.guard);
    let (goes, is_record) = match (kind, object.map(|object| object.content)) {
        (SweepKind::Clear { up_to, .. }, Ok(Content::Record(record))) => (record.version() <= up_to, true),
        (SweepKind::Clear { .. }, Ok(Content::Void)) => (false, false),
        (SweepKind::Clear { everything: true, .. }, Err(_)) => (true, true),
        (SweepKind::Purge { horizon }, Ok(Content::Record(record))) => {
            (floors.may_purge(&record, horizon, shared.now()), true)
        }
        // Voids go where they are not all that a deletion leaves.
        (SweepKind::Purge { horizon }, Ok(Content::Void)) => {
            (guard <= horizon && shared.bucket.conditions().deletes, false)
        }
        (_, Err(error)) => return Err(error),
    };
    // A deletion without a condition might arrive after a later writer has written there, and a guarded place be taken by
    // what a claim has settled.
    let conditions = shared.bucket.conditions();
    let leaves_void = conditions.writes && (!conditions.deletes || guard > kind.floor());
    Ok(goes.then(|| Doomed {
        key,
        leaves_void,
        tag: found.into_tag(),
        is_record,
    }))
}

/// Deletes an object, or puts a void in its place; tells what is known of the key then, unless another write came between.
async fn drop_one(
    shared: Arc<Shared>,
    map: MapName,
    doomed: Doomed,
    stamp: Stamp,
    guard: Version,
) -> opendal::Result<(Doomed, Option<Known>)> {
    let path = record_path(&map, &doomed.key);
    let tag = doomed.tag.as_ref();
    if !doomed.leaves_void {
        let is_gone = shared.bucket.delete(&path, tag).await?;
        return Ok((doomed, is_gone.then_some(Known::EMPTY)));
    }
    let void = encode_void(stamp, guard);
    let known = match shared.bucket.put(&path, void, Condition::Unchanged(tag)).await? {
        Put::Done(tag) => Some(Known::void(tag)),
        Put::Refused => None,
    };
    Ok((doomed, known))
}

/// Says that something that is not ours lies among the records of a map.
pub(crate) fn stranger(operation: &'static str, map: &MapName, path: &str) -> StoreError {
    let what = format!("no key has the path {path:?}: take away what is not of this store");
    StoreError::new(ErrorKind::Corrupt, STORE, operation, what).in_map(map)
}
