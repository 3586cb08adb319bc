//! Making writes: in statements of many records, each of them a transaction that looks at the writer epoch.

use std::collections::{BTreeMap, BTreeSet};

use layerstore_data_store::{ErrorKind, StoreError, Write, WriteResult};
use layerstore_record::{MapName, Version};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use crate::attempts::Attempts;
use crate::batch::{Bounds, Chunk, Item, Kind, plan};
use crate::claims::Claimed;
use crate::connections::Reached;
use crate::convert::STORE;
use crate::row::Row;
use crate::store::Core;

pub(crate) const OPERATION: &str = "apply";

/// The answers of a call, in the order of its writes.
struct Answers(Vec<Option<WriteResult>>);

/// What became of a chunk.
pub(crate) type Made = Vec<(usize, WriteResult)>;

impl Core {
    /// Makes writes or restatements, and answers for each in the order given.
    pub(crate) async fn apply(&self, writes: &[Write], kind: Kind) -> Vec<WriteResult> {
        let mut answers = Answers(writes.iter().map(|_| None).collect());
        let mut maps: BTreeMap<&MapName, Vec<usize>> = BTreeMap::new();
        for (place, write) in writes.iter().enumerate() {
            maps.entry(&write.map).or_default().push(place);
        }
        let mut down = None;
        for (map, places) in maps {
            let items = answers.encode(self, writes, places);
            for chunk in plan(items, kind, self.bounds()) {
                self.make(map, chunk, kind, &mut answers, &mut down).await;
            }
        }
        let unanswered = |(place, answer): (usize, Option<WriteResult>)| {
            answer.unwrap_or_else(|| WriteResult::Rejected(untried(&writes[place], ErrorKind::Unavailable)))
        };
        answers.0.into_iter().enumerate().map(unanswered).collect()
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            records: self.batch_records,
            bytes: self.batch_bytes,
        }
    }

    /// Makes a chunk, unless the server is `down`: then the rest of the call need not wait for it as well.
    async fn make(
        &self,
        map: &MapName,
        chunk: Chunk<'_>,
        kind: Kind,
        answers: &mut Answers,
        down: &mut Option<ErrorKind>,
    ) {
        let (items, is_plain) = match chunk {
            Chunk::Plain(items) => (items, true),
            Chunk::Judged(items) => (items, false),
        };
        if let Some(kind) = *down {
            answers.fail(&items, |item| untried(item.write, kind));
            return;
        }
        let mut attempts = Attempts::new(OPERATION, self.attempts);
        let left = if is_plain {
            match self.write_plain(map, &items, &mut attempts).await {
                Ok(written) => answers.take(items, &written),
                Err(error) => return answers.fail_all(&items, &error, down),
            }
        } else {
            items
        };
        if left.is_empty() {
            return;
        }
        // A write that was made without an answer is found there by the next try, and judged like any other.
        let mut attempts = attempts.anew(self.attempts);
        match self.write_judged(map, (&left, kind), &mut attempts).await {
            Ok(made) => answers.fill(made),
            Err(error) => answers.fail_all(&left, &error, down),
        }
    }

    /// Writes what nothing stands against, in one statement.
    async fn write_plain(
        &self,
        map: &MapName,
        items: &[Item<'_>],
        attempts: &mut Attempts,
    ) -> Result<Written, StoreError> {
        loop {
            let claimed = self.claim_for(map, items, attempts).await?;
            let mut lease = self
                .connections
                .lease(OPERATION)
                .await
                .map_err(|error| attempts.known(error.in_map(map)))?;
            let reached = Reached::effect();
            let query = self.bind(
                self.query(&self.statements.write)
                    .bind(claimed.id)
                    .bind(claimed.epoch),
                items,
            );
            let query = query.bind(i64::try_from(items.len()).unwrap_or(i64::MAX));
            let answer = self
                .connections
                .in_time(async {
                    let rows = self.connections.alone(lease.connection()?, query).await?;
                    Written::read(&rows)
                })
                .await;
            match lease.settle(answer) {
                Ok(Some(written)) => return Ok(written),
                Ok(None) => self.claims.lost(map, claimed.epoch),
                Err(failure) => attempts
                    .failed(failure, &reached)
                    .map_err(|error| error.in_map(map))?,
            }
        }
    }

    /// Judges writes one after another, with what is stored held still.
    async fn write_judged(
        &self,
        map: &MapName,
        (items, kind): (&[Item<'_>], Kind),
        attempts: &mut Attempts,
    ) -> Result<Made, StoreError> {
        loop {
            let claimed = self.claim_for(map, items, attempts).await?;
            let mut lease = self
                .connections
                .lease(OPERATION)
                .await
                .map_err(|error| attempts.known(error.in_map(map)))?;
            let reached = Reached::nothing();
            let answer = self
                .connections
                .in_time(async {
                    self.judge_and_write(lease.connection()?, &claimed, (items, kind), &reached)
                        .await
                })
                .await;
            match lease.settle(answer) {
                Ok(Some(made)) => return Ok(made),
                Ok(None) => self.claims.lost(map, claimed.epoch),
                Err(failure) => attempts
                    .failed(failure, &reached)
                    .map_err(|error| error.in_map(map))?,
            }
        }
    }

    /// Returns the claim under which these may be written, with the mark above all of them.
    async fn claim_for(
        &self,
        map: &MapName,
        items: &[Item<'_>],
        attempts: &Attempts,
    ) -> Result<Claimed, StoreError> {
        let newest = items
            .iter()
            .map(|item| item.write.version())
            .max()
            .unwrap_or(Version::ZERO);
        loop {
            let claimed = self
                .claims
                .get(OPERATION, map)
                .map_err(|error| attempts.known(error))?;
            let stands = self.raise_high_water(map, &claimed, newest).await;
            if stands.map_err(|error| attempts.known(error.in_map(map)))? {
                return Ok(claimed);
            }
        }
    }

    /// Binds the rows, one array a column.
    pub(crate) fn bind<'q>(
        &self,
        query: Query<'q, Postgres, PgArguments>,
        items: &[Item<'_>],
    ) -> Query<'q, Postgres, PgArguments> {
        self.bind_rows(query, items.iter().map(|item| &item.row))
    }

    /// Does as [`bind`](Self::bind), for rows.
    pub(crate) fn bind_rows<'q, 'r>(
        &self,
        query: Query<'q, Postgres, PgArguments>,
        rows: impl Iterator<Item = &'r Row> + Clone,
    ) -> Query<'q, Postgres, PgArguments> {
        let query = query
            .bind(rows.clone().map(|row| row.key.as_bytes()).collect::<Vec<_>>())
            .bind(rows.clone().map(|row| &row.version[..]).collect::<Vec<_>>())
            .bind(rows.clone().map(|row| row.ends_at).collect::<Vec<_>>())
            .bind(rows.clone().map(|row| row.tombstone).collect::<Vec<_>>())
            .bind(rows.clone().map(|row| row.created_at).collect::<Vec<_>>())
            .bind(rows.clone().map(|row| row.updated_at).collect::<Vec<_>>())
            .bind(rows.clone().map(|row| &row.body[..]).collect::<Vec<_>>());
        if self.writes_json {
            return query.bind(rows.map(|row| row.value.as_deref()).collect::<Vec<_>>());
        }
        query
    }
}

/// Which of a chunk were written.
enum Written {
    All,
    Some(BTreeSet<Vec<u8>>),
}

impl Written {
    /// Reads the answer; `None` when the epoch has passed to another writer.
    fn read(rows: &[PgRow]) -> Result<Option<Self>, sqlx::Error> {
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (fence, written): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if fence == 0 {
            return Ok(None);
        }
        let keys: Option<Vec<Vec<u8>>> = row.try_get(2)?;
        Ok(Some(match keys {
            Some(keys) => Self::Some(keys.into_iter().collect()),
            None if written == 0 => Self::Some(BTreeSet::new()),
            None => Self::All,
        }))
    }

    fn has(&self, row: &Row) -> bool {
        match self {
            Self::All => true,
            Self::Some(keys) => keys.contains(row.key.as_bytes()),
        }
    }
}

impl Answers {
    /// Turns writes into rows; what cannot be stored is answered.
    fn encode<'w>(&mut self, core: &Core, writes: &'w [Write], places: Vec<usize>) -> Vec<Item<'w>> {
        let mut items = Vec::with_capacity(places.len());
        for place in places {
            let Some(write) = writes.get(place) else { continue };
            match Row::of(write, core.format) {
                Ok(row) => items.push(Item { place, write, row }),
                Err(error) => self.set(place, WriteResult::Rejected(error)),
            }
        }
        items
    }

    /// Takes note of what was written, and returns the rest.
    fn take<'w>(&mut self, items: Vec<Item<'w>>, written: &Written) -> Vec<Item<'w>> {
        let (made, left): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| written.has(&item.row));
        for item in made {
            self.set(item.place, WriteResult::Applied);
        }
        left
    }

    fn fill(&mut self, made: Made) {
        for (place, answer) in made {
            self.set(place, answer);
        }
    }

    fn fail_all(&mut self, items: &[Item<'_>], error: &StoreError, down: &mut Option<ErrorKind>) {
        if error.is_retryable() || error.kind() == ErrorKind::Closed {
            *down = Some(error.kind());
        }
        self.fail(items, |item| {
            error.clone().in_map(&item.write.map).at_key(&item.write.key)
        });
    }

    fn fail(&mut self, items: &[Item<'_>], error: impl Fn(&Item<'_>) -> StoreError) {
        for item in items {
            self.set(item.place, WriteResult::Rejected(error(item)));
        }
    }

    fn set(&mut self, place: usize, answer: WriteResult) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(answer);
        }
    }
}

/// Says of a write that it was not tried, because the server failed an earlier part of the call.
fn untried(write: &Write, kind: ErrorKind) -> StoreError {
    let what = "not tried: an earlier part of the batch found the server failing";
    StoreError::new(kind, STORE, OPERATION, what)
        .in_map(&write.map)
        .at_key(&write.key)
}
