//! Connections: borrowed for one call, given back only if nothing went wrong on them.

use std::io::ErrorKind as ErrorOfIo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult};
use futures::TryStreamExt as _;
use layerstore_data_store::{ErrorKind, StoreError};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Either, Executor as _, PgConnection, Postgres};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::builder::Settings;
use crate::convert::{Failure, STORE, closed, from_driver};

/// Begins a transaction whose every statement sees what others have committed by then.
pub(crate) const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A connection that was idle for longer is asked whether it still stands before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A connection is closed when it is this old, so that the server's memory for it is freed now and then.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The first wait while a server that is not there yet is asked again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The connections of a store.
pub(crate) struct Connections {
    pool: Pool<Connector>,
    address: String,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    /// Whether statements are prepared; if not, each runs in a transaction of its own.
    prepares: bool,
}

/// A connection for one call. Unless told to keep it, it is closed when dropped: whatever it was in the midst of,
/// nobody else is to meet.
pub(crate) struct Lease {
    object: Option<Object<Connector>>,
}

/// How far a call has come: whether what it changes may have taken effect.
pub(crate) struct Reached(AtomicBool);

/// Opens connections for the pool.
struct Connector {
    options: PgConnectOptions,
    connect_timeout: Duration,
}

impl Connections {
    pub(crate) fn new(settings: &Settings) -> Result<Self, StoreError> {
        let connector = Connector {
            options: settings.options.clone(),
            connect_timeout: settings.connect_timeout,
        };
        // The one used last is used next: the others come of age, and idle ones are few.
        let pool = Pool::builder(connector)
            .max_size(settings.pool_size)
            .queue_mode(QueueMode::Lifo)
            .build();
        let pool = pool.map_err(|_| {
            StoreError::new(
                ErrorKind::Rejected,
                STORE,
                "connect",
                "no pool of this size can be made",
            )
        })?;
        Ok(Self {
            pool,
            address: settings.address.clone(),
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            prepares: settings.prepares,
        })
    }

    /// Takes a connection, or opens one. Waits for a server that is starting.
    pub(crate) async fn lease(&self, operation: &'static str) -> Result<Lease, StoreError> {
        let deadline = Instant::now() + self.acquire_timeout;
        let (mut pause, mut last) = (FIRST_PAUSE, None);
        loop {
            match timeout_at(deadline, self.pool.get()).await {
                Ok(Ok(object)) => return Ok(Lease { object: Some(object) }),
                Ok(Err(PoolError::Backend(failure))) if is_starting(&failure) => last = Some(failure),
                Ok(Err(PoolError::Backend(failure))) => return Err(self.unreachable(operation, failure)),
                Ok(Err(_)) => return Err(closed(operation)),
                Err(_) => break,
            }
            if timeout_at(deadline, sleep(pause)).await.is_err() {
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(match last {
            Some(failure) => self.unreachable(operation, failure),
            None => self.busy(operation),
        })
    }

    /// Waits for an answer up to the statement timeout.
    pub(crate) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Failure> {
        match timeout(self.statement_timeout, work).await {
            Ok(answer) => answer.map_err(Failure::Driver),
            Err(_) => Err(Failure::Late(self.statement_timeout)),
        }
    }

    /// Runs one statement that is a transaction of its own: hands over its rows as they come, and returns how many it changed.
    ///
    /// What is done with a row is done while the server makes the next ones.
    pub(crate) async fn alone(
        &self,
        connection: &mut PgConnection,
        query: Query<'_, Postgres, PgArguments>,
        take: impl FnMut(PgRow),
    ) -> Result<u64, sqlx::Error> {
        if self.prepares {
            return run(connection, query, take).await;
        }
        // Preparing and running are two steps: only a transaction makes a pooler take both to the same server.
        let mut transaction = connection.begin().await?;
        let changed = run(&mut transaction, query.persistent(false), take).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// Prepares a statement of a longer transaction as the store is told to.
    pub(crate) fn within<'q>(
        &self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query.persistent(self.prepares)
    }

    /// Opens no more connections, and closes those that are not in use.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    fn unreachable(&self, operation: &'static str, failure: Failure) -> StoreError {
        let address = &self.address;
        match failure {
            Failure::Late(limit) => {
                let what = format!(
                    "no connection to {address} within {limit:?}: is it the right address, and open to us?"
                );
                StoreError::new(ErrorKind::Timeout, STORE, operation, what)
            }
            Failure::Driver(sqlx::Error::Io(error)) => {
                let hint = match error.kind() {
                    // What a handshake fails with.
                    ErrorOfIo::InvalidData => {
                        "check the TLS mode, the server's certificate and the root certificate"
                    }
                    _ => "is the server running there?",
                };
                let what = format!("no connection to {address}: {hint}");
                StoreError::new(ErrorKind::Unavailable, STORE, operation, what).because(error)
            }
            Failure::Driver(error) => {
                let error = from_driver(operation, error);
                let what = format!("no connection to {address}");
                StoreError::new(error.kind(), STORE, operation, what).because(error)
            }
        }
    }

    fn busy(&self, operation: &'static str) -> StoreError {
        let what = format!(
            "no connection to {} was free or could be opened within {:?}: is the pool too small, or the server silent?",
            self.address, self.acquire_timeout
        );
        StoreError::new(ErrorKind::Timeout, STORE, operation, what)
    }
}

impl Lease {
    /// Returns the connection.
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        // There is one until the lease is dropped.
        self.object.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Gives the connection back if all went well on it.
    pub(crate) fn settle<T>(mut self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if answer.is_ok() {
            drop(self.object.take());
        }
        answer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            // Closes the socket; the server undoes what was not committed.
            drop(Object::take(object));
        }
    }
}

