use std::pin::pin;

use futures::TryStreamExt;
use layerstore::record_store::Limit;
use layerstore::{Layerstore, MapName, OpenDataStore, Records, ScanRequest};

use crate::args::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, say, shown};

/// Reads from every map, and shows what is configured and what is worth knowing about it.
pub(super) async fn run(store: &Layerstore, place: &Place, form: Form) -> Result<Exit, Failure> {
    let mut maps = Vec::new();
    let mut findings = Vec::new();
    for map in store.list_maps().await? {
        let records = store.records(map.as_str())?;
        // The first record of every map shows that the store answers; `verify` reads all of them.
        let mut scan = pin!(records.scan(&ScanRequest::first(1)));
        if scan.try_next().await?.is_none() {
            findings.push(format!("map {} has no records", shown(map.as_str())));
        }
        let limit = records.config().budget.limit();
        if limit == Limit::Unlimited {
            findings.push(format!(
                "map {} may fill memory: set max_cost in [memory], or for the map",
                shown(map.as_str())
            ));
        }
        maps.push((map, records));
    }
    if maps.is_empty() {
        findings.push("there are no maps yet".to_owned());
    }
    let opened = store.open_data_store();
    findings.extend(opened.notes().iter().cloned());
    match form {
        Form::Text => text(place, opened, &maps, &findings),
        Form::Json => json(opened, &maps, &findings),
    }?;
    Ok(Exit::Done)
}

fn text(
    place: &Place,
    opened: &OpenDataStore,
    maps: &[(MapName, Records)],
    findings: &[String],
) -> Result<(), Failure> {
    say(&format!("data store: {}, {}", opened.name(), place.shown()))?;
    say_facts("  ", opened)?;
    for (name, tier) in opened.tiers() {
        say(&format!("  {name}: {}", tier.store().name()))?;
        say_facts("    ", tier)?;
    }
    for (map, records) in maps {
        let settings: Vec<_> = settings(records)
            .into_iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        say(&format!("map {}: {}", shown(map.as_str()), settings.join(", ")))?;
    }
    for finding in findings {
        say(&format!("note: {finding}"))?;
    }
    say("ok: the store opens and every map can be read")
}

fn say_facts(indent: &str, opened: &OpenDataStore) -> Result<(), Failure> {
    facts(opened)
        .into_iter()
        .try_for_each(|(name, value)| say(&format!("{indent}{name}: {}", shown(&value))))
}

/// Returns what was found when the store was opened, and what it can hold.
fn facts(opened: &OpenDataStore) -> Vec<(&'static str, String)> {
    let limits = opened.store().limits();
    let mut facts = opened.facts().to_vec();
    facts.push(("longest key", format!("{} bytes", limits.key_bytes)));
    if limits.record_bytes < usize::MAX {
        facts.push(("largest record", format!("{} bytes", limits.record_bytes)));
    }
    let conditional = if limits.compare_and_set { "yes" } else { "no" };
    facts.push(("conditional writes", conditional.to_owned()));
    facts
}

fn json(opened: &OpenDataStore, maps: &[(MapName, Records)], findings: &[String]) -> Result<(), Failure> {
    let maps: serde_json::Map<_, _> = maps
        .iter()
        .map(|(map, records)| {
            let settings = settings(records)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()));
            (map.to_string(), serde_json::Value::Object(settings.collect()))
        })
        .collect();
    let mut said = found(opened);
    said.insert("maps".to_owned(), maps.into());
    said.insert("notes".to_owned(), findings.into());
    let tiers: serde_json::Map<_, _> = opened
        .tiers()
        .iter()
        .map(|(name, tier)| ((*name).to_owned(), found(tier).into()))
        .collect();
    if !tiers.is_empty() {
        said.insert("tiers".to_owned(), tiers.into());
    }
    say(&serde_json::Value::Object(said).to_string())
}

/// Says what a store is and what was found when it was opened.
fn found(opened: &OpenDataStore) -> serde_json::Map<String, serde_json::Value> {
    let facts: serde_json::Map<_, _> = facts(opened)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let kind = opened.name();
    [
        ("data_store".to_owned(), kind.into()),
        ("found".to_owned(), facts.into()),
    ]
    .into_iter()
    .collect()
}

/// Returns the settings that hold for a map.
fn settings(records: &Records) -> Vec<(&'static str, String)> {
    let config = records.config();
    let span = |span: Option<std::time::Duration>| {
        span.map_or_else(
            || "none".to_owned(),
            |span| humantime::format_duration(span).to_string(),
        )
    };
    let memory = match config.budget.limit() {
        Limit::Count(count) => format!("{count} records"),
        Limit::Cost(cost) => layerstore::Size(cost.0).to_string(),
        _ => "unlimited".to_owned(),
    };
    vec![
        ("ttl", span(config.ttl)),
        ("max_idle", span(config.max_idle)),
        ("memory", memory),
        ("eviction", config.eviction.name().to_owned()),
        ("partitions", records.partition_count().to_string()),
    ]
}
