use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use layerstore_record::{Cost, NodeId};
use layerstore_record_store::Period;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::data_store::{self, Reading};
use super::document::{Document, MapSection, MemorySection};
use super::error::{ConfigError, Place};
use super::section::Section;
use super::setting::{OrNone, Setting, Span, value};
use crate::backend::Backend;
use crate::behind::{self, Asked, WriteBehindSection};
use crate::settings::{MapSettings, MemoryLimit};

/// The version of the file's format.
const FORMAT: u64 = 1;

/// The table whose settings hold for every map.
pub(super) const DEFAULT_MAP: &str = "default";

/// What a configuration file says.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) node: Option<NodeId>,
    pub(crate) backend: Backend,
    pub(crate) write_behind: Option<Asked>,
    pub(crate) shared: MemoryLimit,
    pub(crate) sweep_interval: Option<Duration>,
    pub(crate) purge_interval: Option<Duration>,
    pub(crate) tombstone_horizon: Option<Duration>,
    pub(crate) defaults: MapSettings,
    pub(crate) maps: BTreeMap<String, MapSettings>,
    /// Where each setting stands, for errors that are found later.
    pub(crate) origin: Origin,
}

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    file: PathBuf,
    places: BTreeMap<String, Place>,
}

impl Origin {
    /// Returns a path beside the file.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Adds file and place to an error; one of a map whose own table says nothing is placed at the default's.
    pub(crate) fn locate(&self, error: ConfigError) -> ConfigError {
        let default = || {
            let (_, setting) = error.key().strip_prefix("map.")?.rsplit_once('.')?;
            self.places.get(&format!("map.{DEFAULT_MAP}.{setting}"))
        };
        let place = self.places.get(error.key()).or_else(default).copied();
        let place = place.or(error.place());
        error.at(place).in_file(&self.file)
    }
}

/// Reads a configuration file, off the runtime's threads.
///
/// # Errors
/// [`ConfigError`] with key, file, line and column.
pub(crate) async fn read_file(path: &Path) -> Result<ConfigFile, ConfigError> {
    let file = path.to_owned();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
    let unreadable = |why: String| ConfigError::new("", format!("it cannot be read: {why}")).in_file(path);
    let text = text.map_err(|error| unreadable(error.to_string()))?;
    let text = text.map_err(|error| unreadable(error.to_string()))?;
    read(path, &text)
}

/// Reads a configuration; `file` is for errors, and relative paths start beside it.
///
/// # Errors
/// [`ConfigError`] with key, file, line and column.
pub(crate) fn read(file: &Path, text: &str) -> Result<ConfigFile, ConfigError> {
    let mut origin = Origin {
        file: file.to_owned(),
        places: BTreeMap::new(),
    };
    let mut places = BTreeMap::new();
    let read = read_into(text, &origin, &mut places);
    origin.places = places;
    match read {
        Ok(config) => Ok(ConfigFile { origin, ..config }),
        Err(error) => Err(origin.locate(error)),
    }
}

fn read_into(
    text: &str,
    origin: &Origin,
    places: &mut BTreeMap<String, Place>,
) -> Result<ConfigFile, ConfigError> {
    let mut root = DeTable::parse(text).map_err(|error| wrong_at(text, String::new(), &error))?;
    let below = data_store::take(&mut root, text, (data_store::TABLE, data_store::TABLE))?;
    let behind = match root.get_ref().contains_key(behind::TABLE) {
        true => Some(data_store::take(&mut root, text, (behind::TABLE, behind::TABLE))?),
        false => None,
    };
    let document: Document = serde_path_to_error::deserialize(Deserializer::from(root))
        .map_err(|error| wrong(text, None, &error))?;
    note_places(&document, text, places);
    check_format(&document)?;
    let mut reading = Reading { text, origin, places };
    let backend = reading.backend(below, data_store::TABLE)?;
    let write_behind = match behind {
        Some(table) => {
            let whole = place(text, &table.span());
            reading.places.insert(behind::TABLE.to_owned(), whole);
            let sited = reading.section::<WriteBehindSection>(table, behind::TABLE)?;
            Some(behind::asked(&sited.section, origin)?)
        }
        None => None,
    };
    let config = interpret(document, backend)?;
    Ok(ConfigFile {
        write_behind,
        ..config
    })
}

/// Says what is wrong with a value, by the name that leads there, from the table `at` on.
pub(super) fn wrong(
    text: &str,
    at: Option<&str>,
    error: &serde_path_to_error::Error<toml::de::Error>,
) -> ConfigError {
    // The place of a value is read through a field of its own, which is no setting.
    let path = error.path().to_string();
    let key = path
        .split(".$__serde")
        .next()
        .filter(|key| *key != "." && !key.starts_with("$__serde"))
        .unwrap_or_default();
    let key = match (at, key) {
        (None, key) => key.to_owned(),
        (Some(at), "") => at.to_owned(),
        (Some(at), key) => format!("{at}.{key}"),
    };
    wrong_at(text, key, error.inner())
}

