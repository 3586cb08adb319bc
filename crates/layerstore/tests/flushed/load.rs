//! Writers that are acknowledged out of the log, and what becomes of their writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use layerstore::data_store::MapDataStore as _;
use layerstore::postgres::PostgresDataStore;
use layerstore::{Key, Layerstore, MapName, Record, Records, ScanRequest, Value, WriteOptions};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Writers beside each other, each with keys of its own.
const WRITERS: u64 = 4;

/// Keys of a writer, which it writes in turn.
const KEYS: u64 = 4;

/// How long the queue may take to drain, and the store to close.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) const MAP: &str = "flushed";

/// The last number that was acknowledged of a key.
pub(crate) type Told = (Key, u64);

/// Writers that go on until told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    writers: JoinSet<Vec<Told>>,
}

impl Load {
    pub(crate) fn start(store: &Layerstore) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            writers.spawn(write(store.records(MAP).unwrap(), writer, stop, acknowledged));
        }
        Self {
            stop,
            acknowledged,
            writers,
        }
    }

    /// Ends the writers; returns how many writes were acknowledged, and the last of each key.
    pub(crate) async fn end(self) -> (u64, Vec<Told>) {
        self.stop.store(true, Ordering::Release);
        let told = self.writers.join_all().await.into_iter().flatten().collect();
        (self.acknowledged.load(Ordering::Relaxed), told)
    }
}

/// Writes rising numbers. None is refused: the log takes them, and where too many are pending they wait.
async fn write(
    records: Records,
    writer: u64,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Vec<Told> {
    let keys = (writer * KEYS..).take(KEYS.try_into().unwrap());
    let mut told: Vec<Told> = keys.map(|number| (key(number), 0)).collect();
    while !stop.load(Ordering::Acquire) {
        for (key, last) in &mut told {
            let next = *last + 1;
            let set = records.set(key, next.into(), &WriteOptions::unlimited()).await;
            set.expect("the log takes what the server does not");
            *last = next;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
    told
}

/// Waits until nothing is pending any more, without anybody flushing; then everything is in the database as it was acknowledged last.
pub(crate) async fn drains_by_itself(store: &Layerstore, direct: &PostgresDataStore, told: &[Told]) {
    let behind = store.write_behind().unwrap();
    let drained = async {
        while behind.status().pending > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let drained = timeout(DEADLINE, drained).await;
    drained.unwrap_or_else(|_| panic!("R18: the queue does not drain by itself: {:?}", behind.status()));
    assert_eq!(
        behind.dead_letters(),
        [],
        "R18: nothing was to be refused for good"
    );
    let (map, records) = (map(), store.records(MAP).unwrap());
    for (key, last) in told {
        let stored = direct.load(&map, key).await.unwrap();
        let held = stored.as_ref().map(number_of);
        assert_eq!(
            held,
            Some(*last),
            "R18: {key:?} holds another than was acknowledged last"
        );
        let read = records.get(key).await.unwrap();
        assert_eq!(
            read.as_deref().map(number_of),
            Some(*last),
            "R18: {key:?} as the store reads it"
        );
    }
    let all = direct.scan_page(&map, ScanRequest::first(2 * told.len()));
    assert_eq!(all.await.unwrap().records.len(), told.len());
}

pub(crate) fn map() -> MapName {
    MapName::new(MAP).unwrap()
}

pub(crate) fn keys() -> Vec<Key> {
    (0..WRITERS * KEYS).map(key).collect()
}

fn key(number: u64) -> Key {
    Key::new(format!("key:{number}")).unwrap()
}

pub(crate) fn number_of(record: &Record) -> u64 {
    match record.value().value().map(|value| &**value) {
        Some(Value::U64(number)) => *number,
        other => panic!("a record holds {other:?}, which nobody wrote"),
    }
}
