//! kill -9 while many callers commit in groups: whatever was acknowledged is there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use layerstore_data_store::MapDataStore;
use layerstore_record::MapName;
use layerstore_testkit::proof;

use crate::support::{apply, key, map, open, put, scan, value, version};

/// Set for the child only: this test starts itself again.
const DIR_VARIABLE: &str = "CRASH_CHILD_DIR";
const START_VARIABLE: &str = "CRASH_CHILD_START";
const KEYS: u64 = 500;
const CALLERS: u64 = 8;
/// Each opening replays the journal of all cycles before it: a new directory now and then keeps cycles equally long.
const CYCLES_PER_DIRECTORY: u64 = 25;

/// Kills the child after a random number of acknowledgements, again and again on the same directory.
#[test]
fn r01_acknowledged_writes_survive_kill_9() {
    if let Some(dir) = std::env::var_os(DIR_VARIABLE) {
        return commit_until_killed(Path::new(&dir));
    }
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let cycles = proof::scaled(400);
    let mut dir = tempfile::tempdir().unwrap();
    let mut newest: HashMap<u64, u64> = HashMap::new();
    let mut acknowledged = 0;
    for cycle in 0..cycles {
        if cycle % CYCLES_PER_DIRECTORY == 0 {
            dir = tempfile::tempdir().unwrap();
            newest.clear();
        }
        let start = (cycle + 1) * 1_000_000;
        let acks = run_and_kill(dir.path(), start, rng.usize(1..1_500));
        acknowledged += acks.len() as u64;
        for (number, at) in acks {
            let held = newest.entry(number).or_default();
            *held = at.max(*held);
        }
        check(dir.path(), &newest);
    }
    proof::report(
        "R01",
        &[
            ("cycles", cycles),
            ("acknowledged", acknowledged),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

fn run_and_kill(dir: &Path, start: u64, after: usize) -> Vec<(u64, u64)> {
    let mut child = spawn(dir, start);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut acks = Vec::new();
    let mut killed = false;
    // What the child wrote before it died is still in the pipe.
    for line in output.lines() {
        let line = line.unwrap();
        let Some(ack) = line.strip_prefix("ACK ").and_then(parse) else {
            continue;
        };
        acks.push(ack);
        if acks.len() >= after && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(
        killed,
        "the child ended by itself ({status}) after {} acknowledgements",
        acks.len()
    );
    acks
}

/// A line that the kill cut short does not end as a whole one does.
fn parse(ack: &str) -> Option<(u64, u64)> {
    let (number, at) = ack.strip_suffix(" .")?.split_once(' ')?;
    Some((number.parse().ok()?, at.parse().ok()?))
}

fn spawn(dir: &Path, start: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "crash::r01_acknowledged_writes_survive_kill_9",
        ])
        .env(DIR_VARIABLE, dir)
        .env(START_VARIABLE, start.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn check(dir: &Path, newest: &HashMap<u64, u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (store, map) = (open(dir).await, map("crash"));
        let found: HashMap<_, _> = scan(&store, &map).await.into_iter().collect();
        for (number, at) in newest {
            let record = found.get(&key(*number)).expect("an acknowledged record is lost");
            assert!(
                record.version() >= version(*at),
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

fn commit_until_killed(dir: &Path) {
    let start: u64 = std::env::var(START_VARIABLE).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(dir).await;
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
        let lines: String = numbers
            .iter()
            .map(|number| format!("ACK {number} {at} .\n"))
            .collect();
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes())
            .and_then(|()| out.flush())
            .unwrap();
    }
}
