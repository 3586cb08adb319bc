//! The store: what callers see, and what all calls share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, Write, WriteResult,
};
use layerstore_record::codec::MAX_RECORD_BYTES;
use layerstore_record::{Clock, Key, MapName, Record, Version};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tracing::Instrument;

use crate::attempts::Attempts;
use crate::batch::Kind;
use crate::builder::{PostgresBuilder, Settings, ValueFormat};
use crate::claims::Claims;
use crate::connections::{Connections, Reached};
use crate::convert::{STORE, closed};
use crate::schema;
use crate::statements::Statements;

/// Calls under way at once, at most: far more than any pool serves within its timeouts.
const MAX_CALLS: u32 = 65_536;

/// Keeps records in PostgreSQL.
///
/// What is acknowledged was committed. Every statement that changes anything looks at the writer epoch of its map in the
/// same transaction, so that of two processes only the one that claimed last writes. Needs a Tokio runtime with time and
/// I/O enabled. [`close`](MapDataStore::close) waits for calls under way; dropping closes connections at once.
pub struct PostgresDataStore {
    core: Core,
    address: String,
    schema: String,
    is_closed: AtomicBool,
    /// One permit a call under way; closing takes them all.
    calls: Semaphore,
}

/// What all calls share.
pub(crate) struct Core {
    pub(crate) connections: Connections,
    pub(crate) statements: Statements,
    pub(crate) claims: Claims,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) format: ValueFormat,
    pub(crate) writes_json: bool,
    pub(crate) attempts: u32,
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
}

/// Whether a statement leaves something that a caller must know of when its answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A read, or a change that nobody is told of.
    None,
    /// A change.
    Some,
}

impl PostgresDataStore {
    /// Starts a store in the database of a URL: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`.
    ///
    /// What the URL leaves out comes from the environment (`PGHOST`, `PGUSER`, `PGPASSWORD`, …) and the password file, as
    /// for every PostgreSQL client.
    pub fn builder(url: impl Into<String>) -> PostgresBuilder {
        PostgresBuilder::new(url)
    }

    pub(crate) async fn open(settings: Settings) -> Result<Self, StoreError> {
        let connections = Connections::new(&settings)?;
        schema::prepare(&connections, &settings).await?;
        let core = Core {
            connections,
            statements: Statements::new(&settings.schema, settings.value_format),
            claims: Claims::default(),
            clock: settings.clock,
            format: settings.value_format,
            writes_json: settings.value_format == ValueFormat::Jsonb,
            attempts: settings.attempts,
            batch_records: settings.batch_records,
            batch_bytes: settings.batch_bytes,
        };
        Ok(Self {
            core,
            address: settings.address,
            schema: settings.schema,
            is_closed: AtomicBool::new(false),
            calls: Semaphore::new(MAX_CALLS as usize),
        })
    }

    /// Begins a call, unless the store is closed.
    async fn call(&self, operation: &'static str) -> Result<(SemaphorePermit<'_>, &Core), StoreError> {
        let call = self.calls.acquire().await.map_err(|_| closed(operation))?;
        // Looked at with the permit in hand: closing sets it first, and then waits for the permits.
        if self.is_closed.load(Ordering::Acquire) {
            return Err(closed(operation));
        }
        Ok((call, &self.core))
    }

    async fn make(&self, writes: Vec<Write>, kind: Kind) -> Vec<WriteResult> {
        match self.call("apply").await {
            Ok((_call, core)) => core.apply(&writes, kind).await,
            Err(error) => {
                let refuse = |write: &Write| error.clone().in_map(&write.map).at_key(&write.key);
                writes
                    .iter()
                    .map(|write| WriteResult::Rejected(refuse(write)))
                    .collect()
            }
        }
    }

    /// A barrier has nothing to wait for, but a closed store does not know of what is below it any more.
    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        if !self.is_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(FlushError {
            pending: Vec::new(),
            source: Some(closed(operation)),
        })
    }
}

