//! Random schedules of failures, timeouts that were applied, late writes, retries, removals, clears, flushes and restarts, against a
//! sorted map.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    BackoffPolicy, BreakerPolicy, ErrorKind, Expect, MapDataStore, MapDataStoreExt, WriteResult,
};
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::doubles::Fault;
use layerstore_testkit::proof;
use layerstore_write_behind::{Coalescing, SyncPolicy, WhenFull, WriteBehindDataStore, WriteBehindOptions};

use crate::support::{Behind, held, key, log_options, map, put_at, removal, scanned, version};

const KEYS: u64 = 6;
const STEPS: usize = 40;

struct Case {
    rng: fastrand::Rng,
    behind: Behind,
    disk: SimulatedDisk,
    options: WriteBehindOptions,
    store: Arc<WriteBehindDataStore>,
    /// What was acknowledged of each key: a version, or none after a removal.
    model: BTreeMap<u64, Option<u64>>,
    next: u64,
    is_failing: bool,
}

fn options(rng: &mut fastrand::Rng) -> WriteBehindOptions {
    let pause = Duration::from_micros(200);
    let options = WriteBehindOptions::default()
        .delay(Duration::from_micros(*rng.choice(&[0, 300, 1_000_000]).unwrap()))
        .backoff(BackoffPolicy::default().with_base(pause).with_cap(pause))
        .breaker(
            BreakerPolicy::default()
                .with_threshold(3)
                .with_pause(Duration::from_millis(1), Duration::from_millis(1)),
        )
        .batch_records(rng.usize(1..5))
        .parallel(rng.usize(1..4))
        // A reader who cannot be sure while the store fails gives up soon.
        .call_timeout(Duration::from_millis(100));
    let options = if rng.bool() {
        options.coalescing(Coalescing::Each)
    } else {
        options
    };
    match rng.u8(0..4) {
        0 => options.max_records(4).when_full(WhenFull::WriteThrough),
        1 => options.max_records(2).when_full(WhenFull::Spill),
        _ => options,
    }
}

fn log(sync: u8) -> layerstore_write_behind::LogOptions {
    let sync = match sync {
        0 => SyncPolicy::Always,
        1 => SyncPolicy::Interval(Duration::from_millis(1)),
        _ => SyncPolicy::Os,
    };
    log_options()
        .sync(sync)
        .segment_bytes(4 << 10)
        .max_bytes(64 << 10)
}

