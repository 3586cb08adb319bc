//! The table of customers: its statements, and what of a record is in its columns. `TableDataStore` does the rest.

use async_trait::async_trait;
use layerstore_data_store::{ErrorKind, KeyRange, RecordColumns, RecordTable, TableFault, WriterColumns};
use layerstore_record::{Key, MapName, Record};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{PgTransaction, Row as _};

/// The value of a record: what the service kept, and keeps.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) email: String,
    pub(crate) plan: String,
}

/// Keeps the records of one map, `customers`, in the table of that name.
pub(crate) struct Customers(pub(crate) PgPool);

/// Has the table to itself: it locks the one line of `customers_writer`.
type Turn = PgTransaction<'static>;
type Found = sqlx::Result<Vec<(Key, Record)>>;

#[async_trait]
impl RecordTable for Customers {
    const NAME: &'static str = "customers";
    const HOLDS_NUL: bool = false; // PostgreSQL takes none in text.
    type Columns = (Customer, RecordColumns);
    type Transaction = Turn;
    type Error = sqlx::Error;

    fn columns(&self, _: &Key, record: &Record) -> Result<(Customer, RecordColumns), TableFault> {
        RecordColumns::split(record)
    }

    fn fault(&self, error: &sqlx::Error) -> TableFault {
        match error {
            sqlx::Error::Database(error) => TableFault::of_sqlstate(&error.code().unwrap_or_default()),
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => TableFault::CHANGED_BY_HAND,
            _ => TableFault::new(ErrorKind::Unavailable, "no connection was free, or it failed"),
        }
    }

    async fn load(&self, turn: Option<&mut Turn>, _: &MapName, keys: &[Key]) -> Found {
        let keys: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let found = "SELECT id, email, plan, version, written, removed, ends_at, created_at, updated_at \
            FROM customers WHERE id = ANY($1)";
        let rows = match turn {
            Some(turn) => sqlx::query(found).bind(keys).fetch_all(&mut **turn).await?,
            None => sqlx::query(found).bind(keys).fetch_all(&self.0).await?,
        };
        rows.iter().map(record).collect()
    }

    async fn scan(&self, _: &MapName, range: KeyRange<'_>) -> Found {
        let page = "SELECT id, email, plan, version, written, removed, ends_at, created_at, updated_at \
            FROM customers WHERE id >= $1 AND ($2 IS NULL OR id <= $2) ORDER BY id LIMIT $3";
        let page = sqlx::query(page).bind(range.first).bind(range.last);
        let rows = page.bind(i64::from(range.limit)).fetch_all(&self.0).await?;
        rows.iter().map(record).collect()
    }

    async fn begin(&self, _: &MapName) -> sqlx::Result<(Turn, WriterColumns)> {
        let mut turn = self.0.begin().await?;
        let lock = "SELECT epoch, high_water, cleared, purged FROM customers_writer FOR UPDATE";
        let writer: (_, _, _, _) = sqlx::query_as(lock).fetch_one(&mut *turn).await?;
        Ok((turn, WriterColumns::from(writer)))
    }

    async fn put(&self, turn: &mut Turn, key: &Key, (customer, columns): Self::Columns) -> sqlx::Result<()> {
        let upsert = "INSERT INTO customers (id, email, plan, version, written, removed, ends_at, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET (email, plan, version, \
            written, removed, ends_at, created_at, updated_at) = ($2, $3, $4, $5, $6, $7, $8, $9)";
        let upsert = sqlx::query(upsert).bind(key.as_str());
        let upsert = upsert.bind(customer.email).bind(customer.plan);
        let upsert = upsert.bind(columns.version).bind(columns.written);
        let upsert = upsert.bind(columns.removed).bind(columns.ends_at);
        let upsert = upsert.bind(columns.created_at).bind(columns.updated_at);
        upsert.execute(&mut **turn).await.map(drop)
    }

    async fn delete(&self, turn: &mut Turn, up_to: [u8; 16], ended_at: Option<i64>) -> sqlx::Result<u64> {
        let rows = "DELETE FROM customers WHERE version <= $1 AND ($2 IS NULL OR removed OR ends_at <= $2)";
        let rows = sqlx::query(rows).bind(up_to).bind(ended_at);
        Ok(rows.execute(&mut **turn).await?.rows_affected())
    }

    async fn commit(&self, mut turn: Turn, writer: WriterColumns) -> sqlx::Result<()> {
        let update = "UPDATE customers_writer SET (epoch, high_water, cleared, purged) = ($1, $2, $3, $4)";
        let update = sqlx::query(update).bind(writer.epoch).bind(writer.high_water);
        let update = update.bind(writer.cleared).bind(writer.purged);
        update.execute(&mut *turn).await?;
        turn.commit().await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

fn record(row: &PgRow) -> sqlx::Result<(Key, Record)> {
    let customer = Customer {
        email: row.try_get("email")?,
        plan: row.try_get("plan")?,
    };
    let columns = RecordColumns {
        version: row.try_get("version")?,
        written: row.try_get("written")?,
        removed: row.try_get("removed")?,
        ends_at: row.try_get("ends_at")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    let record = columns.join(row.try_get("id")?, &customer);
    record.map_err(|error| sqlx::Error::Decode(error.into()))
}
