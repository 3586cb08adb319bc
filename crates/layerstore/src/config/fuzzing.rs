//! What reading a configuration must do with any bytes. The fuzz targets call it, and a test that replays their corpus; no
//! other build has it.

use std::path::Path;
use std::time::Duration;

use layerstore_record::Cost;
use layerstore_record_store::Period;
use toml::{Table, Value};

use super::file::{ConfigFile, read};
use super::size::Size;
use crate::backend::Backend;
use crate::settings::{MapSettings, MemoryLimit, OnExpiry};

/// Reads `input` as a configuration file, as a size and as a duration.
///
/// # Panics
/// When an error is longer than a line or points beyond the text, or when what is accepted says something else once it is written
/// down and read again.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(size) = text.parse::<Size>() {
        assert_eq!(size.to_string().parse(), Ok(size));
    }
    let file = Path::new("layerstore.toml");
    let config = match read(file, text) {
        Ok(config) => config,
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains('\n'), "an error is one line: {shown}");
            assert!(
                error
                    .place()
                    .is_none_or(|place| place.line <= text.split('\n').count())
            );
            return;
        }
    };
    let Some(written) = written(&config) else { return };
    let again = read(file, &written).map(|config| said(&config));
    assert_eq!(again, Ok(said(&config)), "{written}");
}

/// What a configuration says, without where.
fn said(config: &ConfigFile) -> String {
    let ConfigFile {
        node,
        backend,
        write_behind,
        shared,
        sweep_interval,
        purge_interval,
        tombstone_horizon,
        defaults,
        maps,
        origin: _,
    } = config;
    format!(
        "{node:?} {backend:?} {write_behind:?} {shared:?} {sweep_interval:?} {purge_interval:?} {tombstone_horizon:?} {defaults:?} {maps:?}"
    )
}

/// Writes a configuration as a file; `None` for numbers that TOML has no form for, and for write-behind, whose settings were turned into
/// those of its store.
fn written(config: &ConfigFile) -> Option<String> {
    if config.write_behind.is_some() {
        return None;
    }
    let mut file = Table::from_iter([("format".to_owned(), Value::Integer(1))]);
    if let Some(node) = config.node {
        file.insert("node_id".into(), format!("{:x}", node.0).into());
    }
    let mut data_store = Table::from_iter([("kind".to_owned(), config.backend.kind().name().into())]);
    match &config.backend {
        Backend::Embedded(settings) => {
            data_store.insert("path".into(), settings.directory.to_str()?.into());
        }
        Backend::Memory | Backend::Null => {}
        // Their secrets are not to be had.
        _ => return None,
    }
    file.insert("data_store".into(), data_store.into());
    let mut memory = Table::new();
    if config.shared != MemoryLimit::Shared {
        limit(&mut memory, config.shared)?;
    }
    file.insert("memory".into(), memory.into());
    let mut maintenance = Table::new();
    span(&mut maintenance, "sweep_interval", config.sweep_interval);
    span(&mut maintenance, "purge_interval", config.purge_interval);
    span(&mut maintenance, "tombstone_horizon", config.tombstone_horizon);
    file.insert("maintenance".into(), maintenance.into());
    let mut maps = Table::from_iter([(super::file::DEFAULT_MAP.to_owned(), map(&config.defaults)?.into())]);
    for (name, settings) in &config.maps {
        maps.insert(name.clone(), map(settings)?.into());
    }
    file.insert("map".into(), maps.into());
    Some(file.to_string())
}

fn map(settings: &MapSettings) -> Option<Table> {
    let mut table = Table::new();
    for (name, period) in [("ttl", &settings.ttl), ("max_idle", &settings.max_idle)] {
        match period {
            Period::Default => {}
            Period::Unlimited => drop(table.insert(name.into(), "none".into())),
            Period::Of(length) => span(&mut table, name, Some(*length)),
        }
    }
    limit(&mut table, settings.memory)?;
    if let Some(eviction) = &settings.eviction {
        table.insert("eviction".into(), eviction.to_string().into());
    }
    if let Some(expiry) = settings.expiry {
        let name = match expiry {
            OnExpiry::ThroughStore => "through-store",
            OnExpiry::MemoryOnly => "memory-only",
        };
        table.insert("expiry".into(), name.into());
    }
    if let Some(partitions) = settings.partitions {
        table.insert("partitions".into(), i64::from(partitions).into());
    }
    span(&mut table, "put_deadline", settings.put_deadline);
    span(&mut table, "store_deadline", settings.store_deadline);
    span(&mut table, "load_deadline", settings.load_deadline);
    match settings.absent_ttl {
        Some(Duration::ZERO) => drop(table.insert("absent_ttl".into(), "none".into())),
        length => span(&mut table, "absent_ttl", length),
    }
    Some(table)
}

fn limit(table: &mut Table, limit: MemoryLimit) -> Option<()> {
    let (name, value): (&str, Value) = match limit {
        MemoryLimit::Default => return Some(()),
        MemoryLimit::Shared => ("max_count", "none".into()),
        MemoryLimit::Count(count) => ("max_count", i64::try_from(count).ok()?.into()),
        MemoryLimit::Cost(Cost(cost)) => ("max_cost", Size(cost).to_string().into()),
    };
    table.insert(name.into(), value);
    Some(())
}

fn span(table: &mut Table, name: &str, length: Option<Duration>) {
    if let Some(length) = length {
        table.insert(name.into(), humantime::format_duration(length).to_string().into());
    }
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::proof;

    use super::config;

    #[test]
    fn r23_the_corpus_of_the_configuration_is_harmless() {
        proof::replay("config", |_, input| config(input));
    }
}
