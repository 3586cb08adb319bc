#[cfg(feature = "write-behind")]
use std::path::PathBuf;
use std::sync::Arc;

use layerstore_record::Clock;

#[cfg(feature = "write-behind")]
use super::settings::WriteBehindSettings;
use crate::backend::{Backend, OpenDataStore};
use crate::config::ConfigError;
use crate::error::Error;

/// Write-behind as somebody asked for it.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// With these settings.
    #[cfg(feature = "write-behind")]
    With(Box<WriteBehindSettings>),
    /// Of a build that does not have it.
    #[cfg(all(feature = "toml", not(feature = "write-behind")))]
    Absent,
}

#[cfg(feature = "write-behind")]
impl Asked {
    /// Finds what cannot work before anything is opened. `below` is the data store, unless it is open already.
    pub(crate) fn check(&self, below: Option<&Backend>) -> Result<(), ConfigError> {
        let Self::With(settings) = self;
        settings.check(below)
    }

    /// Returns where the log is; none where there is none.
    pub(crate) fn log_directory(&self, below: Option<&Backend>) -> Result<Option<PathBuf>, ConfigError> {
        let Self::With(settings) = self;
        settings.place(below)
    }

    /// Puts write-behind around a data store. One that was opened for it is closed when that fails.
    pub(crate) async fn around(
        &self,
        opened: OpenDataStore,
        below: Option<&Backend>,
        clock: &Arc<dyn Clock>,
    ) -> Result<OpenDataStore, Error> {
        let Self::With(settings) = self;
        super::opening::around(settings, opened, below, clock).await
    }
}

#[cfg(not(feature = "write-behind"))]
impl Asked {
    /// Says which feature is missing.
    pub(crate) fn check(&self, _: Option<&Backend>) -> Result<(), ConfigError> {
        Err(absent())
    }

    /// Says which feature is missing.
    #[expect(clippy::unused_async, reason = "the same call in every build")]
    pub(crate) async fn around(
        &self,
        _: OpenDataStore,
        _: Option<&Backend>,
        _: &Arc<dyn Clock>,
    ) -> Result<OpenDataStore, Error> {
        Err(absent().into())
    }
}

#[cfg(not(feature = "write-behind"))]
fn absent() -> ConfigError {
    ConfigError::new(
        super::TABLE,
        crate::data_store_kind::absent(super::TABLE, "write-behind"),
    )
}
