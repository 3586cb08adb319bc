//! M3: whoever alone writes a key always reads what was acknowledged last, whatever reads, evictions, sweeps and loads do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use layerstore_data_store::{ErrorKind, ScanRequest};
use layerstore_record_store::{RecordStore, RecordStoreConfig};
use layerstore_testkit::doubles::Fault;
use layerstore_testkit::proof;
use layerstore_testkit::records::key;

use crate::owner::{Owner, PER_OWNER};
use crate::reader::Reader;
use crate::stage::Stage;

/// The full figure: calls of owners and readers together.
const OPERATIONS: u64 = 3_000_000;
const OWNERS: u64 = 4;
const READERS: u64 = 4;
const PHASES: u64 = 10;

/// Room for two records of five.
const ROOM: u64 = OWNERS * PER_OWNER * 2 / 5;

/// How often the clock moves in a phase, and how far each time: together half of the idle time, so that what is read once
/// a phase never ends, and every idle deadline has to be persisted over and over.
const MOVES: u64 = 60;
const MOVE: Duration = Duration::from_secs(30);

/// Of a thousand calls of the data store, how many are refused.
const REFUSED: u16 = 3;

/// How long a phase may take before it counts as hanging.
const DEADLINE: Duration = Duration::from_secs(600);

/// Counts the calls of all tasks.
pub(crate) struct Calls {
    made: AtomicU64,
    limit: AtomicU64,
}

impl Calls {
    /// Takes the next `number` calls, unless the phase is over.
    pub(crate) fn take(&self, number: u64) -> bool {
        self.made.fetch_add(number, Ordering::Relaxed) + number <= self.limit.load(Ordering::Relaxed)
    }

    fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed).min(self.limit())
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m3_no_acknowledged_write_is_reverted_and_no_removed_record_comes_back() {
    let seed = proof::seed();
    let mut rng = Rng::with_seed(seed);
    let operations = proof::scaled(OPERATIONS);
    let config = RecordStoreConfig::default().max_count(ROOM);
    let stage = Stage::new(config, &mut rng, false).await;
    let refused = [Fault::before(ErrorKind::Unavailable)];
    stage.failing.fail_randomly(rng.fork(), REFUSED, &refused);
    let mut owners: Vec<Owner> = (0..OWNERS)
        .map(|id| Owner::new(&stage, rng.fork(), id * PER_OWNER))
        .collect();
    let mut readers: Vec<Reader> = (0..READERS)
        .map(|_| Reader::new(&stage, rng.fork(), OWNERS * PER_OWNER))
        .collect();
    let calls = Arc::new(Calls {
        made: AtomicU64::new(0),
        limit: AtomicU64::new(0),
    });
    for phase in 1..=PHASES {
        let limit = operations * phase / PHASES;
        calls.made.store(calls.limit(), Ordering::Relaxed);
        calls.limit.store(limit, Ordering::Relaxed);
        let sky = tokio::spawn(pass_time(Arc::clone(&stage), rng.fork(), Arc::clone(&calls)));
        let owning = owners
            .into_iter()
            .map(|owner| tokio::spawn(owner.run(Arc::clone(&calls))));
        let reading = readers
            .into_iter()
            .map(|reader| tokio::spawn(reader.run(Arc::clone(&calls))));
        let all = futures::future::join3(join_all(owning), join_all(reading), sky);
        let (owned, read, passed) = tokio::time::timeout(DEADLINE, all)
            .await
            .unwrap_or_else(|_| panic!("phase {phase} of seed {seed} hangs"));
        owners = owned.into_iter().map(Result::unwrap).collect();
        readers = read.into_iter().map(Result::unwrap).collect();
        passed.unwrap();
        verify(&stage, &mut owners, phase).await;
    }
    let stats = stage.store.stats();
    let persisted: u64 = owners.iter().map(|owner| owner.persisted).sum();
    let (writes, checks) = owners.iter().fold((0, 0), |(writes, checks), owner| {
        (writes + owner.writes, checks + owner.checks)
    });
    let idle = [stats.evictions, stats.loads, stats.rejected, persisted, writes];
    assert!(
        idle.iter().all(|count| *count > 0),
        "{stats:?}, {persisted} persisted"
    );
    let counts = [
        ("operations", operations),
        ("acknowledged", writes),
        ("checks", checks),
        ("hits", stats.hits),
        ("loads", stats.loads),
        ("evictions", stats.evictions),
        ("persisted", persisted),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("M3", &counts);
}

/// Moves the clock with the calls, sweeps, evicts, loads and flushes until the phase is over.
async fn pass_time(stage: Arc<Stage>, mut rng: Rng, calls: Arc<Calls>) {
    let (first, limit) = (calls.made(), calls.limit());
    let mut moved = 0;
    loop {
        let made = calls.made();
        while moved < (made - first) * MOVES / (limit - first).max(1) {
            stage.clock.advance(MOVE);
            moved += 1;
        }
        if made >= limit {
            return;
        }
        let any = key(rng.u64(..OWNERS * PER_OWNER));
        match rng.u8(..64) {
            0..=15 => drop(stage.store.sweep().await),
            16..=55 => drop(stage.store.evict(&any).await),
            56 => drop(stage.store.clear_memory().await),
            57 => drop(stage.store.preload(8).await),
            58 => drop(stage.store.soft_flush()),
            59 => drop(stage.store.hard_flush().await),
            _ => drop(stage.store.load(&any).await),
        }
        tokio::task::yield_now().await;
    }
}

/// Compares every key with what its owner knows: in memory or loaded, in a scan, and, every other time, from the data
/// store alone.
async fn verify(stage: &Stage, owners: &mut [Owner], phase: u64) {
    stage.failing.heal();
    for owner in &mut *owners {
        owner.verify().await;
    }
    let page = stage
        .store
        .scan_page(ScanRequest::first(usize::MAX))
        .await
        .unwrap();
    let held: usize = owners.iter().map(Owner::held).sum();
    assert_eq!(
        page.records.len(),
        held,
        "a scan shows as many as the owners have"
    );
    if phase.is_multiple_of(2) {
        stage.store.clear_memory().await.unwrap();
        for owner in owners {
            owner.verify().await;
        }
    }
    let refused = [Fault::before(ErrorKind::Unavailable)];
    stage
        .failing
        .fail_randomly(Rng::with_seed(phase), REFUSED, &refused);
}
