//! How a store reaches its database, and how it uses it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_record::{Clock, SystemClock};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::address;
use crate::convert::STORE;
use crate::store::PostgresDataStore;

/// Connections at most, by default: enough to keep a few cores of the server busy, few enough for several processes to
/// share the 100 connections that a server allows by default.
pub const DEFAULT_POOL_SIZE: usize = 8;

/// How long a call waits for a connection, by default: longer than a server takes to restart.
pub const DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long opening one connection may take, by default: several round trips around the world, and a login.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement or transaction may take, by default: longer than a batch on a busy server.
pub const DEFAULT_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a call is tried when its connection is lost or the server asks for it, by default.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// Records that one statement writes at most, by default: where the rate levels off.
pub const DEFAULT_BATCH_RECORDS: usize = 1_000;

/// Bytes of records that one statement writes, by default 8 MiB: bounds what a batch takes in memory on either side.
pub const DEFAULT_BATCH_BYTES: usize = 8 << 20;

/// The database schema that holds the tables, by default.
pub const DEFAULT_SCHEMA: &str = "layerstore";

/// How the server's `pg_stat_activity` shows us, by default.
pub const DEFAULT_APPLICATION_NAME: &str = "layerstore";

/// Prepared statements that a connection keeps, by default: more than there are.
pub const DEFAULT_STATEMENT_CACHE: usize = 64;

/// The longest name of a PostgreSQL schema, in bytes.
const MAX_SCHEMA_BYTES: usize = 63;

/// How values lie in the database. A store reads both, whichever it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueFormat {
    /// In the record's envelope: compact, checksummed, opaque to SQL.
    #[default]
    Bytes,
    /// As `jsonb` beside the envelope, where JSON holds a last-writer-wins value exactly: readable and indexable in SQL.
    /// What JSON does not hold (bytes, NUL characters, NaN, negative zero) stays in the envelope.
    Jsonb,
}

/// Whether connections are encrypted, and what of the server's certificate is checked: as `sslmode` of libpq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server can; nothing is checked.
    Prefer,
    /// Always; checked as by `VerifyCa` if a root certificate is given, otherwise not.
    Require,
    /// Always, with a certificate from an authority that is trusted.
    VerifyCa,
    /// Always, with such a certificate for this host.
    VerifyFull,
}

/// Who makes and changes the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migrations {
    /// Opening the store does, if need be; several processes may try at once.
    #[default]
    Run,
    /// Somebody else does: opening fails while something is missing. For users who may not change tables.
    Require,
}

/// Collects how to open a [`PostgresDataStore`]. Setters cannot fail; [`connect`](Self::connect) checks everything.
#[derive(Clone)]
#[must_use]
pub struct PostgresBuilder {
    url: String,
    schema: String,
    value_format: ValueFormat,
    migrations: Migrations,
    pool_size: usize,
    acquire_timeout: Duration,
    connect_timeout: Duration,
    statement_timeout: Duration,
    attempts: u32,
    batch_records: usize,
    batch_bytes: usize,
    statement_cache: usize,
    application_name: Option<String>,
    tls: Option<TlsMode>,
    tls_root: Option<PathBuf>,
    clock: Arc<dyn Clock>,
}

/// What a builder comes to, once it is checked.
pub(crate) struct Settings {
    /// Holds the password: never shown.
    pub(crate) options: PgConnectOptions,
    pub(crate) address: String,
    pub(crate) schema: String,
    pub(crate) value_format: ValueFormat,
    pub(crate) migrations: Migrations,
    pub(crate) pool_size: usize,
    pub(crate) acquire_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
    /// Whether statements are prepared once a connection. If not, each runs in a transaction of its own, which a
    /// transaction-mode pooler gives one server connection.
    pub(crate) prepares: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl PostgresBuilder {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: DEFAULT_SCHEMA.to_owned(),
            value_format: ValueFormat::default(),
            migrations: Migrations::default(),
            pool_size: DEFAULT_POOL_SIZE,
            acquire_timeout: DEFAULT_ACQUIRE_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            statement_timeout: DEFAULT_STATEMENT_TIMEOUT,
            attempts: DEFAULT_ATTEMPTS,
            batch_records: DEFAULT_BATCH_RECORDS,
            batch_bytes: DEFAULT_BATCH_BYTES,
            statement_cache: DEFAULT_STATEMENT_CACHE,
            application_name: None,
            tls: None,
            tls_root: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the database schema of the tables, which should hold nothing else (default [`DEFAULT_SCHEMA`]).
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Sets how values are written (default [`ValueFormat::Bytes`]). May change between opens.
    pub fn value_format(mut self, format: ValueFormat) -> Self {
        self.value_format = format;
        self
    }

    /// Sets who makes the tables (default [`Migrations::Run`]).
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations = migrations;
        self
    }

