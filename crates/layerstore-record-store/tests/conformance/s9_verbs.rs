//! S9: every verb does to memory, pending writes, data store and observers what `docs/verbs.md` says, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore, ScanRequest};
use layerstore_engine::Cursor;
use layerstore_record::{Clock, Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_record_store::{Compute, MergeSource, RecordStore, ScanPlace, Shutdown, WriteOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, RecordingDataStore};

use crate::queueing::QueueingDataStore;
use crate::stage::{Plan, Stage, key, ttl};

/// Where the key is before the verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    InMemory,
    Below,
    Nowhere,
}

/// A store whose every side can be watched.
struct Scene {
    stage: Stage,
    calls: Arc<RecordingDataStore>,
    queue: Arc<QueueingDataStore>,
    /// The record in memory before the verb.
    before: Option<Arc<Record>>,
    resident: usize,
}

const PLACES: [Place; 3] = [Place::InMemory, Place::Below, Place::Nowhere];

/// The columns of the table after the verb.
const COLUMNS: [&str; 4] = ["memory", "pending", "data store", "observers"];

impl Scene {
    async fn set_up(verb: &str, place: Place) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let queue = Arc::new(QueueingDataStore::new(Arc::clone(&below) as _));
        let calls = Arc::new(RecordingDataStore::new(Arc::clone(&queue) as _));
        let stage = Stage::over(Plan::default(), clock, below, Arc::clone(&calls) as _).await;
        if place != Place::Nowhere {
            Self::place(&stage, verb).await;
        }
        queue.drain();
        if place == Place::Below {
            stage.store.evict(&key("k")).await.unwrap();
        }
        if verb == "reset" || verb == "hard_flush" || verb == "soft_flush" {
            // What these are about: a write that is still on its way.
            stage.set("other", 1).await;
            stage.store.evict(&key("other")).await.unwrap();
        }
        let _ = (stage.observer.take(), calls.take());
        let (before, resident) = (stage.resident("k"), stage.store.resident_len());
        Self {
            stage,
            calls,
            queue,
            before,
            resident,
        }
    }

    /// Brings the key where the verb finds something to do.
    async fn place(stage: &Stage, verb: &str) {
        match verb {
            "sweep" => {
                stage.store.set(&key("k"), 1.into(), &ttl(10)).await.unwrap();
                stage.advance(10);
            }
            "promote" => drop(stage.store.put_backup(&key("k"), ahead(stage, 1)).await.unwrap()),
            _ => drop(stage.set("k", 1).await),
        }
    }

    fn memory(&self) -> &'static str {
        match (&self.before, self.stage.resident("k")) {
            (Some(before), Some(after)) if Arc::ptr_eq(before, &after) => "same",
            // A record that has ended is not shown any more, and is in memory until it is swept.
            (None, None) if self.stage.store.resident_len() < self.resident => "dropped",
            (None, None) => "same",
            (Some(_), Some(_)) => "replaced",
            (Some(_), None) => "dropped",
            (None, Some(_)) => "filled",
        }
    }

    fn pending(&self, before: usize) -> &'static str {
        match self.queue.pending_operation_count() {
            after if after > before => "added",
            after if after < before => "emptied",
            _ => "same",
        }
    }

    fn data_store(&self) -> String {
        let words: BTreeSet<_> = self.calls.calls().iter().map(|noted| word(noted.call)).collect();
        let words: Vec<_> = words.into_iter().collect();
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join(", ")
        }
    }

    fn observers(&self) -> String {
        let names = self.stage.observer.names();
        if names.is_empty() {
            "-".to_owned()
        } else {
            names.join(", ")
        }
    }
}

fn word(call: Call) -> &'static str {
    match call {
        Call::Claim => "claimed",
        Call::Apply | Call::TryApply => "written",
        Call::Load | Call::LoadAll => "read",
        Call::ScanPage => "scanned",
        Call::Clear => "cleared",
        Call::SoftFlush | Call::HardFlush => "flushed",
        Call::Reset => "reset",
        other => panic!("no verb calls {}", other.name()),
    }
}

/// A record of another owner, newer than what is there.
fn ahead(stage: &Stage, number: u64) -> Arc<Record> {
    let at = Timestamp::new(stage.clock.now().plus(1_000), 0, NodeId(9));
    Arc::new(Record::builder(RecordValue::lww(number, at), Version::new(at)).build())
}

