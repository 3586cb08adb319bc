//! Clearing and purging: rows go a chunk at a time, between groups of writes, after the floor is durable.

use layerstore_data_store::{Floors, Held, StoreError};
use layerstore_kv::{Batch, Direction, Durability, KeyRange, KvBackend, KvItem};
use layerstore_record::{MapName, Millis, Version};
use tokio::sync::oneshot;

use crate::claims::{Claimed, Claims};
use crate::convert::from_kv;
use crate::row;

/// Rows that one step looks at: about a millisecond of work.
const CHUNK: usize = 1_000;

/// A clear or purge under way.
pub(crate) struct Sweep {
    map: MapName,
    kind: SweepKind,
    /// Rows up to this key are done.
    after: Option<Vec<u8>>,
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
        /// Whether nothing newer had been applied when the clear began: then rows that cannot be read go as well.
        everything: bool,
    },
    /// Tombstones and ended records up to a version.
    Purge {
        /// The floor.
        horizon: Version,
    },
}

/// Raises the floor of a clear or purge; the sweep that drops the rows follows.
pub(crate) fn begin(
    kv: &dyn KvBackend,
    claims: &mut Claims,
    map: MapName,
    kind: SweepKind,
    reply: oneshot::Sender<Result<u64, StoreError>>,
) -> Option<Sweep> {
    // The floor is durable before any row goes: a crash between the two leaves rows that no reader sees.
    let raised = match kind {
        SweepKind::Clear { up_to, .. } => claims.raise_floors(kv, "clear", &map, |floors| {
            floors.cleared = floors.cleared.max(up_to);
        }),
        SweepKind::Purge { horizon } => claims.raise_floors(kv, "purge", &map, |floors| {
            floors.purged = floors.purged.max(horizon);
        }),
    };
    match raised {
        Ok(()) => Some(Sweep {
            map,
            kind,
            after: None,
            dropped: 0,
            reply,
        }),
        Err(error) => {
            // The caller may be gone; the floor is what counts.
            let _ = reply.send(Err(error));
            None
        }
    }
}

impl Sweep {
    /// Looks at one chunk of rows; gives itself back while there are more.
    pub(crate) fn step(mut self, kv: &dyn KvBackend, claims: &mut Claims, now: Millis) -> Option<Self> {
        match self.try_step(kv, claims, now) {
            Ok(true) => Some(self),
            Ok(false) => {
                let _ = self.reply.send(Ok(self.dropped));
                None
            }
            Err(error) => {
                let _ = self.reply.send(Err(error));
                None
            }
        }
    }

    /// Ends it with an error.
    pub(crate) fn abandon(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }

    fn try_step(&mut self, kv: &dyn KvBackend, claims: &mut Claims, now: Millis) -> Result<bool, StoreError> {
        let operation = self.operation();
        let claimed = claims.get(operation, &self.map)?;
        let mut batch = Batch::new();
        claimed.require(&mut batch, &self.map);
        let rows = self.chunk(kv, claimed)?;
        for (key, row) in &rows {
            if self.drops(claimed.floors, key, row, now)? {
                batch.delete(&claimed.keyspace, key.as_slice());
            }
        }
        // Not synced: if a crash brings rows back, the floor still hides them or their tombstones are dropped anew.
        let committed = kv.commit(&batch, Durability::Buffered);
        let _not_yet = committed.map_err(|error| claims.commit_failed(operation, &self.map, error))?;
        self.dropped += batch.len() as u64;
        let more = rows.len() == CHUNK;
        self.after = rows.into_iter().next_back().map(|(key, _)| key);
        Ok(more)
    }

    fn chunk(&self, kv: &dyn KvBackend, claimed: &Claimed) -> Result<Vec<KvItem>, StoreError> {
        let fail = |error| from_kv(self.operation(), error).in_map(&self.map);
        let range = match &self.after {
            Some(key) => KeyRange::all().after(key),
            None => KeyRange::all(),
        };
        let rows = kv
            .scan(&claimed.keyspace, range, Direction::Forward)
            .map_err(fail)?;
        rows.take(CHUNK).collect::<Result<_, _>>().map_err(fail)
    }

    fn drops(&self, floors: Floors, key: &[u8], row: &[u8], now: Millis) -> Result<bool, StoreError> {
        let operation = self.operation();
        let record =
            row::key(operation, &self.map, key).and_then(|key| row::decode(operation, &self.map, &key, row));
        match (self.kind, record) {
            (SweepKind::Clear { up_to, .. }, Ok(record)) => Ok(record.version() <= up_to),
            (SweepKind::Purge { horizon }, Ok(record)) => Ok(floors.may_purge(&record, horizon, now)),
            (SweepKind::Clear { everything: true, .. }, Err(_)) => Ok(true),
            (_, Err(error)) => Err(error),
        }
    }

    fn operation(&self) -> &'static str {
        match self.kind {
            SweepKind::Clear { .. } => "clear",
            SweepKind::Purge { .. } => "purge",
        }
    }
}

/// Tells whether a reader may see a record; here because sweeps and readers must agree on it.
pub(crate) fn is_visible(record: &layerstore_record::Record, floors: Floors, now: Millis) -> bool {
    Held::is_visible(record, floors, now)
}
