//! Write-behind around whatever data store was opened: how it is asked for, opened and looked at.

mod asked;
mod forgotten;
#[cfg(feature = "write-behind")]
mod handle;
#[cfg(feature = "write-behind")]
mod opening;
#[cfg(feature = "toml")]
mod section;
#[cfg(feature = "write-behind")]
mod settings;

pub(crate) use asked::Asked;
use forgotten::note_forgotten_log;
#[cfg(feature = "write-behind")]
pub use handle::{Retried, WriteBehind};
#[cfg(feature = "write-behind")]
pub(crate) use opening::Behind;
#[cfg(feature = "toml")]
pub(crate) use section::{WriteBehindSection, asked};
#[cfg(feature = "write-behind")]
pub use settings::WriteBehindSettings;

use crate::backend::{Backend, Context, OpenDataStore};
use crate::config::ConfigError;
use crate::error::Error;

/// The table of a configuration that speaks of it.
pub(crate) const TABLE: &str = "write_behind";

/// The folder of the log within the directory of an embedded store.
pub(crate) const WITHIN_EMBEDDED: &str = "write-behind";

/// The folder of the log beside the configuration file of any other store.
#[cfg(all(feature = "toml", feature = "write-behind"))]
pub(crate) const BESIDE_FILE: &str = "layerstore-write-behind";

/// Finds what cannot work of a data store and of write-behind around it, before anything is opened.
pub(crate) fn check(backend: &Backend, asked: Option<&Asked>, at: &str) -> Result<(), ConfigError> {
    backend.check(at)?;
    asked.map_or(Ok(()), |asked| asked.check(Some(backend)))
}

/// Opens a data store, and write-behind around it where somebody asked for it.
pub(crate) async fn open(
    backend: &Backend,
    asked: Option<&Asked>,
    context: &Context,
) -> Result<OpenDataStore, Error> {
    let opened = backend.open(context).await?;
    match asked {
        Some(asked) => asked.around(opened, Some(backend), &context.clock).await,
        None => Ok(note_forgotten_log(backend, opened).await),
    }
}
