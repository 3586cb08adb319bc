//! kill -9 while many callers commit in groups: whatever was acknowledged is there.

use std::collections::HashMap;
use std::path::Path;

use layerstore_data_store::MapDataStore;
use layerstore_record::MapName;
use layerstore_testkit::killed::{self, Acknowledged, Errand, Then};
use layerstore_testkit::proof;

use crate::support::{apply, key, map, open, put, scan, value, version};

const TEST: &str = "crash::r01_acknowledged_writes_survive_kill_9";
const KEYS: u64 = 500;
const CALLERS: u64 = 8;
/// A run has versions of its own.
const VERSIONS_A_RUN: u64 = 1_000_000;
/// Each opening replays the journal of all cycles before it: a new directory now and then keeps cycles equally long.
const CYCLES_PER_DIRECTORY: u64 = 25;

/// Kills the process after a random number of acknowledgements, again and again on the same directory.
#[test]
fn r01_acknowledged_writes_survive_kill_9() {
    if let Some(errand) = killed::errand() {
        return commit_until_killed(&errand);
    }
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let cycles = proof::scaled(400);
    let mut dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for cycle in 0..cycles {
        if cycle % CYCLES_PER_DIRECTORY == 0 {
            dir = tempfile::tempdir().unwrap();
            acknowledged.forget();
        }
        run_and_kill(dir.path(), cycle + 1, rng.u64(1..1_500), &mut acknowledged);
        check(dir.path(), &acknowledged);
    }
    proof::report(
        "R01",
        &[
            ("cycles", cycles),
            ("acknowledged", acknowledged.count()),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

fn run_and_kill(dir: &Path, run: u64, after: u64, acknowledged: &mut Acknowledged) {
    let enough = acknowledged.count() + after;
    let errand = Errand {
        directory: dir.to_owned(),
        run,
        seed: 0,
    };
    killed::until_killed(TEST, &errand, |line| {
        acknowledged.hear(line);
        if acknowledged.count() < enough {
            Then::Live
        } else {
            Then::Kill
        }
    });
}

fn check(dir: &Path, acknowledged: &Acknowledged) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (store, map) = (open(dir).await, map("crash"));
        let found: HashMap<_, _> = scan(&store, &map).await.into_iter().collect();
        for (number, at) in acknowledged.iter() {
            let record = found.get(&key(number)).expect("an acknowledged record is lost");
            assert!(
                record.version() >= version(at),
                "key {number}: {:?} acknowledged {at}",
                record.version()
            );
        }
        for (found_key, record) in &found {
            let at = record.version().millis().0;
            let number: u64 = found_key.as_str().trim_start_matches("key:").parse().unwrap();
            assert_eq!(record, &value(number, at), "a record that was never put");
        }
        assert!(store.verify().await.unwrap().is_sound());
    });
}

fn commit_until_killed(errand: &Errand) {
    let start = errand.run * VERSIONS_A_RUN;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(&errand.directory).await;
        let map = map("crash");
        store.claim(&map).await.unwrap();
        futures::future::join_all((0..CALLERS).map(|caller| commit_forever(&store, &map, start, caller)))
            .await;
    });
}

async fn commit_forever(store: &layerstore_embedded::KvDataStore, map: &MapName, start: u64, caller: u64) {
    // A run that nobody kills ends by itself, far beyond what its parent waits for.
    for round in 0..20_000 {
        let at = start + round;
        // Each caller has keys of its own, so that versions rise in the order of acknowledgements.
        let numbers: Vec<u64> = (0..3)
            .map(|n| (round * 3 + n) % (KEYS / CALLERS) * CALLERS + caller)
            .collect();
        apply(
            store,
            numbers.iter().map(|number| put(map, *number, at)).collect(),
        )
        .await;
        killed::acknowledge(numbers, at);
    }
}
