//! Cycle after cycle on one log: what was promised is there, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_record::Millis;
use layerstore_testkit::power_cut::PowerCutDisk;
use layerstore_testkit::proof;
use layerstore_write_behind::{DiskStorage, LogEntry, LogError, LogWriter, Sequence};

use crate::cycle::{CYCLE_VARIABLE, DIR_VARIABLE, Process, SEED_VARIABLE};
use crate::interval::{self, Ages};
use crate::ledger::Ledger;
use crate::moment::Moment;
use crate::told::Told;
use crate::writers::{Load, is_at_rest};

/// The full figure; CI runs a twentieth.
const CYCLES: u64 = 500;

/// A log goes on for so many cycles: then comes a new one, on a new disk.
const CYCLES_PER_LOG: u64 = 50;

/// A power cut comes within this time of writing.
const WRITING: Duration = Duration::from_millis(250);

/// One in so many cuts comes while the log is being opened.
const OPENING: u64 = 8;

/// Opening takes about so long.
const OPENING_TIME: Duration = Duration::from_millis(20);

/// Segments are begun, copied forward and removed many times in a cycle.
const ALWAYS: Load = Load {
    sync: "always",
    segment_bytes: 8 << 10,
    most_bytes: 600,
};

/// Beginning a segment syncs, too: here it does so more rarely than the interval.
const INTERVAL: Load = Load {
    sync: "10ms",
    segment_bytes: 2 << 20,
    most_bytes: 100,
};

#[test]
fn r3_nothing_acknowledged_under_always_is_lost_with_the_power() {
    let test = "cuts::r3_nothing_acknowledged_under_always_is_lost_with_the_power";
    let cuts = run("R3", test, ALWAYS, |cycle, cut| {
        assert_eq!(cut.lost, [], "cycle {cycle}: acknowledged, and lost");
    });
    if let Some(cuts) = cuts {
        proof::report("R3", &[&cuts.counts()[..], &[("violations", 0)]].concat());
    }
}

#[test]
fn r4_an_interval_loses_only_what_is_younger_than_it_and_one_sync() {
    let test = "cuts::r4_an_interval_loses_only_what_is_younger_than_it_and_one_sync";
    let mut ages = Ages::default();
    let cuts = run("R4", test, INTERVAL, |cycle, cut| {
        ages.include(interval::check(cycle, cut, Duration::from_millis(10)));
    });
    let Some(cuts) = cuts else { return };
    assert!(cuts.lost > 0, "cuts that take nothing show nothing");
    let ages = [
        ("us_oldest_lost", ages.oldest_lost),
        ("us_slowest_sync", ages.slowest_sync),
        ("us_longest_sync_turn", ages.longest_sync_turn),
        ("violations", 0),
    ];
    proof::report("R4", &[&cuts.counts()[..], &ages].concat());
}

/// What a power cut left.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The power was there until then.
    pub(crate) at: Moment,
    pub(crate) told: Vec<Told>,
    /// When the lost ones were acknowledged.
    pub(crate) lost: Vec<Moment>,
}

/// What all cycles together saw.
#[derive(Debug, Default)]
struct Cuts {
    cycles: u64,
    acknowledged: u64,
    lost: u64,
    tails_cut: u64,
    segments: u64,
    /// Cuts before the log was open.
    while_opening: u64,
    seed: u64,
}

impl Cuts {
    fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("cycles", self.cycles),
            ("acknowledged", self.acknowledged),
            ("lost", self.lost),
            ("tails_cut", self.tails_cut),
            ("segments", self.segments),
            ("while_opening", self.while_opening),
            ("seed", self.seed),
        ]
    }
}

/// Runs all cycles; none where this process is one that writes, or where no power can be cut.
fn run(id: &str, test: &str, load: Load, mut check: impl FnMut(u64, &Cut)) -> Option<Cuts> {
    if let Some((dir, cycle, seed)) = part() {
        load.run(&dir, cycle, seed);
        return None;
    }
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut cuts = Cuts {
        cycles: proof::scaled(CYCLES),
        seed,
        ..Cuts::default()
    };
    let (mut log, mut last_segment) = (None, 0);
    for cycle in 0..cuts.cycles {
        if cycle % CYCLES_PER_LOG == 0 {
            // The disk before goes first.
            drop(log.take());
            last_segment = 0;
            match PowerCutDisk::new() {
                Ok(disk) => log = Some((disk, Ledger::new(load.most_bytes))),
                Err(why) if cycle == 0 => {
                    proof::skip(id, &why.to_string());
                    return None;
                }
                Err(why) => panic!("{why}"),
            }
        }
        let Some((disk, ledger)) = &mut log else { continue };
        let dir = disk.path().join("log");
        let mut process = Process::start(test, &dir, cycle, rng.u64(..));
        if is_at_rest(cycle) {
            process.comes_to(Told::Opened);
        } else if rng.u64(..OPENING) == 0 {
            process.comes_to(Told::Opening);
            process.goes_on(within(OPENING_TIME, &mut rng));
        } else {
            process.comes_to(Told::Opened);
            process.goes_on(within(WRITING, &mut rng));
        }
        let at = Moment::now();
        disk.cut();
        let told = if is_at_rest(cycle) {
            process.killed()
        } else {
            process.ends()
        };
        disk.restart();
        ledger.begin(cycle);
        told.iter().for_each(|told| ledger.hear(*told, at));
        let found = Found::open(&dir, load, rng.bool());
        let found = found.unwrap_or_else(|error| panic!("cycle {cycle}: {error}"));
        cuts.acknowledged += ledger.acknowledged();
        cuts.tails_cut += u64::from(found.is_torn);
        cuts.segments += found.last_segment - last_segment;
        last_segment = found.last_segment;
        let cut = Cut {
            at,
            told,
            lost: ledger.settle(&found.pending),
        };
        cuts.lost += cut.lost.len() as u64;
        cuts.while_opening += u64::from(!cut.told.contains(&Told::Opened));
        check(cycle, &cut);
    }
    Some(cuts)
}

/// What the next owner of the log finds.
struct Found {
    pending: Vec<LogEntry>,
    is_torn: bool,
    last_segment: u64,
}

impl Found {
    fn open(dir: &Path, load: Load, closes: bool) -> Result<Self, LogError> {
        let now = || Millis(Moment::now().0 / 1_000);
        let storage = Arc::new(DiskStorage::open(dir).unwrap());
        let (mut log, recovered) = LogWriter::open(storage, load.options(), now())?;
        let pending = log.pending_after(Sequence(0), u64::MAX)?;
        assert_eq!(recovered.pending, pending.len());
        let last_segment = log.segments().1;
        if closes {
            log.close(now())?;
        }
        Ok(Self {
            pending,
            is_torn: recovered.tail_cut.is_some(),
            last_segment,
        })
    }
}

fn within(time: Duration, rng: &mut fastrand::Rng) -> Duration {
    time.mul_f64(rng.f64())
}

/// The directory, cycle and seed of a process that was started to write.
fn part() -> Option<(PathBuf, u64, u64)> {
    let number = |variable| std::env::var(variable).unwrap().parse().unwrap();
    let dir = std::env::var_os(DIR_VARIABLE)?;
    Some((dir.into(), number(CYCLE_VARIABLE), number(SEED_VARIABLE)))
}
