//! PostgreSQL for tests: a database each in a shared server, or a server of its own that can be stopped.

#[cfg(feature = "services-containers")]
mod container;
mod database;
mod download;
#[cfg(feature = "services-containers")]
mod image;
mod native;
mod pooler;
mod programs;
mod template;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use url::Url;

use super::account::Account;
use super::provider::{Allowed, Found, PROVIDER_VARIABLE, Probe, Provider, first};
use super::runtime;
use super::unavailable::Unavailable;
pub use database::PostgresDatabase;
#[cfg(feature = "services-containers")]
pub use image::build_images;
use native::NativeServer;
pub use native::Shutdown;
pub use pooler::{PostgresPooler, pooler};
use programs::Programs;

/// Environment variable with the address of a server: `postgres://user:password@host:port/database`, of a user who may
/// create databases.
pub const POSTGRES_VARIABLE: &str = "LAYERSTORE_TEST_POSTGRES";

pub(super) const SERVICE: &str = "PostgreSQL";

const REMEDY: &str = "install PostgreSQL (Debian: `apt-get install postgresql`), or start a container engine, or name a \
    server in LAYERSTORE_TEST_POSTGRES";

/// In this order, of which `LAYERSTORE_TEST_PROVIDER` may leave out some.
pub(super) const ORDER: [Provider; 4] = [
    Provider::Address,
    Provider::Container,
    Provider::Native,
    Provider::Download,
];

/// Makes an empty database for one test, in a server that all tests of this process share, and under `cargo xtask test` all
/// processes. The first call starts the server where the environment names none; it ends with this process, however
/// that ends. The database is dropped with the value.
///
/// # Errors
/// When no provider has a server, with each one's reason and the remedy, or the server makes no database.
///
/// ```no_run
/// # async fn test() {
/// let database = layerstore_testkit::services::postgres().await.unwrap();
/// connect(database.url());
/// # }
/// # fn connect(_: &str) {}
/// ```
pub async fn postgres() -> Result<PostgresDatabase, Unavailable> {
    let shared = runtime::aside(|| {
        shared()
            .as_ref()
            .map(|found| (found.server.admin.clone(), found.provider))
    });
    let (admin, provider) = shared.await.map_err(Unavailable::clone)?;
    create(admin, provider).await
}

/// Starts a server for one test, which may stop it and start it again. `settings` (`name=value`, as in `postgresql.conf`) come
/// on top of those of the shared server, which syncs nothing (`fsync=off`): what was committed outlives the server, and not
/// the machine.
///
/// # Errors
/// When no provider has a server that can be stopped, with each one's reason and the remedy.
pub async fn private_postgres(settings: &[&str]) -> Result<PrivatePostgres, Unavailable> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let found = runtime::aside(move || find(&ORDER[1..], &settings)).await?;
    Ok(PrivatePostgres {
        admin: found.server.admin.clone(),
        provider: found.provider,
        server: Arc::new(Mutex::new(found.server)),
    })
}

/// A server of one test's own. It ends with this value, and its data with it.
#[derive(Debug)]
pub struct PrivatePostgres {
    admin: Url,
    provider: Provider,
    server: Arc<Mutex<Server>>,
}

impl PrivatePostgres {
    /// Makes an empty database.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn database(&self) -> Result<PostgresDatabase, Unavailable> {
        create(self.admin.clone(), self.provider).await
    }

    /// Stops the server; what was committed stays, and so does its address.
    ///
    /// # Errors
    /// When it has been stopped before, or does not stop.
    pub async fn stop(&self, shutdown: Shutdown) -> Result<(), Unavailable> {
        self.control(move |server| server.stop(shutdown)).await
    }

    /// Starts it again where it was, and returns when it takes connections.
    ///
    /// # Errors
    /// What the server said when it did not start.
    pub async fn start(&self) -> Result<(), Unavailable> {
        self.control(|server| server.start()).await
    }

    /// Drops everything at once, as a crash does, and starts again, which recovers from the log.
    ///
    /// # Errors
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    pub async fn restart_immediate(&self) -> Result<(), Unavailable> {
        self.stop(Shutdown::Immediate).await?;
        self.start().await
    }

    async fn control(
        &self,
        call: impl FnOnce(&mut dyn Control) -> Result<(), String> + Send + 'static,
    ) -> Result<(), Unavailable> {
        let server = Arc::clone(&self.server);
        let done = runtime::aside(move || {
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut server.control {
                Some(control) => call(control.as_mut()),
                None => Err("somebody else's server cannot be stopped".to_owned()),
            }
        });
        done.await.map_err(|why| failed(self.provider, why))
    }
}

