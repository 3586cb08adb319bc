//! What a configuration says, where it says it, and the page that documents it.

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
mod section;
#[cfg(feature = "toml")]
mod setting;
mod size;

pub use error::{ConfigError, Place};
#[cfg(feature = "toml")]
pub(crate) use file::{ConfigFile, Origin, read};
#[cfg(all(feature = "toml", any(test, fuzzing)))]
pub use fuzzing::config;
#[cfg(feature = "toml")]
pub use page::config_page;
pub use size::{InvalidSize, Size};

#[cfg(feature = "toml")]
#[cfg(test)]
mod tests;
