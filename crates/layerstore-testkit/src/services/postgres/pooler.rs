//! PgBouncer before a database of a test, as a pooler in transaction mode.

use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::PostgresDatabase;
use super::programs;
use crate::services::account::Account;
use crate::services::packages::{Package, libraries, unpacked};
use crate::services::provider::{Allowed, Probe, Provider, first};
use crate::services::supervisor::Supervisor;
use crate::services::unavailable::Unavailable;
use crate::services::{folders, port, runtime};

const SERVICE: &str = "pooler";

const REMEDY: &str = "install PgBouncer (Debian: `apt-get install pgbouncer`)";

const PROGRAM: &str = "pgbouncer";

/// Where distributions put it, which need not be on the PATH of an ordinary user.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// What it prints when it takes connections.
const READY: &str = "process up";

/// Connections that it has to the server: fewer than those who are before it, so that a session finds itself on another one again and again.
const SERVER_CONNECTIONS: u32 = 2;

/// Starts a pooler before a database, in transaction mode, with two connections to the server. It ends with its value.
///
/// Which provider a server comes from has no say in it: it stands before any.
///
/// # Errors
/// When this machine has no PgBouncer and its distribution's packages are not to be had, with the reasons and the remedy.
pub async fn pooler(database: &PostgresDatabase) -> Result<PostgresPooler, Unavailable> {
    let target = database.address().clone();
    let order = [Provider::Native, Provider::Download];
    let found = runtime::aside(move || {
        first(SERVICE, REMEDY, &order, Allowed::All, |provider| {
            let find = match provider {
                Provider::Native => PgBouncer::installed,
                _ => PgBouncer::downloaded,
            };
            start(&target, find).map_or_else(Probe::Missing, Probe::Ready)
        })
    });
    Ok(found.await?.server)
}

/// A pooler that runs or was killed.
pub struct PostgresPooler {
    url: Url,
    supervisor: Arc<Mutex<Supervisor>>,
}

impl PostgresPooler {
    /// The address of the database by way of the pooler: `postgres://…`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Kills it: every connection before and behind it is cut.
    ///
    /// # Errors
    /// When it is still there after a while.
    pub async fn kill(&self) -> Result<(), Unavailable> {
        self.control(|supervisor| supervisor.stop("KILL")).await
    }

    /// Starts it again at the same address.
    ///
    /// # Errors
    /// What it said when it did not start.
    pub async fn start(&self) -> Result<(), Unavailable> {
        self.control(|supervisor| supervisor.start(READY)).await
    }

    async fn control(
        &self,
        call: impl FnOnce(&mut Supervisor) -> Result<(), String> + Send + 'static,
    ) -> Result<(), Unavailable> {
        let supervisor = Arc::clone(&self.supervisor);
        let done =
            runtime::aside(move || call(&mut supervisor.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await
            .map_err(|why| Unavailable::new(SERVICE, REMEDY, vec![(Provider::Native, why)]))
    }
}

impl fmt::Debug for PostgresPooler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPooler")
            .field("port", &self.url.port())
            .finish_non_exhaustive()
    }
}

fn start(
    target: &Url,
    find: impl FnOnce(Option<Account>) -> Result<PgBouncer, String>,
) -> Result<PostgresPooler, String> {
    let account = Account::for_servers()?;
    let program = find(account)?;
    let mut last = "no free port was found".to_owned();
    for port in port::free() {
        match program.start_on(port, target, account) {
            // Somebody else may have taken the port since it was looked at.
            Err(error) if error.contains("Address already in use") => last = error,
            started => return started,
        }
    }
    Err(last)
}

/// The program, and what it needs to run here.
struct PgBouncer {
    program: PathBuf,
    libraries: Vec<PathBuf>,
}

impl PgBouncer {
    /// Finds the one of this machine.
    fn installed(account: Option<Account>) -> Result<Self, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(PLACES.map(PathBuf::from));
        let mut programs = folders.map(|folder| folder.join(PROGRAM));
        let program = programs.find(|program| program.is_file());
        Self::at(
            program.ok_or("no `pgbouncer` on the PATH or in /usr/sbin")?,
            vec![],
            account,
        )
    }

    fn downloaded(account: Option<Account>) -> Result<Self, String> {
        let unpacked = unpacked(Package::PgBouncer)?;
        Self::at(
            unpacked.join("usr/sbin").join(PROGRAM),
            libraries(&unpacked),
            account,
        )
    }

    fn at(program: PathBuf, libraries: Vec<PathBuf>, account: Option<Account>) -> Result<Self, String> {
        let mut command = Command::new(&program);
        command
            .arg("--version")
            .envs(programs::envs(&libraries))
            .current_dir("/");
        Account::enter(account, &mut command);
        let output = command
            .output()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        if output.status.success() {
            return Ok(Self { program, libraries });
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} failed: {}", program.display(), said.trim()))
    }

    fn start_on(&self, port: u16, target: &Url, account: Option<Account>) -> Result<PostgresPooler, String> {
        let home = folders::home(PROGRAM)?;
        let settings = write_settings(&home, &settings(port, target), account);
        let args = [home.join(SETTINGS).display().to_string()];
        // It removes the folder in any case.
        let mut supervisor = Supervisor::new(
            &home,
            account,
            &self.program,
            &args,
            &programs::envs(&self.libraries),
        )?;
        settings?;
        supervisor.start(READY)?;
        let mut url = target.clone();
        // Neither can fail: the address of a database has a host.
        let _ = url.set_ip_host(Ipv4Addr::LOCALHOST.into());
        let _ = url.set_port(Some(port));
        Ok(PostgresPooler {
            url,
            supervisor: Arc::new(Mutex::new(supervisor)),
        })
    }
}

const SETTINGS: &str = "pgbouncer.ini";

fn write_settings(home: &Path, text: &str, account: Option<Account>) -> Result<(), String> {
    let file = home.join(SETTINGS);
    fs::write(&file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    Account::give(account, &file)?;
    Account::give(account, home)
}

/// Who comes to the pooler is let in, as the user whom it was given.
fn settings(port: u16, target: &Url) -> String {
    let (host, server_port) = (
        target.host_str().unwrap_or("localhost"),
        target.port().unwrap_or(5432),
    );
    let (name, user) = (target.path().trim_start_matches('/'), target.username());
    let password = target.password().unwrap_or_default();
    format!(
        "[databases]\n\
         {name} = host={host} port={server_port} dbname={name} user={user} password='{password}'\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = {SERVER_CONNECTIONS}\n"
    )
}
