//! Data stores as a configuration names them: each kind a file, which knows its settings and opens it.

#[cfg(all(feature = "toml", feature = "tiered"))]
mod archiving;
mod embedded;
#[cfg(all(feature = "toml", feature = "_guarded"))]
mod guarded;
mod nowhere;
#[cfg(feature = "toml")]
mod object;
mod opened;
#[cfg(all(feature = "toml", feature = "slatedb"))]
mod packed;
#[cfg(feature = "toml")]
mod postgres;
#[cfg(feature = "toml")]
mod tiered;

#[cfg(feature = "toml")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use layerstore_record::Clock;

pub(crate) use embedded::Embedded;
#[cfg(feature = "toml")]
pub(crate) use embedded::EmbeddedSection;
#[cfg(feature = "toml")]
pub(crate) use nowhere::NowhereSection;
#[cfg(feature = "toml")]
pub(crate) use object::ObjectSection;
pub use opened::OpenDataStore;
#[cfg(feature = "toml")]
pub(crate) use postgres::{PostgresSection, shown as shown_address};
#[cfg(feature = "toml")]
pub(crate) use tiered::{TIERS, Tiered, TieredSection, nested};

use crate::config::ConfigError;
#[cfg(feature = "toml")]
use crate::config::Sited;
use crate::data_store_kind::DataStoreKind;
use crate::error::Error;

/// A kind of data store with its settings.
#[derive(Debug, Clone)]
pub(crate) enum Backend {
    Embedded(Embedded),
    #[cfg(feature = "toml")]
    Postgres(Box<Sited<PostgresSection>>),
    #[cfg(feature = "toml")]
    Object(Box<Sited<ObjectSection>>),
    #[cfg(feature = "toml")]
    Tiered(Box<Tiered>),
    Memory,
    Null,
    /// A kind without settings that it could be opened with; or of a feature that is not here.
    Absent(DataStoreKind),
}

/// What a data store is opened with, beside its settings.
pub(crate) struct Context {
    /// The table of the configuration that speaks of it, for errors.
    pub(crate) at: String,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Backend {
    pub(crate) fn embedded(directory: impl Into<PathBuf>) -> Self {
        Self::Embedded(Embedded {
            directory: directory.into(),
        })
    }

    /// A store of this kind, with the settings that hold where nothing is said.
    pub(crate) fn of_kind(kind: DataStoreKind) -> Self {
        match kind {
            DataStoreKind::Embedded => Self::embedded(crate::settings::DEFAULT_DIRECTORY),
            DataStoreKind::Memory => Self::Memory,
            DataStoreKind::Null => Self::Null,
            other => Self::Absent(other),
        }
    }

    #[cfg(feature = "toml")]
    pub(crate) fn postgres(url: &str) -> Self {
        Self::Postgres(Box::new(Sited::of_argument(PostgresSection::at(url))))
    }

    #[cfg(feature = "toml")]
    pub(crate) fn s3(bucket: &str, prefix: &str) -> Self {
        Self::Object(Box::new(Sited::of_argument(ObjectSection::s3(bucket, prefix))))
    }

    pub(crate) fn kind(&self) -> DataStoreKind {
        match self {
            Self::Embedded(_) => DataStoreKind::Embedded,
            #[cfg(feature = "toml")]
            Self::Postgres(_) => DataStoreKind::Postgres,
            #[cfg(feature = "toml")]
            Self::Object(_) => DataStoreKind::Object,
            #[cfg(feature = "toml")]
            Self::Tiered(_) => DataStoreKind::Tiered,
            Self::Memory => DataStoreKind::Memory,
            Self::Null => DataStoreKind::Null,
            Self::Absent(kind) => *kind,
        }
    }

    /// Finds what cannot work, a kind that this build has not included, before anything is opened.
    pub(crate) fn check(&self, at: &str) -> Result<(), ConfigError> {
        match self {
            // Of objects it depends on the service.
            #[cfg(feature = "toml")]
            Self::Object(sited) => object::check(sited),
            #[cfg(feature = "toml")]
            Self::Postgres(sited) => {
                DataStoreKind::Postgres.check_available(at)?;
                postgres::check(sited)
            }
            #[cfg(feature = "toml")]
            Self::Tiered(settings) => {
                DataStoreKind::Tiered.check_available(at)?;
                tiered::check(settings)
            }
            other => other.kind().check_available(at),
        }
    }

    /// Returns the directories of embedded stores: its own, or those of its tiers.
    #[cfg(feature = "toml")]
    pub(crate) fn directories(&self) -> Vec<&Path> {
        match self {
            Self::Embedded(settings) => vec![&settings.directory],
            Self::Tiered(settings) => {
                let tiers = settings.tiers();
                tiers
                    .into_iter()
                    .flat_map(|(_, tier)| tier.directories())
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Opens the store, with its deadlines, and looks at what is there.
    pub(crate) async fn open(&self, context: &Context) -> Result<OpenDataStore, Error> {
        match self {
            #[cfg(feature = "toml")]
            Self::Tiered(settings) => tiered::open(settings, context).await,
            plain => plain.open_plain(context).await,
        }
    }

    /// Opens a store that is not made of others.
    async fn open_plain(&self, context: &Context) -> Result<OpenDataStore, Error> {
        match self {
            Self::Embedded(settings) => embedded::open(settings, context).await,
            #[cfg(feature = "toml")]
            Self::Postgres(settings) => postgres::open(settings, context).await,
            #[cfg(feature = "toml")]
            Self::Object(settings) => object::open(settings, context).await,
            Self::Memory => Ok(nowhere::memory(context)),
            Self::Null => Ok(nowhere::null()),
            #[cfg(feature = "toml")]
            Self::Tiered(_) => Err(nested(&context.at).into()),
            Self::Absent(kind) => Err(kind.not_here(&context.at).into()),
        }
    }
}
