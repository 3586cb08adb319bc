//! Reads `[data_store]`: what it may hold depends on its kind.

use std::collections::BTreeMap;
#[cfg(any(test, feature = "postgres", feature = "_object"))]
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::document::DataStoreSection;
use super::error::{ConfigError, Place};
use super::file::{Origin, place, wrong};
#[cfg(any(feature = "postgres", feature = "_object"))]
use super::secret::Secret;
use super::section::{Described, Section};
use super::setting::Setting;
use crate::backend::{
    Backend, EmbeddedSection, NowhereSection, ObjectSection, PostgresSection, TIERS, Tiered, TieredSection,
    nested,
};
use crate::data_store_kind::DataStoreKind;

/// The table that says where records are kept.
pub(crate) const TABLE: &str = "data_store";

/// A table of a kind, with where it stands: what is needed to open the store later.
#[derive(Debug, Clone)]
pub(crate) struct Sited<S> {
    pub(crate) section: S,
    /// The name of the table, in dotted form.
    pub(crate) at: String,
    /// Where relative paths start.
    #[cfg(any(test, feature = "postgres", feature = "_object"))]
    pub(crate) directory: PathBuf,
}

/// The file that is being read.
pub(crate) struct Reading<'a> {
    pub(crate) text: &'a str,
    pub(crate) origin: &'a Origin,
    /// Where settings stand.
    pub(crate) places: &'a mut BTreeMap<String, Place>,
}

/// What the table of a kind may hold, as the documentation shows it and as kinds are told apart.
pub(crate) struct KindTable {
    pub(crate) kind: DataStoreKind,
    pub(crate) about: String,
    pub(crate) settings: Vec<Described>,
    /// The names of the tables in it.
    tables: &'static [&'static str],
}

/// The tables of all kinds.
pub(crate) fn kinds() -> Vec<KindTable> {
    fn of<S: Section>(kind: DataStoreKind) -> KindTable {
        KindTable {
            kind,
            about: S::about(),
            settings: S::described(),
            tables: S::tables(),
        }
    }
    vec![
        of::<EmbeddedSection>(DataStoreKind::Embedded),
        of::<PostgresSection>(DataStoreKind::Postgres),
        of::<ObjectSection>(DataStoreKind::Object),
        of::<TieredSection>(DataStoreKind::Tiered),
    ]
}

impl KindTable {
    fn knows(&self, name: &str) -> bool {
        self.tables.contains(&name) || self.settings.iter().any(|setting| setting.name == name)
    }
}

impl<S> Sited<S> {
    /// Makes an error of one of its settings.
    pub(crate) fn wrong(&self, setting: &str, what: impl Into<String>) -> ConfigError {
        ConfigError::new(format!("{}.{setting}", self.at), what)
    }

    /// Returns the name of a table in it, in dotted form.
    pub(crate) fn inner(&self, table: &str) -> String {
        format!("{}.{table}", self.at)
    }

    /// Refuses 0.
    pub(crate) fn at_least_one(&self, setting: &str, number: &Setting<u32>) -> Result<(), ConfigError> {
        match number {
            Some(number) if *number.get_ref() == 0 => Err(self.wrong(setting, "it must be at least 1")),
            _ => Ok(()),
        }
    }

    /// Finds a text that may be kept elsewhere, off the runtime's threads.
    #[cfg(any(feature = "postgres", feature = "_object"))]
    pub(crate) async fn secret(
        &self,
        setting: &str,
        secret: Option<&Spanned<Secret>>,
    ) -> Result<Option<String>, ConfigError> {
        let Some(secret) = secret else { return Ok(None) };
        let (secret, directory) = (secret.get_ref().clone(), self.directory.clone());
        let key = format!("{}.{setting}", self.at);
        let found = tokio::task::spawn_blocking(move || secret.find(&key, &directory)).await;
        found
            .unwrap_or_else(|_| Err(self.wrong(setting, "it was not read: the runtime is ending")))
            .map(Some)
    }

    /// Settings that come from the command line: relative paths start where the process does.
    pub(crate) fn of_argument(section: S) -> Self {
        Self {
            section,
            at: TABLE.to_owned(),
            #[cfg(any(test, feature = "postgres", feature = "_object"))]
            directory: PathBuf::new(),
        }
    }
}

