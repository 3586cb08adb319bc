//! Making writes: in statements of many records, each of them a transaction that looks at the writer epoch.

use std::collections::BTreeMap;

use layerstore_data_store::{ErrorKind, StoreError, Write, WriteResult};
use layerstore_record::{MapName, Version};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgBindIterExt as _};
use sqlx::query::Query;

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
        if is_plain {
            match self.write_plain(map, &items, &mut attempts).await {
                Ok(Written::All) => return answers.applied(&items),
                Ok(Written::NotAll) => {}
                Err(error) => return answers.fail_all(&items, &error, down),
            }
        }
        // A write that was made without an answer is found there by the next try, and judged like any other.
        let mut attempts = attempts.anew(self.attempts);
        match self.write_judged(map, (&items, kind), &mut attempts).await {
            Ok(made) => answers.fill(made),
            Err(error) => answers.fail_all(&items, &error, down),
        }
    }

    /// Writes what nothing stands against, in one statement. Where the epoch has passed to another writer, that is nothing.
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
            let answer = self
                .connections
                .in_time(async { self.connections.alone(lease.connection()?, query, |_| {}).await })
                .await;
            match lease.settle(answer) {
                Ok(made) => return Ok(Written::of(made, items.len(), attempts)),
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
        let ends_at = |row: &Row| row.ends_at;
        let tombstone = |row: &Row| row.tombstone.then_some(true);
        let created_at = |row: &Row| (row.created_at != row.updated_at).then_some(row.created_at);
        let query = query
            .bind(rows.clone().map(|row| row.key.as_bytes()).bind_iter())
            .bind(rows.clone().map(|row| &row.version[..]).bind_iter())
            .bind(unless_none(rows.clone().map(ends_at)).bind_iter())
            .bind(unless_none(rows.clone().map(tombstone)).bind_iter())
            .bind(unless_none(rows.clone().map(created_at)).bind_iter())
            .bind(rows.clone().map(|row| row.updated_at).bind_iter())
            .bind(rows.clone().map(|row| &row.body[..]).bind_iter());
        if self.writes_json {
            return query.bind(rows.map(|row| row.value.as_deref()).bind_iter());
        }
        query
    }
}

/// A column, or nothing at all where nothing is in it: see [`COLUMNS`](crate::statements).
fn unless_none<T>(column: impl Iterator<Item = Option<T>> + Clone) -> impl Iterator<Item = Option<T>> {
    let rows = if column.clone().any(|value| value.is_some()) {
        usize::MAX
    } else {
        0
    };
    column.take(rows)
}

/// How much of a chunk was written.
enum Written {
    All,
    /// Which, is for the judge to see.
    NotAll,
}

impl Written {
    fn of(made: u64, asked: usize, attempts: &mut Attempts) -> Self {
        if made == asked as u64 {
            return Self::All;
        }
        if made > 0 {
            attempts.made_some();
        }
        Self::NotAll
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

    fn applied(&mut self, items: &[Item<'_>]) {
        for item in items {
            self.set(item.place, WriteResult::Applied);
        }
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