    /// Sets how many connections are open at most (default [`DEFAULT_POOL_SIZE`]).
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// Sets how long a call waits for a connection, opened anew or given back (default [`DEFAULT_ACQUIRE_TIMEOUT`]).
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Sets how long opening one connection may take (default [`DEFAULT_CONNECT_TIMEOUT`]).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a statement or transaction may take, as seen from here (default [`DEFAULT_STATEMENT_TIMEOUT`]).
    ///
    /// The connection is closed then, which the server notices when it next writes to it. To have it stop by itself as
    /// well, add `?options[statement_timeout]=30s` to the URL, if no pooler stands between.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Sets how often a call is tried in all when its connection is lost or the server asks for another try (default
    /// [`DEFAULT_ATTEMPTS`]). A call ends within this number times the sum of acquire and statement timeout.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets how many records one statement writes at most (default [`DEFAULT_BATCH_RECORDS`]).
    pub fn batch_records(mut self, records: usize) -> Self {
        self.batch_records = records;
        self
    }

    /// Sets how many bytes of records one statement writes; a larger record goes alone (default [`DEFAULT_BATCH_BYTES`]).
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets how many prepared statements a connection keeps (default [`DEFAULT_STATEMENT_CACHE`]).
    ///
    /// With 0 none is kept and every call runs in a transaction of its own: for poolers in transaction mode that do not
    /// know prepared statements (PgBouncer before 1.21, or with `max_prepared_statements = 0`). Costs two or three round trips a call.
    pub fn statement_cache(mut self, statements: usize) -> Self {
        self.statement_cache = statements;
        self
    }

    /// Sets how the server shows the connections (default [`DEFAULT_APPLICATION_NAME`], or what the URL says).
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = Some(name.into());
        self
    }

    /// Sets whether connections are encrypted (default: what the URL says in `sslmode`, otherwise [`TlsMode::Prefer`]).
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.tls = Some(mode);
        self
    }

    /// Sets the file with the certificates of the authorities to trust, instead of those of the system.
    pub fn tls_root_certificate(mut self, path: impl AsRef<Path>) -> Self {
        self.tls_root = Some(path.as_ref().to_path_buf());
        self
    }

    /// Sets the clock that decides what has expired (default: the system's).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything, connects, and makes or changes the tables if need be.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for a setting that cannot be; [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] when the
    /// server cannot be reached; [`ErrorKind::Forbidden`] when it refuses the user; [`ErrorKind::UnknownFormat`] when a
    /// newer version of this software made the tables.
    pub async fn connect(self) -> Result<PostgresDataStore, StoreError> {
        PostgresDataStore::open(self.settings()?).await
    }

    fn settings(self) -> Result<Settings, StoreError> {
        let refuse = |what: String| StoreError::new(ErrorKind::Rejected, STORE, "connect", what);
        let address = address::read(&self.url).map_err(refuse)?;
        check_schema(&self.schema).map_err(refuse)?;
        let least_one = [
            ("pool_size", self.pool_size),
            ("batch_records", self.batch_records),
            ("batch_bytes", self.batch_bytes),
            ("attempts", usize::try_from(self.attempts).unwrap_or(usize::MAX)),
        ];
        if let Some((name, _)) = least_one.iter().find(|(_, number)| *number == 0) {
            return Err(refuse(format!("{name} is 0: it must be at least 1")));
        }
        let timeouts = [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("statement_timeout", self.statement_timeout),
        ];
        if let Some((name, _)) = timeouts.iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(refuse(format!("{name} is 0: nothing can be done in no time")));
        }
        let has_root = address.names_root || self.tls_root.is_some();
        let options = self.options(address.options, has_root);
        Ok(Settings {
            options,
            address: address.shown,
            schema: self.schema,
            value_format: self.value_format,
            migrations: self.migrations,
            pool_size: self.pool_size,
            acquire_timeout: self.acquire_timeout,
            connect_timeout: self.connect_timeout,
            statement_timeout: self.statement_timeout,
            attempts: self.attempts,
            batch_records: self.batch_records,
            batch_bytes: self.batch_bytes,
            prepares: self.statement_cache > 0,
            clock: self.clock,
        })
    }

    fn options(&self, mut options: PgConnectOptions, has_root: bool) -> PgConnectOptions {
        if self.application_name.is_some() || options.get_application_name().is_none() {
            let name = self
                .application_name
                .as_deref()
                .unwrap_or(DEFAULT_APPLICATION_NAME);
            options = options.application_name(name);
        }
        if let Some(mode) = self.tls {
            options = options.ssl_mode(mode.of_driver());
        }
        // libpq checks a certificate where it was told whom to trust; the driver does not, whatever its documentation says.
        if has_root && matches!(options.get_ssl_mode(), PgSslMode::Require) {
            options = options.ssl_mode(PgSslMode::VerifyCa);
        }
        if let Some(path) = &self.tls_root {
            options = options.ssl_root_cert(path);
        }
        // No floats are read as text, and a pooler would have to be told to let this parameter pass.
        options
            .extra_float_digits(None)
            .statement_cache_capacity(self.statement_cache)
            .disable_statement_logging()
    }
}