/// Does a verb to the key.
async fn act(verb: &str, stage: &Stage) {
    let (store, k, options) = (&stage.store, &key("k"), &WriteOptions::DEFAULT);
    let page = ScanRequest::first(10);
    match verb {
        "map" => drop(store.map().clone()),
        "partition" => assert_eq!(store.partition(), 0),
        "owns" => assert!(store.owns(k)),
        "init" => store.init().await.unwrap(),
        "try_get" => drop(store.try_get(k)),
        "peek" => drop(store.peek(k)),
        "read" => drop(store.read(k, &mut |_| ())),
        "get" => drop(store.get(k).await.unwrap()),
        "get_all" => drop(store.get_all(std::slice::from_ref(k)).await.unwrap()),
        "contains" => drop(store.contains(k).await.unwrap()),
        "count" => drop(store.count().await.unwrap()),
        "try_set" => drop(store.try_set(k, 2.into(), options).unwrap()),
        "set" => drop(store.set(k, 2.into(), options).await.unwrap()),
        "put" => drop(store.put(k, 2.into(), options).await.unwrap()),
        "put_all" => all(store.put_all(vec![(k.clone(), 2.into())], options).await),
        "remove" => drop(store.remove(k).await.unwrap()),
        "remove_all" => all(store.remove_all(std::slice::from_ref(k)).await),
        "put_if_absent" => drop(store.put_if_absent(k, 2.into(), options).await.unwrap()),
        "replace" => replace(stage, k).await,
        "compute" => drop(
            store
                .compute(k, Box::new(|_| Compute::Put(2.into())))
                .await
                .unwrap(),
        ),
        "merge" => {
            let value = RecordValue::lww(2, Timestamp::new(stage.clock.now().plus(1), 0, NodeId(9)));
            drop(store.merge(k, value, MergeSource::Crdt, options).await.unwrap());
        }
        "put_backup" => drop(store.put_backup(k, ahead(stage, 2)).await.unwrap()),
        "promote" => drop(store.promote().await.unwrap()),
        "set_expiry" => drop(store.set_expiry(k, &ttl(1_000)).await.unwrap()),
        "load" => drop(store.load(k).await.unwrap()),
        "preload" => drop(store.preload(10).await.unwrap()),
        "scan_page" => drop(store.scan_page(page).await.unwrap()),
        "scan_unordered" => drop(store.scan_unordered(&ScanPlace::start(), 10).await.unwrap()),
        "resident_len" => assert!(store.resident_len() < 2),
        "scan_resident" => drop(store.scan_resident(&Cursor::start(), 10)),
        "evict" => drop(store.evict(k).await.unwrap()),
        "forget" => drop(store.forget(k).await.unwrap()),
        "clear_memory" => drop(store.clear_memory().await.unwrap()),
        "delete_all" => drop(store.delete_all().await.unwrap()),
        "reset" => drop(store.reset().await.unwrap()),
        "destroy" => drop(store.destroy(Shutdown::Map).await.unwrap()),
        "soft_flush" => assert_eq!(store.soft_flush(), 1),
        "hard_flush" => store.hard_flush().await.unwrap(),
        "sweep" => drop(store.sweep().await.unwrap()),
        "stats" => drop(store.stats()),
        "close" => assert!(store.close(Duration::from_secs(1)).await.is_complete()),
        other => panic!("the table has a verb {other} that there is not"),
    }
}

/// Replaces the version that is there; where there is none, no version can be expected.
async fn replace(stage: &Stage, k: &Key) {
    let below = stage.below.load(stage.store.map(), k).await.unwrap();
    let expected = below.map_or(Version::new(Timestamp::new(Millis(1), 0, NodeId(9))), |record| {
        record.version()
    });
    drop(
        stage
            .store
            .replace(k, expected, 2.into(), &WriteOptions::DEFAULT)
            .await,
    );
}

fn all<T>(results: Vec<Result<T, layerstore_record_store::RecordStoreError>>) {
    assert!(results.iter().all(Result::is_ok));
}

/// Says what a verb does: a word a column, or three where it matters where the key is.
async fn observed(verb: &str) -> [String; 4] {
    let mut seen: [Vec<String>; 4] = Default::default();
    for place in PLACES {
        let scene = Scene::set_up(verb, place).await;
        let pending = scene.queue.pending_operation_count();
        act(verb, &scene.stage).await;
        let effects = [
            scene.memory().to_owned(),
            scene.pending(pending).to_owned(),
            scene.data_store(),
            scene.observers(),
        ];
        for (column, effect) in seen.iter_mut().zip(effects) {
            column.push(effect);
        }
    }
    seen.map(|column| {
        let is_same = column.iter().all(|effect| *effect == column[0]);
        if is_same {
            column[0].clone()
        } else {
            column.join(" / ")
        }
    })
}

/// The rows of the table: a verb and its columns.
fn table() -> BTreeMap<String, [String; 4]> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verbs.md");
    let page = std::fs::read_to_string(path).expect("docs/verbs.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<_> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        let [verb, columns @ ..] = &cells[..] else {
            panic!("an empty row");
        };
        let columns: [String; 4] = columns[..4].to_vec().try_into().expect("four columns");
        (verb.trim_matches('`').to_owned(), columns)
    };
    rows.map(row).collect()
}

/// The methods of the trait, as its source names them.
fn methods() -> BTreeSet<String> {
    let source = include_str!("../../src/record_store.rs");
    let declared = |line: &str| {
        let line = line.trim_start();
        let name = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "))?;
        Some(name.split('(').next()?.to_owned())
    };
    source.lines().filter_map(declared).collect()
}

#[test]
fn s9_the_table_has_every_verb_once() {
    let rows: BTreeSet<_> = table().into_keys().collect();
    assert_eq!(rows, methods());
    assert!(rows.len() >= 35, "{}", rows.len());
}

#[tokio::test]
async fn s9_every_verb_does_what_the_table_says() {
    let mut wrong = Vec::new();
    for (verb, row) in table() {
        for ((column, written), seen) in COLUMNS.iter().zip(row).zip(observed(&verb).await) {
            if written != seen {
                wrong.push(format!(
                    "{verb}, {column}: the table says {written:?}, it is {seen:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
