use crate::config::ConfigError;

/// A kind of data store, as a configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "toml", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum DataStoreKind {
    /// In a directory of this machine.
    #[default]
    Embedded,
    /// In this process's memory, beside the records' own: for tests.
    Memory,
    /// Nowhere: records live as long as the process.
    Null,
    /// In a PostgreSQL database.
    Postgres,
    /// In an object store.
    Object,
    /// In a hot and a cold store.
    Tiered,
}

impl DataStoreKind {
    /// Returns the name used in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Memory => "memory",
            Self::Null => "null",
            Self::Postgres => "postgres",
            Self::Object => "object",
            Self::Tiered => "tiered",
        }
    }

    /// Refuses a kind that this build has not.
    pub(crate) fn check_available(self, at: &str) -> Result<(), ConfigError> {
        match self {
            Self::Memory | Self::Null => Ok(()),
            Self::Embedded if cfg!(feature = "embedded") => Ok(()),
            Self::Postgres if cfg!(feature = "postgres") => Ok(()),
            Self::Object if cfg!(feature = "_object") => Ok(()),
            Self::Tiered if cfg!(feature = "tiered") => Ok(()),
            _ => Err(self.not_here(at)),
        }
    }

    /// Says which feature brings this kind.
    pub(crate) fn not_here(self, at: &str) -> ConfigError {
        let what = match self {
            Self::Object => absent(self.name(), "s3"),
            other => absent(other.name(), other.name()),
        };
        ConfigError::new(format!("{at}.kind"), what)
    }
}

/// Says which feature brings it.
pub(crate) fn absent(what: &str, feature: &str) -> String {
    format!(
        "{what:?} needs the cargo feature `{feature}`, which this build does not have: build with `--features {feature}`"
    )
}