impl TlsMode {
    fn of_driver(self) -> PgSslMode {
        match self {
            Self::Disable => PgSslMode::Disable,
            Self::Prefer => PgSslMode::Prefer,
            Self::Require => PgSslMode::Require,
            Self::VerifyCa => PgSslMode::VerifyCa,
            Self::VerifyFull => PgSslMode::VerifyFull,
        }
    }
}

impl fmt::Debug for PostgresBuilder {
    /// Leaves out the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("schema", &self.schema)
            .field("value_format", &self.value_format)
            .field("migrations", &self.migrations)
            .field("pool_size", &self.pool_size)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("attempts", &self.attempts)
            .field("batch_records", &self.batch_records)
            .field("batch_bytes", &self.batch_bytes)
            .field("statement_cache", &self.statement_cache)
            .field("application_name", &self.application_name)
            .field("tls", &self.tls)
            .field("tls_root", &self.tls_root)
            .finish_non_exhaustive()
    }
}

/// The name becomes a part of SQL text: plain names only.
fn check_schema(name: &str) -> Result<(), String> {
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if is_plain && starts && name.len() <= MAX_SCHEMA_BYTES {
        return Ok(());
    }
    Err(format!(
        "the schema {name:?} is no plain name: use 1 to {MAX_SCHEMA_BYTES} of a-z, A-Z, 0-9 and _, not beginning with a digit"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> PostgresBuilder {
        PostgresBuilder::new("postgres://ann:hunter2@db/shop")
    }

    #[test]
    fn settings_that_cannot_be_are_refused_by_name() {
        let wrong = [
            ("pool_size", builder().pool_size(0)),
            ("batch_records", builder().batch_records(0)),
            ("batch_bytes", builder().batch_bytes(0)),
            ("attempts", builder().attempts(0)),
            ("acquire_timeout", builder().acquire_timeout(Duration::ZERO)),
            ("connect_timeout", builder().connect_timeout(Duration::ZERO)),
            ("statement_timeout", builder().statement_timeout(Duration::ZERO)),
            ("schema", builder().schema("")),
            ("schema", builder().schema("a\"; DROP TABLE users; --")),
            ("schema", builder().schema("1st")),
            ("schema", builder().schema("s".repeat(64))),
        ];
        for (name, builder) in wrong {
            let error = builder.settings().err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(builder().schema("Team_1").settings().is_ok());
    }

    #[test]
    fn whoever_names_an_authority_wants_it_asked() {
        let checks = |builder: PostgresBuilder| {
            let mode = builder.settings().unwrap().options.get_ssl_mode();
            matches!(mode, PgSslMode::VerifyCa)
        };
        assert!(checks(
            builder().tls(TlsMode::Require).tls_root_certificate("ca.pem")
        ));
        assert!(checks(PostgresBuilder::new(
            "postgres://db/shop?sslmode=require&sslrootcert=ca.pem"
        )));
        assert!(!checks(PostgresBuilder::new(
            "postgres://db/shop?sslmode=prefer&sslrootcert=ca.pem"
        )));
        assert!(!checks(
            builder().tls(TlsMode::Prefer).tls_root_certificate("ca.pem")
        ));
    }

    #[test]
    fn a_builder_is_shown_without_its_url() {
        assert!(!format!("{:?}", builder()).contains("hunter2"));
    }

    #[test]
    fn the_url_names_the_application_unless_told_otherwise() {
        let name = |builder: PostgresBuilder| {
            builder
                .settings()
                .unwrap()
                .options
                .get_application_name()
                .map(str::to_owned)
        };
        assert_eq!(name(builder()).as_deref(), Some(DEFAULT_APPLICATION_NAME));
        let from_url = PostgresBuilder::new("postgres://db/shop?application_name=till");
        assert_eq!(name(from_url.clone()).as_deref(), Some("till"));
        assert_eq!(name(from_url.application_name("cart")).as_deref(), Some("cart"));
    }
}
