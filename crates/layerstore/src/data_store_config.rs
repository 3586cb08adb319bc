use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerstore_record::Clock;

use crate::backend::{Backend, Context, OpenDataStore};
use crate::behind::{self, Asked};
use crate::config::ConfigError;
use crate::config::Origin;
use crate::data_store_kind::DataStoreKind;
use crate::error::Error;

/// Where records are kept, as a configuration file or an argument on a command line says. Never shows a secret.
///
/// ```
/// use layerstore::{DataStoreConfig, DataStoreKind};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), layerstore::Error> {
/// let store = DataStoreConfig::of_argument("embedded:data").await?;
/// assert_eq!((store.kind(), store.to_string()), (DataStoreKind::Embedded, "embedded:data".to_owned()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DataStoreConfig {
    backend: Backend,
    /// Only of a file.
    write_behind: Option<Asked>,
    origin: Option<Origin>,
    /// What to call it: an argument without its secrets, or a file.
    shown: String,
}

/// The forms that an argument may have.
const FORMS: &str =
    "write embedded:DIR, postgres://…, s3://BUCKET/PREFIX, or the name of a file that ends in .toml";

impl DataStoreConfig {
    /// Reads an argument: `embedded:DIR`, `postgres://…`, `s3://BUCKET/PREFIX`, or the name of a configuration file that ends in
    /// `.toml`.
    ///
    /// A bucket's region, endpoint and keys are those of the environment (`AWS_REGION`, `AWS_ENDPOINT_URL`,
    /// `AWS_ACCESS_KEY_ID` and so on). Other users of a machine can see arguments: a password belongs into a file's
    /// `url = { env = "NAME" }`.
    ///
    /// # Errors
    /// [`Error::Config`] for an argument of another form, which is not repeated, and for what is wrong in the file.
    pub async fn of_argument(argument: &str) -> Result<Self, Error> {
        let wrong = || ConfigError::new("STORE", FORMS);
        let (scheme, rest) = argument.split_once(':').unwrap_or(("", argument));
        match scheme {
            "embedded" if !rest.is_empty() => Ok(Self::embedded(rest)),
            "postgres" | "postgresql" if rest.starts_with("//") => Ok(Self::postgres(argument)),
            "s3" => match rest
                .strip_prefix("//")
                .filter(|rest| !rest.starts_with('/') && !rest.is_empty())
            {
                Some(place) => Ok(Self::s3(place)),
                None => Err(wrong().into()),
            },
            _ if Path::new(argument)
                .extension()
                .is_some_and(|ending| ending == "toml") =>
            {
                Self::from_file(argument).await
            }
            _ => Err(wrong().into()),
        }
    }

    /// Takes an embedded store in this directory.
    pub fn embedded(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self {
            shown: format!("embedded:{}", directory.display()),
            backend: Backend::embedded(directory),
            write_behind: None,
            origin: None,
        }
    }

    /// Takes the data store that a configuration file says; its other tables are checked all the same.
    ///
    /// # Errors
    /// [`Error::Config`] with file, line and key.
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = crate::config::read_file(path).await?;
        Ok(Self {
            backend: file.backend,
            write_behind: file.write_behind,
            origin: Some(file.origin),
            shown: path.display().to_string(),
        })
    }

    fn postgres(url: &str) -> Self {
        Self {
            backend: Backend::postgres(url),
            write_behind: None,
            origin: None,
            shown: crate::backend::shown_address(url),
        }
    }

    fn s3(place: &str) -> Self {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        Self {
            backend: Backend::s3(bucket, prefix),
            write_behind: None,
            origin: None,
            shown: format!("s3://{place}"),
        }
    }

    /// Returns the kind of store.
    #[must_use]
    pub fn kind(&self) -> DataStoreKind {
        self.backend.kind()
    }

    /// Returns the directories of embedded stores: one where this is an embedded store, those of the tiers of a tiered one.
    #[must_use]
    pub fn directories(&self) -> Vec<&Path> {
        self.backend.directories()
    }

    /// Opens the data store alone: without memory in front, maintenance, observers or an archiver. Write-behind, where the file turns it on,
    /// stands before it: what its log has pending is a part of the store.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that cannot work, or the cargo feature that is missing; [`Error::Store`] when the
    /// store does not open.
    pub async fn open(&self, clock: Arc<dyn Clock>) -> Result<OpenDataStore, Error> {
        let context = Context {
            at: crate::config::DATA_STORE.to_owned(),
            clock,
        };
        let located = |error: Error| match (error, &self.origin) {
            (Error::Config(error), Some(origin)) => origin.locate(error).into(),
            (error, _) => error,
        };
        let asked = self.write_behind.as_ref();
        behind::check(&self.backend, asked, &context.at).map_err(|error| located(error.into()))?;
        behind::open(&self.backend, asked, &context)
            .await
            .map_err(located)
    }
}

impl fmt::Display for DataStoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DataStoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataStoreConfig").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_argument_names_a_store_and_its_password_is_never_shown() {
        let cases = [
            ("embedded:a:b/c", DataStoreKind::Embedded, "embedded:a:b/c"),
            (
                "postgres://ann:hunter2@db:5432/shop?password=hunter2",
                DataStoreKind::Postgres,
                "postgres://db:5432/shop",
            ),
            (
                "postgresql://ann:hun@ter2@db/shop#hunter2",
                DataStoreKind::Postgres,
                "postgres://db/shop",
            ),
            (
                "s3://bucket/a/prefix",
                DataStoreKind::Object,
                "s3://bucket/a/prefix",
            ),
            ("s3://bucket", DataStoreKind::Object, "s3://bucket"),
        ];
        for (argument, kind, shown) in cases {
            let store = DataStoreConfig::of_argument(argument).await.unwrap();
            assert_eq!((store.kind(), store.to_string()), (kind, shown.to_owned()));
            let debug = format!("{store:?} {store:#?} {:?}", store.backend);
            assert!(!debug.contains("hunter2") && !debug.contains("ter2"), "{debug}");
        }
    }

    #[tokio::test]
    async fn an_argument_of_another_form_is_refused_without_being_repeated() {
        for argument in [
            "",
            "hunter2",
            "embedded:",
            "mysql://ann:hunter2@db",
            "s3:hunter2",
            "s3:///hunter2",
            "s3://",
            "a.yaml",
        ] {
            let error = DataStoreConfig::of_argument(argument)
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("embedded:DIR") && !error.contains("hunter2"),
                "{argument}: {error}"
            );
        }
        let error = DataStoreConfig::of_argument("no/such.toml")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("no/such.toml"), "{error}");
    }
}
