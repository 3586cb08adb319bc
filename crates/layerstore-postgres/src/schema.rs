//! The tables: made and changed in numbered steps, by whichever process comes first.

use layerstore_data_store::{ErrorKind, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use crate::builder::{Migrations, Settings, ValueFormat};
use crate::connections::{Connections, READ_COMMITTED};
use crate::convert::STORE;
use crate::statements::in_schema;

/// Every step, in order; step `n` makes version `n + 1`. Released ones are never edited.
const STEPS: [&str; 1] = [include_str!("../migrations/0001_records.sql")];

/// The oldest server that is known to do.
const OLDEST_SERVER: i32 = 120_000;

const OPERATION: &str = "connect";

/// What is found on the server.
struct Found {
    server: i32,
    encoding: String,
    /// What the server does at commit, where it tells.
    synchronous_commit: Option<String>,
    fsync: Option<String>,
}

/// Looks at the server, and brings the tables to the newest version.
pub(crate) async fn prepare(connections: &Connections, settings: &Settings) -> Result<(), StoreError> {
    let mut lease = connections.lease(OPERATION).await?;
    let done = connections
        .in_time(async { prepare_on(lease.connection()?, settings).await })
        .await;
    // What was undone may be tried again; what was committed is found done.
    lease
        .settle(done)
        .map_err(|failure| failure.into_error(OPERATION))?
}

async fn prepare_on(
    connection: &mut PgConnection,
    settings: &Settings,
) -> Result<Result<(), StoreError>, sqlx::Error> {
    // One transaction from the first look on: a pooler gives it one server connection. Whatever the database's default,
    // what others commit is to be seen behind the lock.
    let mut transaction = connection.begin_with(READ_COMMITTED).await?;
    let found = Found::look(&mut transaction).await?;
    if let Err(error) = found.check(settings) {
        return Ok(Err(error));
    }
    found.warn(&settings.address);
    let mut version = version(&mut transaction, &settings.schema).await?;
    if version < newest() && settings.migrations == Migrations::Run {
        // Whoever waited here looks again behind the lock, and finds the work done. The lock ends with the transaction.
        lock(&mut transaction, &settings.schema).await?;
        version = migrate(&mut transaction, &settings.schema).await?;
    }
    transaction.commit().await?;
    Ok(check_version(version, &settings.schema))
}

impl Found {
    async fn look(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let text = "SELECT current_setting('server_version_num'), current_setting('server_encoding', true), \
                    current_setting('synchronous_commit', true), current_setting('fsync', true)";
        let row = sqlx::query(text).persistent(false).fetch_one(connection).await?;
        let server: String = row.try_get(0)?;
        let encoding: Option<String> = row.try_get(1)?;
        Ok(Self {
            server: server.parse().unwrap_or_default(),
            encoding: encoding.unwrap_or_else(|| "UTF8".to_owned()),
            synchronous_commit: row.try_get(2)?,
            fsync: row.try_get(3)?,
        })
    }

    fn check(&self, settings: &Settings) -> Result<(), StoreError> {
        let refuse = |what: String| Err(StoreError::new(ErrorKind::Rejected, STORE, OPERATION, what));
        if self.server < OLDEST_SERVER {
            return refuse(format!(
                "the server has version {}: PostgreSQL 12 is the oldest that will do",
                self.server
            ));
        }
        if settings.value_format == ValueFormat::Jsonb && self.encoding != "UTF8" {
            return refuse(format!(
                "jsonb holds any text in a database of encoding UTF8 alone, this one has {}: use the format bytes",
                self.encoding
            ));
        }
        Ok(())
    }

    /// Tells of settings under which the server loses what it has acknowledged.
    fn warn(&self, address: &str) {
        for (name, value) in [
            ("synchronous_commit", &self.synchronous_commit),
            ("fsync", &self.fsync),
        ] {
            if value.as_deref() == Some("off") {
                tracing::warn!(
                    store = STORE,
                    address,
                    "{name} is off: a crash of the server loses acknowledged writes"
                );
            }
        }
    }
}

fn newest() -> i32 {
    i32::try_from(STEPS.len()).unwrap_or(i32::MAX)
}

/// Reads the version of the tables; 0 where there are none.
async fn version(connection: &mut PgConnection, schema: &str) -> Result<i32, sqlx::Error> {
    let text = "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'migrations'";
    let row = sqlx::query(text)
        .persistent(false)
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?;
    if row.try_get::<i64, _>(0)? == 0 {
        return Ok(0);
    }
    let text = in_schema("SELECT max(version) FROM {schema}.migrations", schema);
    let row = sqlx::query(AssertSqlSafe(text))
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(row.try_get::<Option<i32>, _>(0)?.unwrap_or_default())
}

/// Takes the lock of whoever migrates this schema, until the transaction ends.
async fn lock(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .persistent(false)
        .bind(lock_number(schema));
    query.execute(connection).await.map(drop)
}

/// FNV-1a of a name that is ours and the schema's: any number will do that every process works out alike.
fn lock_number(schema: &str) -> i64 {
    let name = "layerstore migrations of ".bytes().chain(schema.bytes());
    let hash = name.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// Makes what is missing, behind the lock; returns the version that is there then.
async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<i32, sqlx::Error> {
    let mut at = version(connection, schema).await?;
    if at == 0 {
        begin(connection, schema).await?;
    }
    for step in STEPS.iter().skip(usize::try_from(at).unwrap_or(usize::MAX)) {
        sqlx::raw_sql(AssertSqlSafe(in_schema(step, schema)))
            .execute(&mut *connection)
            .await?;
        at += 1;
        let text = in_schema("INSERT INTO {schema}.migrations (version) VALUES ($1)", schema);
        sqlx::query(AssertSqlSafe(text))
            .persistent(false)
            .bind(at)
            .execute(&mut *connection)
            .await?;
        tracing::info!(
            store = STORE,
            schema,
            version = at,
            "tables were brought to a new version"
        );
    }
    Ok(at)
}

/// Makes the schema, where it is missing and we may, and the table that says which version there is.
async fn begin(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    // IF NOT EXISTS asks for the right to create one even where there is one.
    let text = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = $1";
    let row = sqlx::query(text)
        .persistent(false)
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?;
    if row.try_get::<i64, _>(0)? == 0 {
        let text = in_schema("CREATE SCHEMA {schema}", schema);
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut *connection)
            .await?;
    }
    let text = in_schema(
        "CREATE TABLE {schema}.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
        schema,
    );
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
}

fn check_version(version: i32, schema: &str) -> Result<(), StoreError> {
    let newest = newest();
    if version > newest {
        let what = format!(
            "the tables in schema {schema} have version {version}, this software knows {newest}: use the newer one"
        );
        return Err(StoreError::new(ErrorKind::UnknownFormat, STORE, OPERATION, what));
    }
    if version < newest {
        let what = format!(
            "the tables in schema {schema} have version {version}, {newest} is needed: open the store once with migrations, as a user who may"
        );
        return Err(StoreError::new(ErrorKind::Rejected, STORE, OPERATION, what));
    }
    Ok(())
}
