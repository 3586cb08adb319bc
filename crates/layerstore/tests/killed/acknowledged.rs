//! R1, R2: kill -9 while eight writers go on through write-behind into the embedded store, and again while the next run takes over:
//! whatever was acknowledged is there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{MapDataStore, MapDataStoreExt, Write};
use layerstore_embedded::{EmbeddedOptions, KvDataStore};
use layerstore_record::{Key, MapName, Record, RecordValue, SystemClock, Version};
use layerstore_testkit::killed::{self, Acknowledged, Errand, Then};
use layerstore_testkit::proof;
use layerstore_testkit::records::version;
use layerstore_write_behind::{DiskStorage, LogOptions, WriteBehindDataStore, WriteBehindOptions};

const TEST: &str =
    "acknowledged::r01_acknowledged_writes_survive_kill_9_and_another_while_they_are_taken_over";

const WRITERS: u64 = 8;
const KEYS: u64 = 400;
/// A run has versions of its own.
const VERSIONS_A_RUN: u64 = 1_000_000;
/// Each opening replays what the stores behind have kept: a new directory now and then keeps cycles equally long.
const CYCLES_PER_DIRECTORY: u64 = 25;
/// A second kill comes in every fifth cycle.
const DOUBLE_KILLS: u64 = 5;
const DEADLINE: Duration = Duration::from_secs(30);

const OPENING: &str = "OPENING";
const OPENED: &str = "OPENED";

/// When a process is killed.
#[derive(Clone, Copy)]
enum Kill {
    /// After so many acknowledgements.
    Writing(u64),
    /// Before it opens its log: it may get anywhere until the kill arrives.
    Opening,
    /// When it has opened its log, and brings what was in it to the store.
    TakingOver,
}

#[test]
fn r01_acknowledged_writes_survive_kill_9_and_another_while_they_are_taken_over() {
    if let Some(errand) = killed::errand() {
        return write_until_killed(&errand);
    }
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    // A tenth runs in CI: 100 of 1,000, and 20 double kills of 200.
    let cycles = proof::scaled(1_000).max(100);
    let mut dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let (mut doubles, mut pending) = (0, 0);
    for cycle in 0..cycles {
        if cycle % CYCLES_PER_DIRECTORY == 0 {
            dir = tempfile::tempdir().unwrap();
            acknowledged.forget();
        }
        let run = cycle * 2 + 1;
        let kill = Kill::Writing(rng.u64(1..1_500));
        run_and_kill(dir.path(), run, kill, &mut acknowledged);
        if cycle % DOUBLE_KILLS == 0 {
            doubles += 1;
            let kill = if rng.bool() {
                Kill::Opening
            } else {
                Kill::TakingOver
            };
            run_and_kill(dir.path(), run + 1, kill, &mut acknowledged);
        }
        pending += check(dir.path(), &acknowledged);
    }
    assert!(pending > 0, "no kill left anything to be taken over");
    let counts = [
        ("cycles", cycles),
        ("double_kills", doubles),
        ("acknowledged", acknowledged.count()),
        ("taken_over", pending),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R01", &counts);
}

fn run_and_kill(dir: &Path, run: u64, kill: Kill, acknowledged: &mut Acknowledged) {
    let before = acknowledged.count();
    let errand = Errand {
        directory: dir.to_owned(),
        run,
        seed: 0,
    };
    killed::until_killed(TEST, &errand, |line| {
        acknowledged.hear(line);
        let is_time = match kill {
            Kill::Writing(after) => acknowledged.count() - before >= after,
            Kill::Opening => line == OPENING,
            Kill::TakingOver => line == OPENED,
        };
        if is_time { Then::Kill } else { Then::Live }
    });
}

async fn open(dir: &Path) -> WriteBehindDataStore {
    let behind = KvDataStore::open(dir.join("store"), EmbeddedOptions::default())
        .await
        .unwrap();
    let options = WriteBehindOptions::default()
        .delay(Duration::from_millis(5))
        .batch_records(50);
    let log = LogOptions::default().segment_bytes(64 << 10).max_bytes(16 << 20);
    let builder = WriteBehindDataStore::builder(Arc::new(behind), Arc::new(SystemClock));
    let storage = DiskStorage::open(dir.join("log")).unwrap();
    builder
        .options(options)
        .log(Arc::new(storage), log)
        .open()
        .await
        .unwrap()
        .0
}

/// Checks what the next run finds, in memory and then in the final store; returns how much was to be taken over.
fn check(dir: &Path, acknowledged: &Acknowledged) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(dir).await;
        let taken_over = store.pending_operation_count() as u64;
        store.claim(&map()).await.unwrap();
        find_all(&store, acknowledged).await;
        store.hard_flush().await.unwrap();
        assert!(store.close(DEADLINE).await.is_complete());
        drop(store);
        let behind = KvDataStore::open(dir.join("store"), EmbeddedOptions::default())
            .await
            .unwrap();
        find_all(&behind, acknowledged).await;
        assert!(behind.close(DEADLINE).await.is_complete());
        taken_over
    })
}

async fn find_all(store: &dyn MapDataStore, all: &Acknowledged) {
    for number in 0..KEYS {
        let found = store.load(&map(), &key(number)).await.unwrap();
        let found_at = found.as_ref().map(Record::version);
        let acknowledged = all.newest(number).map(version);
        assert!(
            found_at >= acknowledged,
            "key {number}: {found_at:?}, acknowledged {acknowledged:?}"
        );
        if let Some(record) = found {
            assert_eq!(
                record.value(),
                &value(number, record.version()),
                "a value that was never written"
            );
        }
    }
}

fn write_until_killed(errand: &Errand) {
    let start = errand.run * VERSIONS_A_RUN;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        killed::tell(OPENING);
        let store = open(&errand.directory).await;
        killed::tell(OPENED);
        store.claim(&map()).await.unwrap();
        futures::future::join_all((0..WRITERS).map(|writer| write_forever(&store, start, writer))).await;
    });
}

/// Writes to keys of its own, so that versions rise in the order of acknowledgements.
async fn write_forever(store: &WriteBehindDataStore, start: u64, writer: u64) {
    // A run that nobody kills ends by itself, far beyond what its parent waits for.
    for round in 0..100_000 {
        let (number, at) = (round % (KEYS / WRITERS) * WRITERS + writer, start + round);
        let record = Record::builder(value(number, version(at)), version(at)).build();
        let answer = store
            .apply_one(Write::new(map(), key(number), Arc::new(record)))
            .await;
        assert!(answer.is_applied(), "{answer:?}");
        killed::acknowledge([number], at);
    }
}

fn map() -> MapName {
    MapName::new("killed").expect("a short name")
}

fn key(number: u64) -> Key {
    Key::new(format!("key:{number:04}")).expect("a short key")
}

fn value(number: u64, at: Version) -> RecordValue {
    RecordValue::lww(format!("value {number} at {at}"), at.timestamp())
}
