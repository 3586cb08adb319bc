//! An operator from a configuration, in the words of OpenDAL, and the layers around it.

use layerstore_data_store::{ErrorKind, StoreError};
use opendal::Operator;
use opendal::layers::{
    ConcurrentLimitLayer, LoggingLayer, MetricsLayer, RetryEvent, RetryLayer, TimeoutLayer, TracingLayer,
};

use crate::convert::STORE;
use crate::options::{LONGEST_BACKOFF, OpendalOptions};
#[cfg(any(
    feature = "memory",
    feature = "fs",
    feature = "s3",
    feature = "gcs",
    feature = "azblob"
))]
use crate::setting_names::setting_names;

/// Each is a feature of this crate.
const SERVICES: [&str; 5] = ["memory", "fs", "s3", "gcs", "azblob"];

/// Settings of a service, by OpenDAL's names.
pub(crate) type Settings = Vec<(String, String)>;

/// Makes an operator for a service.
pub(crate) fn operator(service: &str, settings: Settings) -> Result<Operator, StoreError> {
    match service {
        #[cfg(feature = "memory")]
        "memory" => build::<opendal::services::Memory>(service, settings),
        #[cfg(feature = "fs")]
        "fs" => build::<opendal::services::Fs>(service, with_atomic_writes(settings)),
        #[cfg(feature = "s3")]
        "s3" => crate::http::with_transport(build::<opendal::services::S3>(service, settings)?),
        #[cfg(feature = "gcs")]
        "gcs" => crate::http::with_transport(build::<opendal::services::Gcs>(service, settings)?),
        #[cfg(feature = "azblob")]
        "azblob" => crate::http::with_transport(build::<opendal::services::Azblob>(service, settings)?),
        _ if SERVICES.contains(&service) => {
            drop(settings);
            let what = format!(
                "the service {service:?} is left out of this build: build with the feature `{service}`"
            );
            Err(refused(what))
        }
        _ => {
            let known = SERVICES.join(", ");
            Err(refused(format!(
                "the service {service:?} is not known, these are: {known}"
            )))
        }
    }
}

/// Puts the layers around an operator. A try is timed out by itself, and retries are seen as one by what watches.
pub(crate) fn layered(operator: Operator, options: &OpendalOptions) -> Operator {
    let timeout = TimeoutLayer::new()
        .with_timeout(options.attempt_timeout)
        .with_io_timeout(options.attempt_timeout);
    let retry = RetryLayer::new()
        .with_max_times(options.attempts.max(1) - 1)
        .with_min_delay(options.backoff)
        .with_max_delay(LONGEST_BACKOFF.max(options.backoff))
        .with_factor(2.0)
        .with_jitter()
        .with_notify(told);
    operator
        .layer(timeout)
        .layer(retry)
        .layer(LoggingLayer::default())
        .layer(TracingLayer::new())
        .layer(MetricsLayer::default())
        .layer(ConcurrentLimitLayer::new(options.concurrency.max(1)))
}

fn told(event: RetryEvent<'_>) {
    tracing::debug!(
        store = STORE,
        operation = %event.op,
        attempt = event.attempt,
        wait = ?event.retry_after,
        error = %event.err.kind(),
        "a request is tried again"
    );
}

#[cfg(any(
    feature = "memory",
    feature = "fs",
    feature = "s3",
    feature = "gcs",
    feature = "azblob"
))]
fn build<B: opendal::Builder>(service: &str, settings: Settings) -> Result<Operator, StoreError> {
    // A misspelt name would be passed over: what was asked for would not be done, without a word.
    let known = setting_names::<B::Config>();
    if let Some((name, _)) = settings.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        let what = format!("the service {service:?} has no option {name:?}");
        return Err(refused(what));
    }
    Operator::from_iter::<B>(settings).map_err(|error| {
        // The error may hold what was configured, and so a credential: its kind is said, and nothing else.
        refused(format!(
            "the options of the service {service:?} are not right: {}, {}",
            error.kind(),
            error.message()
        ))
    })
}

/// Writes to a file beside and moves it into place, so that no crash leaves half an object.
#[cfg(feature = "fs")]
fn with_atomic_writes(mut settings: Settings) -> Settings {
    const NAME: &str = "atomic_write_dir";
    let root = settings.iter().find(|(name, _)| name == "root");
    if let Some((_, root)) = root
        && !settings.iter().any(|(name, _)| name == NAME)
    {
        let beside = std::path::Path::new(root).join("unfinished");
        settings.push((NAME.to_owned(), beside.to_string_lossy().into_owned()));
    }
    settings
}

fn refused(what: String) -> StoreError {
    StoreError::new(ErrorKind::Rejected, STORE, "open", what)
}
