//! What a configuration says, where it says it, and the page that documents it.

#[cfg(feature = "toml")]
mod choice;
#[cfg(feature = "toml")]
mod data_store;
#[cfg(feature = "toml")]
mod document;
mod error;
#[cfg(feature = "toml")]
mod file;
#[cfg(all(feature = "toml", any(test, fuzzing)))]
mod fuzzing;
#[cfg(feature = "toml")]
mod page;
#[cfg(feature = "toml")]
pub(crate) mod secret;
#[cfg(feature = "toml")]
pub(crate) mod section;
#[cfg(feature = "toml")]
pub(crate) mod setting;
mod size;

#[cfg(feature = "toml")]
pub(crate) use choice::choice;
#[cfg(feature = "toml")]
pub(crate) use data_store::{Sited, TABLE as DATA_STORE};
pub use error::{ConfigError, Place};
#[cfg(feature = "toml")]
pub(crate) use file::{ConfigFile, Origin, read_file};
#[cfg(all(feature = "toml", any(test, fuzzing)))]
pub use fuzzing::config;
#[cfg(feature = "toml")]
pub use page::config_page;
#[cfg(feature = "toml")]
pub(crate) use section::section;
pub use size::{InvalidSize, Size};

#[cfg(feature = "toml")]
#[cfg(test)]
mod tests;