impl Reading<'_> {
    /// Reads a table that describes a data store; `at` is its name.
    pub(crate) fn backend(
        &mut self,
        mut table: Spanned<DeTable<'_>>,
        at: &str,
    ) -> Result<Backend, ConfigError> {
        let kind = self.kind(&mut table, at)?;
        self.refuse_misplaced(&table, kind, at)?;
        Ok(match kind {
            DataStoreKind::Embedded => Backend::Embedded(crate::backend::Embedded::of_section(
                &self.section::<EmbeddedSection>(table, at)?.section,
                at,
                self.origin,
            )?),
            DataStoreKind::Memory => {
                self.section::<NowhereSection>(table, at)?;
                Backend::Memory
            }
            DataStoreKind::Null => {
                self.section::<NowhereSection>(table, at)?;
                Backend::Null
            }
            DataStoreKind::Postgres => Backend::Postgres(Box::new(self.section(table, at)?)),
            DataStoreKind::Object => Backend::Object(Box::new(self.object(table, at)?)),
            DataStoreKind::Tiered if at != TABLE => return Err(nested(at)),
            DataStoreKind::Tiered if cfg!(feature = "tiered") => {
                Backend::Tiered(Box::new(self.tiered(table, at)?))
            }
            other => Backend::Absent(other),
        })
    }

    fn tiered(&mut self, mut table: Spanned<DeTable<'_>>, at: &str) -> Result<Tiered, ConfigError> {
        let [hot, cold] = TIERS.map(|name| self.tier(&mut table, at, name));
        Ok(Tiered {
            hot: hot?,
            cold: cold?,
            own: self.section(table, at)?,
        })
    }

    /// Reads the table of one of the stores that another one is made of.
    fn tier(
        &mut self,
        around: &mut Spanned<DeTable<'_>>,
        at: &str,
        name: &str,
    ) -> Result<Backend, ConfigError> {
        let inner = format!("{at}.{name}");
        if !around.get_ref().contains_key(name) {
            let what = format!(
                "it is missing: write a table [{inner}] with the kind and settings of the {name} store"
            );
            return Err(ConfigError::new(inner, what));
        }
        let table = take(around, self.text, (&inner, name))?;
        self.backend(table, &inner)
    }

    fn object(&mut self, table: Spanned<DeTable<'_>>, at: &str) -> Result<Sited<ObjectSection>, ConfigError> {
        let sited: Sited<ObjectSection> = self.section(table, at)?;
        for (name, value) in &sited.section.options {
            let place = place(self.text, &value.span());
            self.places.insert(format!("{at}.options.{name}"), place);
        }
        Ok(sited)
    }

    /// Takes the kind out of the table.
    fn kind(&mut self, table: &mut Spanned<DeTable<'_>>, at: &str) -> Result<DataStoreKind, ConfigError> {
        let span = table.span();
        let taken = table.get_mut().remove_entry(KIND);
        let alone = Spanned::new(span, taken.into_iter().collect::<DeTable<'_>>());
        let section = self.section::<DataStoreSection>(alone, at)?.section;
        Ok(section
            .kind
            .map_or_else(DataStoreKind::default, Spanned::into_inner))
    }

    /// Refuses the setting of another kind by the name of that kind.
    fn refuse_misplaced(
        &self,
        table: &Spanned<DeTable<'_>>,
        kind: DataStoreKind,
        at: &str,
    ) -> Result<(), ConfigError> {
        let kinds = kinds();
        for key in table.get_ref().keys() {
            let name: &str = key.get_ref();
            let own = kinds.iter().find(|known| known.kind == kind);
            if own.is_some_and(|own| own.knows(name)) {
                continue;
            }
            if let Some(other) = kinds.iter().find(|known| known.knows(name)) {
                let what = format!(
                    "it goes with kind = {:?}, and kind is {:?}: take one of the two out",
                    other.kind.name(),
                    kind.name()
                );
                let error = ConfigError::new(format!("{at}.{name}"), what);
                let value = table
                    .get_ref()
                    .get(name)
                    .map_or_else(|| key.span(), Spanned::span);
                return Err(error.at(Some(place(self.text, &value))));
            }
        }
        Ok(())
    }

    /// Reads a table as the settings of a kind.
    pub(crate) fn section<S: Section>(
        &mut self,
        table: Spanned<DeTable<'_>>,
        at: &str,
    ) -> Result<Sited<S>, ConfigError> {
        let read = serde_path_to_error::deserialize(Deserializer::from(table));
        let section: S = read.map_err(|error| wrong(self.text, Some(at), &error))?;
        for (setting, span) in section.spans() {
            if let Some(span) = span {
                self.places
                    .insert(format!("{at}.{setting}"), place(self.text, &span));
            }
        }
        Ok(Sited {
            section,
            at: at.to_owned(),
            #[cfg(any(test, feature = "postgres", feature = "_object"))]
            directory: self.origin.beside(""),
        })
    }
}

const KIND: &str = "kind";

/// Takes a table out of the one around it; an empty one where there is none.
pub(crate) fn take<'i>(
    around: &mut Spanned<DeTable<'i>>,
    text: &str,
    (at, name): (&str, &str),
) -> Result<Spanned<DeTable<'i>>, ConfigError> {
    let span = around.span();
    match around.get_mut().remove(name) {
        None => Ok(Spanned::new(span, DeTable::new())),
        Some(value) => {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => Ok(Spanned::new(span, table)),
                _ => {
                    Err(ConfigError::new(at, "it is a table: write it as `[NAME]`")
                        .at(Some(place(text, &span))))
                }
            }
        }
    }
}