/// A server that runs, and how to stop it where it is ours.
#[derive(Debug)]
pub(super) struct Server {
    /// The address of a database that is always there, with a user who may make others.
    admin: Url,
    control: Option<Box<dyn Control>>,
}

/// A server that can be stopped and started again at the same address.
trait Control: fmt::Debug + Send + Sync {
    fn stop(&mut self, shutdown: Shutdown) -> Result<(), String>;
    fn start(&mut self) -> Result<(), String>;
}

/// The server of this process. It is never dropped: its supervisor sees the process end.
fn shared() -> &'static Result<Found<Server>, Unavailable> {
    static SHARED: OnceLock<Result<Found<Server>, Unavailable>> = OnceLock::new();
    SHARED.get_or_init(|| find(&ORDER, &[]).inspect(Found::tell))
}

pub(super) fn find(order: &[Provider], settings: &[String]) -> Result<Found<Server>, Unavailable> {
    let allowed = Allowed::parse(std::env::var(PROVIDER_VARIABLE).ok().as_deref());
    let allowed = allowed.map_err(|why| failed(Provider::Address, why))?;
    first(SERVICE, REMEDY, order, allowed, |provider| match provider {
        Provider::Address => named(),
        Provider::Container => container(settings).map_or_else(Probe::Missing, Probe::Ready),
        Provider::Native => native(settings, Programs::find).map_or_else(Probe::Missing, Probe::Ready),
        Provider::Download => downloaded(settings).map_or_else(Probe::Missing, Probe::Ready),
        _ => Probe::Unasked,
    })
}

/// Takes the server that the environment names, if it names one.
fn named() -> Probe<Server> {
    let Ok(address) = std::env::var(POSTGRES_VARIABLE) else {
        return Probe::Unasked;
    };
    let Ok(admin) = Url::parse(&address) else {
        return Probe::Broken(format!(
            "{POSTGRES_VARIABLE} is no postgres://user:password@host:port/database"
        ));
    };
    match database::version(&admin) {
        Ok(_) => Probe::Ready(Server { admin, control: None }),
        Err(why) => Probe::Broken(format!(
            "the server of {POSTGRES_VARIABLE} does not answer: {why}"
        )),
    }
}

#[cfg(feature = "services-containers")]
fn container(settings: &[String]) -> Result<Server, String> {
    container::start(settings)
}

#[cfg(not(feature = "services-containers"))]
fn container(_: &[String]) -> Result<Server, String> {
    Err("this build is without the feature `services-containers` of the testkit".to_owned())
}

/// Starts the distribution's server and asks it something: it may lack what its packages take for granted.
fn downloaded(settings: &[String]) -> Result<Server, String> {
    let server = native(settings, download::programs)?;
    database::version(&server.admin).map(|_| server)
}

fn native(
    settings: &[String],
    find: impl FnOnce(Option<Account>) -> Result<Programs, String>,
) -> Result<Server, String> {
    let account = Account::for_servers()?;
    let programs = find(account)?;
    let server = NativeServer::start_new(&programs, account, settings)?;
    let admin = Url::parse(&server.url()).map_err(|error| format!("our own address: {error}"))?;
    Ok(Server {
        admin,
        control: Some(Box::new(server)),
    })
}

#[cfg(feature = "services")]
impl super::running::Named for Server {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![(POSTGRES_VARIABLE, self.admin.as_str().to_owned())]
    }
}

async fn create(admin: Url, provider: Provider) -> Result<PostgresDatabase, Unavailable> {
    PostgresDatabase::create(admin)
        .await
        .map_err(|why| failed(provider, why))
}

fn failed(provider: Provider, why: String) -> Unavailable {
    Unavailable::new(SERVICE, REMEDY, vec![(provider, why)])
}
