//! Judging writes by the shared rules, within a transaction that holds what is stored still.

use std::collections::BTreeMap;

use layerstore_data_store::{Floors, Held, Verdict, judge, judge_restatement};
use layerstore_record::{Key, Millis, Version};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, PgTransaction, Row as _};

use crate::apply::Made;
use crate::batch::{Item, Kind};
use crate::claims::Claimed;
use crate::connections::{READ_COMMITTED, Reached};
use crate::convert::STORE;
use crate::row::{Row, millis};
use crate::store::Core;

/// How often a chunk is judged again because another writer of this store added a key in between.
const TRIES: usize = 32;

impl Core {
    /// Judges and writes; `None` when the epoch has passed to another writer.
    pub(crate) async fn judge_and_write(
        &self,
        connection: &mut PgConnection,
        claimed: &Claimed,
        (items, kind): (&[Item<'_>], Kind),
        reached: &Reached,
    ) -> Result<Option<Made>, sqlx::Error> {
        for _ in 0..TRIES {
            let mut transaction = connection.begin_with(READ_COMMITTED).await?;
            let Some(floors) = self.fence(&mut transaction, claimed).await? else {
                transaction.rollback().await?;
                return Ok(None);
            };
            let held = self.held(&mut transaction, claimed, items).await?;
            let judged = Judged::of((items, kind), held, floors, self.clock.now());
            if !judged.has_changes() {
                transaction.rollback().await?;
                return Ok(Some(judged.made));
            }
            if self.write_changes(&mut transaction, claimed, &judged).await? {
                reached.take_effect();
                transaction.commit().await?;
                return Ok(Some(judged.made));
            }
            transaction.rollback().await?;
        }
        Err(sqlx::Error::BeginFailed)
    }

    /// Locks the map's row against claims, clears and purges, and reads its floors.
    async fn fence(
        &self,
        transaction: &mut PgTransaction<'_>,
        claimed: &Claimed,
    ) -> Result<Option<Floors>, sqlx::Error> {
        let query = self
            .query(&self.statements.fence)
            .bind(claimed.id)
            .bind(claimed.epoch);
        let row = self
            .connections
            .within(query)
            .fetch_optional(&mut **transaction)
            .await?;
        let floors = |row: PgRow| {
            Ok(Floors {
                cleared: version(&row, 0)?,
                purged: version(&row, 1)?,
            })
        };
        row.map(floors).transpose()
    }

    /// Locks what is stored under these keys, in key order, and describes it.
    async fn held(
        &self,
        transaction: &mut PgTransaction<'_>,
        claimed: &Claimed,
        items: &[Item<'_>],
    ) -> Result<BTreeMap<Vec<u8>, Stored>, sqlx::Error> {
        let mut keys: Vec<&[u8]> = items.iter().map(|item| item.row.key.as_bytes()).collect();
        keys.dedup();
        let query = self.query(&self.statements.held).bind(claimed.id).bind(keys);
        let rows = self
            .connections
            .within(query)
            .fetch_all(&mut **transaction)
            .await?;
        let stored = |row: &PgRow| {
            let stored = Stored {
                version: version(row, 1)?,
                tombstone: row.try_get(2)?,
                ends_at: row.try_get(3)?,
            };
            Ok((row.try_get(0)?, stored))
        };
        rows.iter().map(stored).collect()
    }

    /// Writes what was found to be stored; says no if another writer of this store was first with one of the keys.
    async fn write_changes(
        &self,
        transaction: &mut PgTransaction<'_>,
        claimed: &Claimed,
        judged: &Judged<'_>,
    ) -> Result<bool, sqlx::Error> {
        let parts = [
            (&self.statements.update_held, true),
            (&self.statements.insert_absent, false),
        ];
        for (statement, was_held) in parts {
            let rows: Vec<&Row> = judged.changes(was_held).collect();
            if rows.is_empty() {
                continue;
            }
            let query = self.bind_rows(self.query(statement).bind(claimed.id), rows.iter().copied());
            let done = self.connections.within(query).execute(&mut **transaction).await?;
            if done.rows_affected() != rows.len() as u64 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What a row says of a stored record.
#[derive(Clone, Copy)]
struct Stored {
    version: Version,
    tombstone: bool,
    ends_at: Option<i64>,
}

/// The verdicts on a chunk, and what its keys are to hold.
struct Judged<'i> {
    made: Made,
    /// By key: whether something is stored under it now, and the row that is to be.
    changes: BTreeMap<&'i Key, (bool, &'i Row)>,
}

impl<'i> Judged<'i> {
    /// Judges writes in their order, each as if those before it had been made.
    fn of(
        (items, kind): (&'i [Item<'_>], Kind),
        stored: BTreeMap<Vec<u8>, Stored>,
        floors: Floors,
        now: Millis,
    ) -> Self {
        let mut judged = Self {
            made: Vec::with_capacity(items.len()),
            changes: BTreeMap::new(),
        };
        let mut staged: BTreeMap<&Key, Held> = BTreeMap::new();
        for item in items {
            let key = &item.row.key;
            let before = stored.get(key.as_bytes());
            let held = staged.get(key).copied().or(before.map(|stored| stored.held(now)));
            let version = item.write.version();
            let verdict = match kind {
                Kind::Write => judge(held, floors, version, item.write.expect),
                Kind::Restate => judge_restatement(held, floors, version),
            };
            if verdict == Verdict::Apply {
                staged.insert(key, Held::of(&item.write.record, now));
                judged.changes.insert(key, (before.is_some(), &item.row));
            }
            judged
                .made
                .push((item.place, verdict.into_result(item.write, STORE)));
        }
        judged
    }

    fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The rows to write, in key order, over stored ones or as new ones.
    fn changes(&self, over_stored: bool) -> impl Iterator<Item = &'i Row> {
        let wanted = self
            .changes
            .values()
            .filter(move |(was_held, _)| *was_held == over_stored);
        wanted.map(|(_, row)| *row)
    }
}

impl Stored {
    fn held(self, now: Millis) -> Held {
        let ended = self.ends_at.is_some_and(|end| end <= millis(now));
        Held {
            version: self.version,
            is_live: !self.tombstone && !ended,
        }
    }
}

fn version(row: &PgRow, number: usize) -> Result<Version, sqlx::Error> {
    let bytes: &[u8] = row.try_get(number)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| sqlx::Error::Decode("a version has not 16 bytes".into()))?;
    Ok(Version::from_bytes(bytes))
}
