//! A database for one test.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use url::Url;

use crate::services::runtime;

/// How long making and dropping a database may take; a busy server writes out everything before.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a server that starts is left alone between two tries.
#[cfg(feature = "services-containers")]
const PAUSE: Duration = Duration::from_millis(20);

/// An empty database of its own for one test, dropped with this value, whatever is still connected to it.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    admin: Url,
    url: Url,
}

impl PostgresDatabase {
    /// Makes a database in the server of `admin`, from any thread, also one with a paused clock.
    pub(super) async fn create(admin: Url) -> Result<Self, String> {
        runtime::aside(move || Self::create_blocking(admin)).await
    }

    fn create_blocking(admin: Url) -> Result<Self, String> {
        let name = format!("layerstore_test_{:016x}", RandomState::new().hash_one(0_u8));
        // From template0, which nobody can be connected to: a connection to a template makes others fail to copy it.
        execute(&admin, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"))?;
        let mut url = admin.clone();
        url.set_path(&name);
        Ok(Self { name, admin, url })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address with user and password: `postgres://…`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn address(&self) -> &Url {
        &self.url
    }

    /// Host and port of its server, as a proxy wants them.
    #[must_use]
    pub fn server(&self) -> String {
        let host = self.url.host_str().unwrap_or("localhost");
        format!("{host}:{}", self.url.port().unwrap_or(5432))
    }

    /// Its address by way of somebody who listens at `address`, as a proxy does.
    #[must_use]
    pub fn url_through(&self, address: SocketAddr) -> String {
        let mut url = self.url.clone();
        // Neither can fail: an address with a user has a host.
        let _ = url.set_ip_host(address.ip());
        let _ = url.set_port(Some(address.port()));
        url.into()
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        // A server that the test has stopped takes its databases along.
        let _ = execute(&self.admin, &drop);
    }
}

/// Asks the server for its version, as a probe.
pub(super) fn version(admin: &Url) -> Result<String, String> {
    runtime::block_on(DEADLINE, async {
        let mut connection = connect(admin).await?;
        let version: Result<(String,), _> = sqlx::query_as("SHOW server_version")
            .fetch_one(&mut connection)
            .await;
        version.map(|(version,)| version).map_err(told)
    })
}

/// Waits until a server that was started takes connections.
#[cfg(feature = "services-containers")]
pub(super) fn until_it_answers(admin: &Url) -> Result<(), String> {
    let mut last = String::new();
    let answered = runtime::block_on(DEADLINE, async {
        // A refusal comes at once; in between others get the processor.
        while let Err(why) = connect(admin).await {
            last = why;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    });
    answered.map_err(|why| format!("{why}: {last}"))
}

/// Runs one statement over a connection of its own, on a thread of its own: in a `drop`, nothing can be awaited.
fn execute(admin: &Url, statement: &str) -> Result<(), String> {
    runtime::block_on(DEADLINE, async {
        let mut connection = connect(admin).await?;
        connection
            .execute(sqlx::AssertSqlSafe(statement))
            .await
            .map_err(told)?;
        // The outcome stands; that the goodbye arrives is of no interest.
        let _ = connection.close().await;
        Ok(())
    })
}

async fn connect(admin: &Url) -> Result<PgConnection, String> {
    PgConnection::connect(admin.as_str()).await.map_err(told)
}

/// What went wrong, without the address, which holds a password.
fn told(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(_) => {
            "the address is not `postgres://user:password@host:port/database`".to_owned()
        }
        other => other.to_string(),
    }
}
