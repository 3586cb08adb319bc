//! `kind = "embedded"`: a directory of this machine.

use std::path::PathBuf;

use super::{Context, OpenDataStore};
use crate::error::Error;

#[cfg(feature = "toml")]
crate::config::section! {
    /// Only for `kind = "embedded"`, the default.
    struct EmbeddedSection {
        /// The directory; a relative one starts at the directory of this file. Made where it is missing.
        path: String = crate::settings::DEFAULT_DIRECTORY,
    }
}

/// Where an embedded store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded {
    pub(crate) directory: PathBuf,
}

#[cfg(feature = "toml")]
impl Embedded {
    pub(crate) fn of_section(
        section: &EmbeddedSection,
        at: &str,
        origin: &crate::config::Origin,
    ) -> Result<Self, crate::config::ConfigError> {
        let path = section.path.as_ref().map(|path| path.get_ref().as_str());
        if path == Some("") {
            let key = format!("{at}.path");
            return Err(crate::config::ConfigError::new(
                key,
                "it is empty: name a directory",
            ));
        }
        let directory = origin.beside(path.unwrap_or(crate::settings::DEFAULT_DIRECTORY));
        Ok(Self { directory })
    }
}

#[cfg(feature = "embedded")]
pub(super) async fn open(settings: &Embedded, context: &Context) -> Result<OpenDataStore, Error> {
    use std::sync::Arc;

    use layerstore_embedded::{EmbeddedOptions, KvDataStore};
    let options = EmbeddedOptions::default().clock(Arc::clone(&context.clock));
    let store = Arc::new(KvDataStore::open(&settings.directory, options).await?);
    Ok(OpenDataStore::embedded(store).with_fact("directory", settings.directory.display().to_string()))
}

#[cfg(not(feature = "embedded"))]
pub(super) async fn open(_: &Embedded, context: &Context) -> Result<OpenDataStore, Error> {
    Err(crate::DataStoreKind::Embedded.not_here(&context.at).into())
}
