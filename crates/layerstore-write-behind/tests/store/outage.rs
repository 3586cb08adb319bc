//! R17: the store behind is down while writes go on; and it comes back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt, Write};
use layerstore_record::{Key, Record, RecordValue};
use layerstore_testkit::doubles::{Call, Fault};
use layerstore_testkit::proof;
use layerstore_write_behind::{
    DiskStorage, LogOptions, SyncPolicy, WhenFull, WriteBehindDataStore, WriteBehindOptions,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::support::{Behind, key, map, quick, version};

const WRITERS: u64 = 8;
const WRITES_A_SECOND: u64 = 2_000;
const KEYS: u64 = 32_000;
const MAX_BYTES: u64 = 32 << 20;

/// What was acknowledged: the newest version of each key.
type Acknowledged = Arc<Mutex<BTreeMap<Key, u64>>>;

fn value(number: u64, at: u64) -> Arc<Record> {
    let text = format!(
        "{number}:{at}:{}",
        "x".repeat(usize::try_from(at % 1_200).unwrap())
    );
    Arc::new(Record::builder(RecordValue::lww(text, version(at).timestamp()), version(at)).build())
}

/// Writes at a steady pace until the time is over; each writer has keys of its own.
async fn write(
    store: Arc<WriteBehindDataStore>,
    writer: u64,
    until: Instant,
    acknowledged: Acknowledged,
    seed: u64,
) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed ^ writer);
    let mut pace = interval(Duration::from_millis(1_000 * WRITERS / WRITES_A_SECOND));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut at, mut written) = (1_000_000 * (writer + 1), 0);
    while Instant::now() < until {
        pace.tick().await;
        at += 1;
        let number = rng.u64(0..KEYS / WRITERS) * WRITERS + writer;
        let answer = store
            .apply_one(Write::new(map(), key(number), value(number, at)))
            .await;
        assert!(
            answer.is_applied(),
            "a write within the bounds of the log was refused: {answer:?}"
        );
        acknowledged.lock().unwrap().insert(key(number), at);
        written += 1;
    }
    written
}

/// Reads keys at random, and all of them now and then.
async fn read(
    store: Arc<WriteBehindDataStore>,
    until: Instant,
    acknowledged: Acknowledged,
    seed: u64,
) -> (u64, u64) {
    let mut rng = fastrand::Rng::with_seed(seed ^ 99);
    let (mut reads, mut most) = (0, 0);
    while Instant::now() < until {
        most = most.max(store.status().pending_bytes);
        let known = acknowledged
            .lock()
            .unwrap()
            .iter()
            .nth(rng.usize(0..1_000))
            .map(|(key, at)| (key.clone(), *at));
        let Some((key, at)) = known else {
            tokio::task::yield_now().await;
            continue;
        };
        let record = store
            .load(&map(), &key)
            .await
            .unwrap()
            .expect("an acknowledged record is not there");
        assert!(
            record.version() >= version(at),
            "an older version than the one that was acknowledged"
        );
        reads += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (reads, most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_an_outage_loses_nothing_and_stays_within_its_memory() {
    let seed = proof::seed();
    let seconds = if proof::is_full() { 600 } else { 30 };
    let folder = tempfile::Builder::new()
        .prefix("layerstore-outage-")
        .tempdir()
        .unwrap();
    let behind = Behind::new();
    let options: WriteBehindOptions = quick().max_bytes(MAX_BYTES).when_full(WhenFull::Spill);
    let log = LogOptions::default().sync(SyncPolicy::Interval(Duration::from_millis(10)));
    let builder = WriteBehindDataStore::builder(
        Arc::clone(&behind.slow) as Arc<dyn MapDataStore>,
        behind.clock.shared(),
    );
    let builder = builder
        .options(options)
        .log(Arc::new(DiskStorage::open(folder.path()).unwrap()), log);
    let store = Arc::new(builder.open().await.unwrap().0);
    store.claim(&map()).await.unwrap();
    behind
        .failing
        .fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));

    let until = Instant::now() + Duration::from_secs(seconds);
    let acknowledged: Acknowledged = Arc::default();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write(
                Arc::clone(&store),
                writer,
                until,
                Arc::clone(&acknowledged),
                seed,
            ))
        })
        .collect();
    let reader = tokio::spawn(read(Arc::clone(&store), until, Arc::clone(&acknowledged), seed));
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    let (reads, most) = reader.await.unwrap();
    let status = store.status();
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert_eq!(status.pending, acknowledged.len(), "each key is pending once");
    assert!(status.spilled > 0, "the queue was to spill: {status:?}");
    assert!(most <= MAX_BYTES + MAX_BYTES / 10, "{most} bytes");
    let scanned = crate::support::scanned(&store, 1_000).await;
    assert!(
        scanned.iter().map(|(key, at)| (key, at)).eq(&acknowledged),
        "a scan in the outage"
    );

    behind.failing.heal();
    let drained = async {
        while store.status().pending > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), drained)
        .await
        .expect("the queue drains by itself");
    for (key, at) in &acknowledged {
        let stored = behind.memory.load(&map(), key).await.unwrap().expect("lost");
        let number: u64 = key.as_str().trim_start_matches("key:").parse().unwrap();
        let same = value(number, *at);
        assert_eq!((stored.version(), stored.value()), (same.version(), same.value()));
    }
    let counts = [
        ("seconds", seconds),
        ("written", written),
        ("records", acknowledged.len() as u64),
        ("read", reads),
        ("most_bytes", most),
        ("spilled", status.spilled as u64),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R17", &counts);
    assert!(store.close(crate::support::DEADLINE).await.is_complete());
}
