//! An S3 server for tests: a bucket each in a shared server.

mod bucket;
mod client;
#[cfg(feature = "services-containers")]
mod container;
mod listed;
mod locked;
mod server;

use std::sync::OnceLock;

use url::Url;

use super::provider::{Allowed, Found, PROVIDER_VARIABLE, Probe, Provider, first};
use super::runtime;
use super::unavailable::Unavailable;
pub use bucket::S3Bucket;
use server::LocalServer;

/// Environment variable with the endpoint of a server, `http://host:port`, of a user who may create buckets.
pub const S3_VARIABLE: &str = "LAYERSTORE_TEST_S3";

/// Environment variable with the access key for [`S3_VARIABLE`].
pub const S3_ACCESS_KEY_VARIABLE: &str = "LAYERSTORE_TEST_S3_ACCESS_KEY";

/// Environment variable with the secret key for [`S3_VARIABLE`].
pub const S3_SECRET_KEY_VARIABLE: &str = "LAYERSTORE_TEST_S3_SECRET_KEY";

/// The region that requests are signed for; servers for tests do not care.
pub(super) const REGION: &str = "us-east-1";

pub(super) const SERVICE: &str = "S3 server";

const REMEDY: &str =
    "name one in LAYERSTORE_TEST_S3, with LAYERSTORE_TEST_S3_ACCESS_KEY and LAYERSTORE_TEST_S3_SECRET_KEY";

/// In this order, of which `LAYERSTORE_TEST_PROVIDER` may leave out some.
const ORDER: [Provider; 3] = [Provider::Address, Provider::Container, Provider::InProcess];

/// Where a server is, and how to speak to it.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

/// Makes an empty bucket for one test, in a server that all tests of this process share, and under `cargo xtask test` all
/// processes. It is emptied and deleted with the value.
///
/// Its conditional writes are judged one after the other, so of several writers that race one wins.
///
/// # Errors
/// When no provider has a server, with each one's reason and the remedy, or the server makes no bucket.
///
/// ```no_run
/// # async fn test() {
/// let bucket = layerstore_testkit::services::s3().await.unwrap();
/// connect(bucket.endpoint(), bucket.name(), bucket.access_key(), bucket.secret_key());
/// # }
/// # fn connect(_: &str, _: &str, _: &str, _: &str) {}
/// ```
pub async fn s3() -> Result<S3Bucket, Unavailable> {
    let made = runtime::aside(|| {
        let found = shared().as_ref().map_err(Unavailable::clone)?;
        let endpoint = found.server.endpoint.clone();
        S3Bucket::create(endpoint).map_err(|why| failed(found.provider, why))
    });
    made.await
}

/// A server that runs, and what keeps it running where it is ours.
#[derive(Debug)]
pub(super) struct Server {
    endpoint: Endpoint,
    _kept: Option<Kept>,
}

/// What a server ends with.
#[derive(Debug)]
enum Kept {
    Local(#[expect(dead_code, reason = "held, not looked at")] LocalServer),
    #[cfg(feature = "services-containers")]
    Container(#[expect(dead_code, reason = "held, not looked at")] super::engine::Container),
}

#[cfg(feature = "services")]
impl super::running::Named for Server {
    fn environment(&self) -> Vec<(&'static str, String)> {
        let Endpoint {
            url,
            access_key,
            secret_key,
        } = self.endpoint.clone();
        vec![
            (S3_VARIABLE, url.into()),
            (S3_ACCESS_KEY_VARIABLE, access_key),
            (S3_SECRET_KEY_VARIABLE, secret_key),
        ]
    }
}

/// The server of this process. It is never dropped, and ends with the process.
fn shared() -> &'static Result<Found<Server>, Unavailable> {
    static SHARED: OnceLock<Result<Found<Server>, Unavailable>> = OnceLock::new();
    SHARED.get_or_init(|| find().inspect(Found::tell))
}

pub(super) fn find() -> Result<Found<Server>, Unavailable> {
    let allowed = Allowed::parse(std::env::var(PROVIDER_VARIABLE).ok().as_deref());
    let allowed = allowed.map_err(|why| failed(Provider::Address, why))?;
    first(SERVICE, REMEDY, &ORDER, allowed, |provider| match provider {
        Provider::Address => named(),
        Provider::Container => container().map_or_else(Probe::Missing, Probe::Ready),
        Provider::InProcess => in_process().map_or_else(Probe::Missing, Probe::Ready),
        _ => Probe::Unasked,
    })
}

/// Takes the server that the environment names, if it names one.
fn named() -> Probe<Server> {
    let variable = |name| std::env::var(name).ok();
    let Some(url) = variable(S3_VARIABLE) else {
        return Probe::Unasked;
    };
    let keys = (variable(S3_ACCESS_KEY_VARIABLE), variable(S3_SECRET_KEY_VARIABLE));
    let (Ok(url), (Some(access_key), Some(secret_key))) = (Url::parse(&url), keys) else {
        return Probe::Broken(format!(
            "{S3_VARIABLE} must be http://host:port, with {S3_ACCESS_KEY_VARIABLE} and {S3_SECRET_KEY_VARIABLE}"
        ));
    };
    let endpoint = Endpoint {
        url,
        access_key,
        secret_key,
    };
    // A bucket made and deleted again shows that it answers, and whether it takes the keys.
    match S3Bucket::create(endpoint.clone()) {
        Ok(_) => Probe::Ready(Server {
            endpoint,
            _kept: None,
        }),
        Err(why) => Probe::Broken(format!("the server of {S3_VARIABLE} makes no bucket: {why}")),
    }
}

#[cfg(feature = "services-containers")]
fn container() -> Result<Server, String> {
    container::start()
}

#[cfg(not(feature = "services-containers"))]
fn container() -> Result<Server, String> {
    Err("this build is without the feature `services-containers` of the testkit".to_owned())
}

fn in_process() -> Result<Server, String> {
    let server = LocalServer::start()?;
    Ok(Server {
        endpoint: server.endpoint().clone(),
        _kept: Some(Kept::Local(server)),
    })
}

fn failed(provider: Provider, why: String) -> Unavailable {
    Unavailable::new(SERVICE, REMEDY, vec![(provider, why)])
}