fn wrong_at(text: &str, key: String, error: &toml::de::Error) -> ConfigError {
    let what = error.message().lines().collect::<Vec<_>>().join(", ");
    ConfigError::new(key, what).at(error.span().map(|span| place(text, &span)))
}

fn check_format(document: &Document) -> Result<(), ConfigError> {
    match value(&document.format) {
        Some(FORMAT) => Ok(()),
        Some(other) => Err(ConfigError::new("format", unknown_format(other))),
        None => Err(ConfigError::new(
            "format",
            "it is missing: begin the file with `format = 1`",
        )),
    }
}

fn interpret(document: Document, backend: Backend) -> Result<ConfigFile, ConfigError> {
    let mut maps = BTreeMap::new();
    for (name, section) in document.map {
        let settings = map(&name, &section)?;
        maps.insert(name, settings);
    }
    Ok(ConfigFile {
        node: document.node_id.as_ref().map(node).transpose()?,
        backend,
        write_behind: None,
        shared: shared(&document.memory)?,
        sweep_interval: span(&document.maintenance.sweep_interval),
        purge_interval: span(&document.maintenance.purge_interval),
        tombstone_horizon: span(&document.maintenance.tombstone_horizon),
        defaults: maps.remove(DEFAULT_MAP).unwrap_or_default(),
        maps,
        origin: Origin::default(),
    })
}

fn unknown_format(found: u64) -> String {
    format!(
        "format {found} is not known to this version, which reads format {FORMAT}: update layerstore, or write the file anew"
    )
}

fn node(text: &Spanned<String>) -> Result<NodeId, ConfigError> {
    let text = text.get_ref();
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u64::from_str_radix(text, 16) {
        Ok(id) if digits => Ok(NodeId(id)),
        _ => Err(ConfigError::new("node_id", "write 1 to 16 hexadecimal digits")),
    }
}

fn shared(memory: &MemorySection) -> Result<MemoryLimit, ConfigError> {
    match (value(&memory.max_count), value(&memory.max_cost)) {
        (Some(_), Some(_)) => Err(both("memory")),
        (Some(count), None) => Ok(MemoryLimit::Count(count)),
        (None, Some(cost)) => Ok(MemoryLimit::Cost(Cost(cost.0))),
        (None, None) => Ok(MemoryLimit::Shared),
    }
}

fn map(name: &str, section: &MapSection) -> Result<MapSettings, ConfigError> {
    layerstore_record::MapName::new(name)
        .map_err(|error| ConfigError::new(format!("map.{name}"), error.to_string()))?;
    let memory = match (value(&section.max_count), value(&section.max_cost)) {
        (Some(OrNone::Some(_)), Some(OrNone::Some(_))) => return Err(both(&format!("map.{name}"))),
        (Some(OrNone::Some(count)), _) => MemoryLimit::Count(count),
        (_, Some(OrNone::Some(cost))) => MemoryLimit::Cost(Cost(cost.0)),
        (None, None) => MemoryLimit::Default,
        _ => MemoryLimit::Shared,
    };
    let none = Duration::ZERO;
    Ok(MapSettings {
        ttl: period(&section.ttl),
        max_idle: period(&section.max_idle),
        memory,
        eviction: section
            .eviction
            .as_ref()
            .map(|eviction| eviction.get_ref().clone()),
        expiry: value(&section.expiry),
        partitions: value(&section.partitions),
        put_deadline: span(&section.put_deadline),
        store_deadline: span(&section.store_deadline),
        load_deadline: span(&section.load_deadline),
        absent_ttl: value(&section.absent_ttl).map(|ttl| ttl.get().map_or(none, |span| span.0)),
    })
}

fn both(table: &str) -> ConfigError {
    ConfigError::new(
        format!("{table}.max_cost"),
        "max_count and max_cost contradict each other: set one of the two",
    )
}

fn period(setting: &Setting<OrNone<Span>>) -> Period {
    match value(setting) {
        None => Period::Default,
        Some(OrNone::None) => Period::Unlimited,
        Some(OrNone::Some(span)) => Period::Of(span.0),
    }
}

fn span(setting: &Setting<Span>) -> Option<Duration> {
    value(setting).map(|span| span.0)
}

/// Notes where the settings stand, for what is found wrong after the file was read.
fn note_places(document: &Document, text: &str, places: &mut BTreeMap<String, Place>) {
    let mut note = |table: &str, spans: Vec<(&str, Option<Range<usize>>)>| {
        for (setting, span) in spans {
            if let Some(span) = span {
                places.insert(format!("{table}{setting}"), place(text, &span));
            }
        }
    };
    note("", document.spans());
    note("memory.", document.memory.spans());
    note("maintenance.", document.maintenance.spans());
    for (name, section) in &document.map {
        note(&format!("map.{name}."), section.spans());
    }
}

/// Turns a range of bytes into line and column.
pub(super) fn place(text: &str, span: &Range<usize>) -> Place {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