impl Case {
    async fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (behind, disk, options) = (Behind::new(), SimulatedDisk::new(), options(&mut rng));
        let store = Arc::new(behind.open_with(options, &disk, log(rng.u8(0..3))).await);
        store.claim(&map()).await.unwrap();
        Self {
            rng,
            behind,
            disk,
            options,
            store,
            model: BTreeMap::new(),
            next: 0,
            is_failing: false,
        }
    }

    async fn step(&mut self) {
        let number = self.rng.u64(0..KEYS);
        match self.rng.u8(0..24) {
            0..8 => self.put(number).await,
            8..11 => self.remove(number).await,
            11 => self.put_expecting(number).await,
            12 => self.clear().await,
            13 => self.fail(),
            14 | 15 => self.heal(),
            16 => drop(self.behind.failing.land().await),
            17 => drop(self.store.soft_flush()),
            18 => drop(self.store.flush(Duration::from_millis(1)).await),
            19 => self.restart().await,
            _ => {
                for _ in 0..self.rng.u8(0..20) {
                    tokio::task::yield_now().await;
                }
            }
        }
        self.check(number).await;
    }

    async fn put(&mut self, number: u64) {
        self.next += 1;
        let at = self.next;
        self.settle(number, Some(at), self.store.apply_one(put_at(number, at)).await)
            .await;
    }

    async fn remove(&mut self, number: u64) {
        self.next += 1;
        let at = self.next;
        self.settle(number, None, self.store.apply_one(removal(number, at)).await)
            .await;
    }

    async fn put_expecting(&mut self, number: u64) {
        self.heal();
        self.next += 1;
        let at = self.next;
        let held = self.model.get(&number).copied().flatten();
        let (expect, holds) = match self.rng.bool() {
            true => (
                held.map_or(Expect::Absent, |at| Expect::Version(version(at))),
                true,
            ),
            false => (Expect::Version(version(1_000_000)), false),
        };
        let answer = self.store.apply_one(put_at(number, at).expecting(expect)).await;
        match answer {
            WriteResult::Applied => assert!(holds, "a condition that does not hold was taken"),
            WriteResult::Conflict { .. } => {
                return assert!(!holds, "a condition that holds was refused: {answer:?}");
            }
            other => panic!("{other:?}"),
        }
        self.model.insert(number, Some(at));
    }

    /// Takes note of a write: one that was refused with an outcome that is not known is made again until it is known.
    async fn settle(&mut self, number: u64, left: Option<u64>, answer: WriteResult) {
        if answer.is_applied() {
            self.model.insert(number, left);
            return;
        }
        // Only what goes through to a store that fails is refused.
        assert!(self.options.when_full == WhenFull::WriteThrough, "{answer:?}");
        self.heal();
        self.behind.failing.land().await;
        self.next += 1;
        let again = self.store.apply_one(put_at(number, self.next)).await;
        assert!(again.is_applied(), "{again:?} after {answer:?}");
        self.model.insert(number, Some(self.next));
    }

    async fn clear(&mut self) {
        self.heal();
        let up_to = self.next;
        self.store.clear(&map(), version(up_to)).await.unwrap();
        self.model.clear();
    }

    fn fail(&mut self) {
        let faults = [
            Fault::before(ErrorKind::Unavailable),
            Fault::after(ErrorKind::Timeout),
            Fault::lost(ErrorKind::Timeout),
            Fault::late(ErrorKind::Timeout),
            Fault::before(ErrorKind::Throttled),
        ];
        let per_mille = *self.rng.choice(&[200, 600, 1_000]).unwrap();
        self.behind
            .failing
            .fail_randomly(self.rng.fork(), per_mille, &faults);
        self.is_failing = true;
    }

    fn heal(&mut self) {
        self.behind.failing.heal();
        self.is_failing = false;
    }

    /// The process ends at this moment, and the next takes over what is on its disk.
    async fn restart(&mut self) {
        let image = self.disk.after(Restart::Keep, self.next);
        let behind = self.behind.restarted();
        let _ = self.behind.failing.land().await;
        let store = Arc::new(
            behind
                .open_with(self.options, &image, log(self.rng.u8(0..3)))
                .await,
        );
        store.claim(&map()).await.unwrap();
        (self.behind, self.disk, self.store, self.is_failing) = (behind, image, store, false);
    }

    async fn check(&mut self, number: u64) {
        if self.is_failing {
            // What is pending is read; what is not may be refused, and never wrong.
            if let Ok(record) = self.store.load(&map(), &key(number)).await {
                let found = record
                    .filter(|record| !record.is_tombstone())
                    .map(|record| record.version().millis().0);
                assert_eq!(found, self.model.get(&number).copied().flatten(), "key {number}");
            }
            return;
        }
        assert_eq!(
            held(&*self.store, &key(number)).await,
            self.model.get(&number).copied().flatten(),
            "key {number}"
        );
        if self.rng.u8(0..6) == 0 {
            let page = self.rng.usize(1..5);
            assert_eq!(scanned(&self.store, page).await, self.live());
        }
    }

    fn live(&self) -> Vec<(layerstore_record::Key, u64)> {
        self.model
            .iter()
            .filter_map(|(number, at)| Some((key(*number), (*at)?)))
            .collect()
    }

    async fn end(mut self) {
        self.heal();
        self.store.hard_flush().await.unwrap();
        self.behind.failing.land().await;
        for number in 0..KEYS {
            let stored = self
                .behind
                .stored(number)
                .await
                .filter(|record| !record.is_tombstone());
            let stored = stored.map(|record| record.version().millis().0);
            assert_eq!(
                stored,
                self.model.get(&number).copied().flatten(),
                "key {number} in the final store"
            );
        }
        assert_eq!(self.store.status().pending, 0);
        assert!(self.store.close(crate::support::DEADLINE).await.is_complete());
    }
}

#[test]
fn m6_random_schedules_agree_with_a_sorted_map() {
    let seed = proof::seed();
    let cases = proof::scaled(20_000);
    for case in 0..cases {
        let own = seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let run = std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut case = Case::new(own).await;
                for _ in 0..STEPS {
                    case.step().await;
                }
                case.end().await;
            });
        });
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("case {case} of LAYERSTORE_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
    proof::report(
        "M6",
        &[
            ("cases", cases),
            ("steps", cases * STEPS as u64),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}