impl Core {
    /// Starts a query of ours.
    pub(crate) fn query(&self, text: &Arc<str>) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(Arc::clone(text)))
    }

    /// Runs one statement, on another connection again if need be.
    pub(crate) async fn ask(
        &self,
        operation: &'static str,
        effect: Effect,
        query: impl Fn() -> Query<'static, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.gather(operation, effect, query, Vec::new, Vec::push).await
    }

    /// Does as [`ask`](Self::ask), and lets `take` make something of the rows as they come: of every try from the start.
    pub(crate) async fn gather<T>(
        &self,
        operation: &'static str,
        effect: Effect,
        query: impl Fn() -> Query<'static, Postgres, PgArguments>,
        start: impl Fn() -> T,
        take: impl Fn(&mut T, PgRow),
    ) -> Result<T, StoreError> {
        let mut attempts = Attempts::new(operation, self.attempts);
        loop {
            let reached = match effect {
                Effect::None => Reached::nothing(),
                Effect::Some => Reached::effect(),
            };
            let mut lease = self
                .connections
                .lease(operation)
                .await
                .map_err(|error| attempts.known(error))?;
            let (query, mut taken) = (query(), start());
            let work = async {
                let take = |row| take(&mut taken, row);
                self.connections.alone(lease.connection()?, query, take).await
            };
            let answer = self.connections.in_time(work).await;
            match lease.settle(answer) {
                Ok(_) => return Ok(taken),
                Err(failure) => attempts.failed(failure, &reached)?,
            }
        }
    }
}

#[async_trait]
impl MapDataStore for PostgresDataStore {
    fn name(&self) -> &'static str {
        STORE
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.record_bytes = MAX_RECORD_BYTES;
        limits.batch_records = self.core.batch_records;
        limits
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let span = tracing::debug_span!("claim", store = STORE, %map);
        let (_call, core) = self.call("claim").await?;
        core.claim(map)
            .instrument(span)
            .await
            .map_err(|error| error.in_map(map))
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let span = tracing::debug_span!("apply", store = STORE, records = writes.len());
        self.make(writes, Kind::Write).instrument(span).await
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        Some(self)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let records = self.load_all(map, std::slice::from_ref(key)).await;
        Ok(records
            .map_err(|error| error.at_key(key))?
            .into_iter()
            .next()
            .flatten())
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let span = tracing::debug_span!("load", store = STORE, %map, records = keys.len());
        let (_call, core) = self.call("load").await?;
        core.load_all(map, keys)
            .instrument(span)
            .await
            .map_err(|error| error.in_map(map))
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let span = tracing::debug_span!("scan", store = STORE, %map, limit = request.limit);
        let (_call, core) = self.call("scan").await?;
        core.scan_page(map, &request)
            .instrument(span)
            .await
            .map_err(|error| error.in_map(map))
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let span = tracing::debug_span!("list maps", store = STORE);
        let (_call, core) = self.call("list maps").await?;
        core.list_maps().instrument(span).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let span = tracing::debug_span!("clear", store = STORE, %map, %up_to);
        let (_call, core) = self.call("clear").await?;
        core.clear(map, up_to)
            .instrument(span)
            .await
            .map_err(|error| error.in_map(map))
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let span = tracing::debug_span!("purge", store = STORE, %map, %horizon);
        let (_call, core) = self.call("purge").await?;
        core.purge(map, horizon)
            .instrument(span)
            .await
            .map_err(|error| error.in_map(map))
    }

    /// Every acknowledged write is committed already.
    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    /// Every acknowledged write is committed already.
    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.is_closed.store(true, Ordering::Release);
        let ended = timeout(deadline, self.calls.acquire_many(MAX_CALLS)).await;
        self.core.connections.close();
        let mut report = CloseReport::default();
        if ended.is_err() {
            let what =
                format!("calls were still under way after {deadline:?}: they end with their own timeouts");
            report.error = Some(StoreError::new(ErrorKind::Timeout, STORE, "close", what));
        }
        report
    }
}

#[async_trait]
impl RestateRecords for PostgresDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let span = tracing::debug_span!("restate", store = STORE, records = writes.len());
        self.make(writes, Kind::Restate).instrument(span).await
    }
}

impl fmt::Debug for PostgresDataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDataStore")
            .field("address", &self.address)
            .field("schema", &self.schema)
            .field("value_format", &self.core.format)
            .finish_non_exhaustive()
    }
}
