//! A cache in front of a slow source: each look-up reads a file from the start, unless memory has the answer.
//!
//! `cargo run --release -p layerstore --example slow_source`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use layerstore::{Layerstore, Map, MapSettings};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct City {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) population: u64,
}

/// The source: correct, and slow.
pub(crate) struct SlowSource {
    file: PathBuf,
    pub(crate) look_ups: AtomicUsize,
}

/// The source with a cache in front of it.
#[derive(Clone)]
pub(crate) struct Cities {
    source: Arc<SlowSource>,
    cache: Map<Option<City>>,
}

impl SlowSource {
    /// Reads the file until the city comes.
    async fn find(&self, id: &str) -> Result<Option<City>, Box<dyn Error + Send + Sync>> {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        let mut lines = BufReader::new(File::open(&self.file).await?).lines();
        while let Some(line) = lines.next_line().await? {
            let city: City = serde_json::from_str(&line)?;
            if city.id == id {
                return Ok(Some(city));
            }
        }
        Ok(None)
    }
}

impl Cities {
    /// Puts a cache of at most 1,000 answers, each for an hour, in front of the file.
    pub(crate) async fn open(file: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let answers = MapSettings::new()
            .max_count(1_000)
            .ttl(Duration::from_secs(3_600));
        // Nothing is kept on disk: what is lost can be looked up again.
        let store = Layerstore::builder()
            .in_memory()
            .map("cities", answers)
            .build()
            .await?;
        let source = Arc::new(SlowSource {
            file: file.to_owned(),
            look_ups: AtomicUsize::new(0),
        });
        Ok(Self {
            source,
            cache: store.map("cities")?,
        })
    }

    /// Finds a city. However many ask for one at the same time, the source is asked once; that there is none is an answer too.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<City>, Box<dyn Error + Send + Sync>> {
        self.cache.get_or_insert_with(id, self.source.find(id)).await
    }

    pub(crate) fn look_ups(&self) -> usize {
        self.source.look_ups.load(Ordering::Relaxed)
    }
}

/// Asks for the same cities again and again, from many tasks.
pub(crate) async fn run(file: &Path) -> Result<Cities, Box<dyn Error + Send + Sync>> {
    let cities = Cities::open(file).await?;
    let ids = ["2950159", "1850147", "3448439", "no such city"];
    let mut tasks = Vec::new();
    for number in 0..200 {
        let cities = cities.clone();
        tasks.push(tokio::spawn(
            async move { cities.find(ids[number % ids.len()]).await },
        ));
    }
    for task in tasks {
        task.await??;
    }
    Ok(cities)
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cities.jsonl");
    let cities = run(&file).await?;
    let berlin = cities.find("2950159").await?.ok_or("Berlin is not in the file")?;
    println!(
        "{} ({}) has {} inhabitants",
        berlin.name, berlin.country, berlin.population
    );
    println!("201 questions, {} look-ups", cities.look_ups());
    Ok(())
}
