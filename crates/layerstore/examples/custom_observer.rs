//! A custom observer: an index of cities by country, kept while records come, change and go; beside it a change feed.
//!
//! `cargo run --release -p layerstore --example custom_observer`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerstore::observer::{
    ChangeFeed, FeedItem, FeedStart, Mutation, MutationEvent, MutationObserver, ObserverError, Topic,
};
use layerstore::{Key, Layerstore, Record, Value};

type Failure = Box<dyn Error + Send + Sync>;

/// Which cities lie in which country, for the map `cities`.
#[derive(Debug, Default)]
pub(crate) struct CountryIndex {
    /// Guards both sides, which always agree.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cities: BTreeMap<String, BTreeSet<Key>>,
    country_of: BTreeMap<Key, String>,
}

impl CountryIndex {
    /// Returns the keys of the country's cities, in order.
    pub(crate) fn cities(&self, country: &str) -> Vec<Key> {
        self.lock()
            .cities
            .get(country)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Returns the countries with most cities.
    pub(crate) fn largest(&self, count: usize) -> Vec<(String, usize)> {
        let state = self.lock();
        let mut countries: Vec<_> = state
            .cities
            .iter()
            .map(|(of, keys)| (of.clone(), keys.len()))
            .collect();
        countries.sort_by_key(|(_, cities)| std::cmp::Reverse(*cities));
        countries.truncate(count);
        countries
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MutationObserver for CountryIndex {
    fn name(&self) -> &str {
        "country-index"
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        if mutation.map.as_str() != "cities" {
            return Ok(());
        }
        match mutation.event {
            MutationEvent::Put { key, record }
            | MutationEvent::Load { key, record }
            | MutationEvent::Update { key, record, .. }
            | MutationEvent::ReplicationPut { key, record, .. } => self.lock().set(key, country(record)),
            MutationEvent::Remove { key, .. } => self.lock().set(key, None),
            MutationEvent::Clear { .. } => *self.lock() = State::default(),
            _ => {}
        }
        Ok(())
    }
}

impl State {
    /// Depends on what the index knows, not on the event's previous value, which may be unknown.
    fn set(&mut self, key: &Key, country: Option<String>) {
        if let Some(old) = self.country_of.remove(key)
            && let Some(keys) = self.cities.get_mut(&old)
        {
            keys.remove(key);
        }
        if let Some(country) = country {
            self.cities
                .entry(country.clone())
                .or_default()
                .insert(key.clone());
            self.country_of.insert(key.clone(), country);
        }
    }
}

fn country(record: &Record) -> Option<String> {
    match record.value().value()?.at(["country"])? {
        Value::String(country) => Some(country.to_string()),
        _ => None,
    }
}

/// Fills a store with the cities of a file and tells how the index followed.
pub(crate) async fn run(file: &Path) -> Result<(Arc<CountryIndex>, usize), Failure> {
    let index = Arc::new(CountryIndex::default());
    let feed = Arc::new(ChangeFeed::builder("changes").build()?);
    let mut changes = feed.subscribe(FeedStart::Now, Topic::everything())?;
    let builder = Layerstore::builder().in_memory();
    let store = builder.observer(index.clone()).observer(feed).build().await?;

    let cities = store.map::<serde_json::Value>("cities")?;
    for line in tokio::fs::read_to_string(file).await?.lines() {
        let city: serde_json::Value = serde_json::from_str(line)?;
        let id = city["id"].as_str().unwrap_or_default().to_owned();
        cities.set(id, &city).await?;
    }
    // Berlin.
    cities.remove("2950159").await?;

    let mut told = 0;
    while let Some(item) = changes.try_next()? {
        match item {
            FeedItem::Change(_) => told += 1,
            FeedItem::Lagged { from, to } => println!("changes {from} to {to} were missed"),
        }
    }
    let report = store.close(Duration::from_secs(10)).await;
    if !report.is_complete() {
        return Err(format!("the store did not close cleanly: {report:?}").into());
    }
    Ok((index, told))
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Failure> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cities.jsonl");
    let (index, told) = run(&file).await?;
    println!("{told} changes");
    for (country, cities) in index.largest(5) {
        println!("{country}: {cities} cities of 100,000 or more");
    }
    println!("CH: {} cities", index.cities("CH").len());
    Ok(())
}
