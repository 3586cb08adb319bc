//! A turn at writing: a transaction that has the map to itself. So looking at a row and writing it are one step (D1), and whoever
//! writes after another process's claim is told so (D8).

use layerstore_data_store::{Floors, Held, StoreError, Verdict, Write, judge};
use layerstore_record::{Millis, Version};
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{PgTransaction, Postgres, Row as _};

use super::customer::{Customer, column, version};
use super::errors::At;

pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

pub(crate) struct Turn {
    transaction: PgTransaction<'static>,
    operation: &'static str,
    /// The epoch of the last claim.
    pub(crate) epoch: i64,
    pub(crate) floors: Floors,
    pub(crate) high_water: Version,
}

impl Turn {
    pub(crate) async fn take(pool: &PgPool, operation: &'static str) -> Result<Self, StoreError> {
        let mut transaction = pool.begin().await.at(operation)?;
        let writer = "SELECT epoch, cleared, purged, high_water FROM customers_writer FOR UPDATE";
        let row = sqlx::query(writer).fetch_one(&mut *transaction).await;
        let row = row.at(operation)?;
        let (cleared, purged) = (version(&row, 1).at(operation)?, version(&row, 2).at(operation)?);
        Ok(Self {
            transaction,
            operation,
            epoch: row.try_get(0).at(operation)?,
            floors: Floors { cleared, purged },
            high_water: version(&row, 3).at(operation)?,
        })
    }

    /// Judges a write by the rule book that every store follows (D1, D2, D5), and does what it says.
    pub(crate) async fn write(
        &mut self,
        write: &Write,
        customer: Customer,
        now: Millis,
    ) -> Result<Verdict, StoreError> {
        let key = write.key.as_str();
        let stored = sqlx::query("SELECT version, removed, ends_at FROM customers WHERE id = $1");
        let stored = stored.bind(key).fetch_optional(&mut *self.transaction).await;
        let held = stored.and_then(|row| row.map(|row| held(&row, now)).transpose());
        let verdict = judge(
            held.at(self.operation)?,
            self.floors,
            write.version(),
            write.expect,
        );
        if verdict.is_apply() {
            let record = &write.record;
            let upsert = sqlx::query(
                "INSERT INTO customers (id, email, plan, version, written, removed, ends_at, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET email = $2, plan = $3, \
                 version = $4, written = $5, removed = $6, ends_at = $7, created_at = $8, updated_at = $9",
            );
            let upsert = upsert
                .bind(key.to_owned())
                .bind(customer.email)
                .bind(customer.plan)
                .bind(record.version().to_bytes())
                .bind(record.value().timestamp().to_bytes())
                .bind(record.is_tombstone())
                .bind(record.expiry().deadline.map(column))
                .bind(column(record.created()))
                .bind(column(record.updated()));
            self.run(upsert).await?;
            self.high_water = self.high_water.max(write.version());
        }
        Ok(verdict)
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = statement.execute(&mut *self.transaction).await;
        Ok(done.at(self.operation)?.rows_affected())
    }

    /// Commits, with epoch, floors and mark as they are now. A commit whose answer is lost may have been made (D6).
    pub(crate) async fn end(mut self) -> Result<(), StoreError> {
        let writer =
            sqlx::query("UPDATE customers_writer SET epoch = $1, cleared = $2, purged = $3, high_water = $4")
                .bind(self.epoch)
                .bind(self.floors.cleared.to_bytes())
                .bind(self.floors.purged.to_bytes())
                .bind(self.high_water.to_bytes());
        self.run(writer).await?;
        let committed = self.transaction.commit().await.at(self.operation);
        committed.map_err(StoreError::with_unknown_outcome)
    }
}

fn held(row: &PgRow, now: Millis) -> Result<Held, sqlx::Error> {
    let (removed, ends_at): (bool, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Held {
        version: version(row, 0)?,
        is_live: !removed && ends_at.is_none_or(|end| end > column(now)),
    })
}