impl Reached {
    /// A call that changes nothing, or nothing before it says so.
    pub(crate) fn nothing() -> Self {
        Self(AtomicBool::new(false))
    }

    /// A call whose first statement may take effect.
    pub(crate) fn effect() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Notes that what comes next may take effect.
    pub(crate) fn take_effect(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether an effect is possible after this failure.
    pub(crate) fn is_unknown(&self, failure: &Failure) -> bool {
        self.0.load(Ordering::Relaxed) && failure.is_unknown()
    }
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = Failure;

    async fn create(&self) -> Result<PgConnection, Failure> {
        match timeout(self.connect_timeout, PgConnection::connect_with(&self.options)).await {
            Ok(opened) => opened.map_err(Failure::Driver),
            Err(_) => Err(Failure::Late(self.connect_timeout)),
        }
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<Failure> {
        if metrics.age() > LIFETIME {
            return Err(RecycleError::message("old"));
        }
        if metrics.last_used() > TRUSTED_FOR {
            let answer = timeout(self.connect_timeout, connection.ping()).await;
            let answer = answer.map_err(|_| RecycleError::message("silent"))?;
            answer.map_err(|_| RecycleError::message("lost"))?;
        }
        Ok(())
    }
}

async fn run(
    connection: &mut PgConnection,
    query: Query<'_, Postgres, PgArguments>,
    mut take: impl FnMut(PgRow),
) -> Result<u64, sqlx::Error> {
    let (mut answer, mut changed) = (connection.fetch_many(query), 0);
    while let Some(part) = answer.try_next().await? {
        match part {
            Either::Left(done) => changed += done.rows_affected(),
            Either::Right(row) => take(row),
        }
    }
    Ok(changed)
}

/// Tells whether a server that answers so may be there in a moment.
fn is_starting(failure: &Failure) -> bool {
    use ErrorOfIo::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
    match failure {
        Failure::Driver(sqlx::Error::Io(error)) => matches!(
            error.kind(),
            ConnectionRefused | ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof
        ),
        Failure::Driver(sqlx::Error::Database(error)) => {
            let state = error.code().unwrap_or_default();
            matches!(&*state, "53300" | "57P01" | "57P02" | "57P03")
        }
        _ => false,
    }
}
