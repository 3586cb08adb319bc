//! The process that owns a map until another one claims it.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use futures::TryStreamExt;
use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt as _, ScanRequest, Write, WriteResult};
use layerstore_record::MapName;

use super::{Held, MARK, PLACE_VARIABLE};
use crate::records::{key, record};

/// Writers beside each other, with keys of their own.
const WRITERS: u64 = 4;

/// Keys of each writer, of which a batch writes two.
const KEYS: u64 = 5;

/// Versions that a process gives at most: one that nobody fences ends by itself.
const MOST_VERSIONS: u64 = 1_000_000;

/// Returns the place of the store, in a process that was started to own the map; `None` in the test itself.
#[must_use]
pub fn place() -> Option<String> {
    std::env::var(PLACE_VARIABLE).ok()
}

/// Claims the map, and does what the test asks for until it is fenced or the test is gone.
///
/// # Panics
/// When the store answers what it must not: then the test learns of it, since this process ends.
pub async fn own(store: Arc<dyn MapDataStore>) {
    let map = MapName::new("takeover").expect("a short name");
    let claim = store.claim(&map).await.expect("a claim");
    let held = hold(&*store, &map).await;
    let highest = held.values().max().copied().unwrap_or_default();
    let high_water = claim.high_water.millis().0;
    assert!(high_water >= highest, "{high_water} does not cover {highest}");
    tell_held(&held);
    while let Some(order) = order().await {
        match order.as_str() {
            "LOOK" => tell_held(&hold(&*store, &map).await),
            _ => return write(&store, &map, highest + 1).await,
        }
    }
}

/// The next line of the test.
async fn order() -> Option<String> {
    let read = || std::io::stdin().lock().lines().next();
    let line = tokio::task::spawn_blocking(read).await;
    line.ok().flatten().and_then(Result::ok)
}

/// Writes until every writer was told that the map belongs to somebody else.
async fn write(store: &Arc<dyn MapDataStore>, map: &MapName, from: u64) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_until_fenced(Arc::clone(store), map.clone(), writer, from));
    }
    writers.join_all().await;
    tell("FENCED\n");
}

async fn write_until_fenced(store: Arc<dyn MapDataStore>, map: MapName, writer: u64, from: u64) {
    for version in from..from + MOST_VERSIONS {
        let numbers = [0, 1].map(|next| (version + next) % KEYS * WRITERS + writer);
        let writes = numbers.map(|number| Write::new(map.clone(), key(number), record(version)));
        for (number, answer) in numbers.into_iter().zip(store.apply(writes.into()).await) {
            match answer {
                WriteResult::Applied => tell(&format!("ACK {} {version}\n", key(number).as_str())),
                WriteResult::Rejected(error) if error.kind() == ErrorKind::Fenced => return,
                other => panic!("the owner of a map is served until it is fenced: {other:?}"),
            }
        }
    }
}

/// Everything in the map, which must be what was written under its version.
async fn hold(store: &dyn MapDataStore, map: &MapName) -> Held {
    let all = store.scan(map, ScanRequest::first(1_000)).try_collect::<Vec<_>>();
    let all = all.await.expect("a scan").into_iter();
    all.map(|(key, found)| {
        let version = found.version().millis().0;
        assert_eq!(
            found,
            *record(version),
            "{key:?}: value and version belong together"
        );
        (key.as_str().to_owned(), version)
    })
    .collect()
}

fn tell_held(held: &Held) {
    let lines = held
        .iter()
        .map(|(key, version)| format!("{MARK}HELD {key} {version}\n"));
    tell(&format!("ALL\n{}{MARK}END\n", lines.collect::<String>()));
}

/// Writes a whole line at once; the harness may have begun one of its own.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    let told = out
        .write_all(format!("\n{MARK}{line}").as_bytes())
        .and_then(|()| out.flush());
    told.expect("the test reads what is told");
}
