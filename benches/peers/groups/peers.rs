//! Reads and writes in memory, ours in turn with what one would pick instead: concurrent maps beside the engine, caches beside the record store.
//!
//! All hold the same records under the same keys, hashed alike, and are asked for the same keys in the same order. Maps are given records that
//! are made beforehand; caches make a record of a value for each write, as the record store does. Beyond that our engine pages, samples and
//! counts what records cost, and our record store has an order of writes a key, versions, expiry and statistics.

use layerstore_benches::{BenchError, Better, Cost, Group, Row, Spent, Table, contest, spend};
use layerstore_engine::HashMapEngine;
use layerstore_peers::{
    Dashmap, Foyer, Fresh, Load, MiniMoka, Moka, Papaya, QuickCache, Scc, Store, Subject, Workload,
};
use layerstore_record::Key;

/// What is in memory.
const RECORDS: usize = 1_000_000;

/// Operations of a round, on each thread.
const OPERATIONS: usize = 100_000;

/// Reads of the hot key in a round, on each of two threads.
const HOT_READS: usize = 1_000_000;

/// A bounded cache has room for one record in so many.
const PART: usize = 10;

/// In a quick run one in so many.
const QUICK: usize = 50;

const ROUNDS: usize = 7;

const MAPS: [&str; 3] = ["papaya", "dashmap", "scc"];
const CACHES: [&str; 4] = ["moka", "mini-moka", "quick_cache", "foyer"];

/// The places of those that targets name: ours is the first.
const PAPAYA: (usize, usize) = (0, 1);
const MOKA: (usize, usize) = (0, 1);
const QUICK_CACHE: (usize, usize) = (0, 3);

fn main() -> Result<(), BenchError> {
    let peers = [
        "papaya",
        "dashmap",
        "scc",
        "moka",
        "mini-moka",
        "quick_cache",
        "foyer-memory",
    ];
    let mut group = Group::new("peers", &peers);
    let part = if group.is_quick() { QUICK } else { 1 };
    let bench = Bench {
        workload: Workload::new(RECORDS / part)?,
        operations: OPERATIONS / part,
        hot_reads: HOT_READS / part,
        rounds: if group.is_quick() { 1 } else { ROUNDS },
    };
    group.say(format!(
        "{} records of five fields under keys of 20 bytes; {ROUNDS} rounds of {} operations a thread, in turn; medians",
        RECORDS / part,
        bench.operations
    ));
    group.say("zipf with exponent 0.99; no data store, no observer, no sweep in the background");
    group.tabulate(bench.maps());
    group.tabulate(bench.caches()?);
    let (costs, ratios) = bench.bounded()?;
    group.tabulate(costs);
    group.tabulate(ratios);
    group.tabulate(bench.hot()?);
    group.finish()
}

/// What all tables of a run have in common.
struct Bench {
    workload: Workload,
    operations: usize,
    hot_reads: usize,
    rounds: usize,
}

/// A piece of work, done to a subject for every key that is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Get,
    Put,
    RemoveAndPut,
    GetOrPut,
}

impl Bench {
    fn maps(&self) -> Table {
        let (engine, papaya, dashmap, scc) = (
            HashMapEngine::new(),
            Papaya::default(),
            Dashmap::default(),
            Scc::default(),
        );
        let subjects: [&dyn Subject; 4] = [&engine, &papaya, &dashmap, &scc];
        subjects.iter().for_each(|subject| self.workload.fill(*subject));
        let mut table = Table::new(
            "Maps",
            "CPU ns an operation",
            Better::Lower,
            &["HashMapEngine"],
            &MAPS,
        );
        for (work, what, most) in [
            (Work::Get, "get", 1.15),
            (Work::Put, "overwrite", 1.4),
            (Work::RemoveAndPut, "remove and insert", 1.3),
        ] {
            for (load, threads, when) in CASES {
                let costs = self.measure(&subjects, work, load, threads);
                let row = Row::new(format!("{what}, {when}"), cpu(&costs));
                table.push(row.at_most(most, PAPAYA, "papaya"));
            }
        }
        table
    }

    fn caches(&self) -> Result<Table, BenchError> {
        let caches = Caches::new(None, self.workload.keys().len())?;
        let subjects = caches.subjects();
        subjects.iter().for_each(|subject| self.workload.fill(*subject));
        let title = "Caches with room for everything";
        let mut table = Table::new(
            title,
            "CPU ns an operation",
            Better::Lower,
            &["RecordStore"],
            &CACHES,
        );
        for (work, what, most) in [(Work::Get, "get", 0.4), (Work::Put, "set", 0.5)] {
            for (load, threads, when) in CASES {
                let costs = self.measure(&subjects, work, load, threads);
                let row = Row::new(format!("{what}, {when}"), cpu(&costs));
                table.push(row.at_most(most, MOKA, "moka"));
            }
        }
        Ok(table)
    }

    /// Measures caches that are full, and then asks each for the same keys once more to see what they are worth.
    fn bounded(&self) -> Result<(Table, Table), BenchError> {
        let room = self.workload.keys().len() / PART;
        let caches = Caches::new(Some(room), room)?;
        let subjects = caches.subjects();
        subjects.iter().for_each(|subject| self.workload.fill(*subject));
        let title = "Caches with room for a tenth of the keys";
        let mut table = Table::new(
            title,
            "CPU ns an operation",
            Better::Lower,
            &["RecordStore"],
            &CACHES,
        );
        for (work, what) in [
            (Work::Put, "set"),
            (Work::GetOrPut, "get, and set where it is missing"),
        ] {
            for (load, threads, when) in [
                (Load::Zipf, 1, "zipf, 1 thread"),
                (Load::Zipf, 2, "zipf, 2 threads"),
            ] {
                let costs = self.measure(&subjects, work, load, threads);
                let row = Row::new(format!("{what}, {when}"), cpu(&costs));
                let row = row.at_most(0.5, MOKA, "moka");
                table.push(row.at_most(2.2, QUICK_CACHE, "quick_cache"));
            }
        }
        let title = "What these caches then answer";
        let mut ratios = Table::new(title, "% of the reads", Better::Higher, &["RecordStore"], &CACHES);
        let worth = subjects.iter().map(|subject| Some(self.hit_ratio(*subject)));
        ratios.push(Row::new("zipf", worth.collect()));
        Ok((table, ratios))
    }

    fn hit_ratio(&self, subject: &dyn Subject) -> f64 {
        let keys = self.workload.asked(Load::Zipf, self.workload.keys().len(), 0, 0);
        let fresh = self.workload.fresh(1, 0);
        let is_hit = |key| {
            let hit = subject.get(key);
            if !hit {
                subject.put(key, &fresh[0]);
            }
            hit
        };
        let hits = keys.iter().filter(|key| is_hit(*key)).count();
        #[expect(clippy::cast_precision_loss, reason = "there are a million keys")]
        let share = hits as f64 / keys.len() as f64;
        share * 100.0
    }

    /// Reads one key in place on two threads: what its readers have in common is what they wait for.
    fn hot(&self) -> Result<Table, BenchError> {
        let (engine, papaya, dashmap, scc) = (
            HashMapEngine::new(),
            Papaya::default(),
            Dashmap::default(),
            Scc::default(),
        );
        let caches = Caches::new(None, 1)?;
        let [store, moka, mini, quick, foyer] = caches.subjects();
        let subjects: [&dyn Subject; 9] = [store, &engine, &papaya, &dashmap, &scc, moka, mini, quick, foyer];
        let (key, fresh) = (&self.workload.keys()[0], self.workload.fresh(1, 0));
        subjects.iter().for_each(|subject| subject.put(key, &fresh[0]));
        let peers = [&MAPS[..], &CACHES[..]].concat();
        let title = "A hot key, borrowed where that can be";
        let ours = ["RecordStore", "HashMapEngine"];
        let mut table = Table::new(title, "million reads a second", Better::Higher, &ours, &peers);
        let costs = self.contest(&subjects, 2 * self.hot_reads, |subject, _| {
            spend(2, |_| {
                let found = (0..self.hot_reads).filter(|_| subject.read(key)).count();
                std::hint::black_box(found);
            })
        });
        let rates = costs.iter().map(|cost| Some(1_000.0 / cost.wall)).collect();
        table.push(Row::new("read, 2 threads", rates).at_least(0.45, (0, 2), "papaya"));
        Ok(table)
    }

    fn measure(&self, subjects: &[&dyn Subject], work: Work, load: Load, threads: usize) -> Vec<Cost> {
        self.contest(subjects, self.operations * threads, |subject, round| {
            let writes = if work == Work::Get { 0 } else { self.operations };
            let fresh: Vec<_> = (0..threads).map(|_| self.workload.fresh(writes, round)).collect();
            let spent = spend(threads, |thread| {
                let keys = self.workload.asked(load, self.operations, round, thread);
                work.run(subject, keys, &fresh[thread]);
            });
            subject.settle();
            spent
        })
    }

    fn contest(
        &self,
        subjects: &[&dyn Subject],
        operations: usize,
        round: impl Fn(&dyn Subject, u64) -> Spent,
    ) -> Vec<Cost> {
        let round = &round;
        let mut ways: Vec<_> = subjects
            .iter()
            .map(|subject| move |at| round(*subject, at))
            .collect();
        let mut ways: Vec<&mut dyn FnMut(u64) -> Spent> = ways.iter_mut().map(|way| way as _).collect();
        contest(
            self.rounds,
            u32::try_from(operations).unwrap_or(u32::MAX),
            &mut ways,
        )
    }
}

const CASES: [(Load, usize, &str); 4] = [
    (Load::Uniform, 1, "uniform, 1 thread"),
    (Load::Zipf, 1, "zipf, 1 thread"),
    (Load::Uniform, 2, "uniform, 2 threads"),
    (Load::Zipf, 2, "zipf, 2 threads"),
];

impl Work {
    fn run(self, subject: &dyn Subject, keys: &[Key], fresh: &[Fresh]) {
        match self {
            Self::Get => keys.iter().for_each(|key| {
                subject.get(key);
            }),
            Self::Put => keys
                .iter()
                .zip(fresh)
                .for_each(|(key, fresh)| subject.put(key, fresh)),
            Self::RemoveAndPut => keys.iter().zip(fresh).for_each(|(key, fresh)| {
                subject.remove(key);
                subject.put(key, fresh);
            }),
            Self::GetOrPut => keys.iter().zip(fresh).for_each(|(key, fresh)| {
                if !subject.get(key) {
                    subject.put(key, fresh);
                }
            }),
        }
    }
}

fn cpu(costs: &[Cost]) -> Vec<Option<f64>> {
    costs.iter().map(|cost| Some(cost.cpu)).collect()
}

/// Our record store and the caches beside it.
struct Caches {
    store: Store,
    moka: Moka,
    mini: MiniMoka,
    quick: QuickCache,
    foyer: Foyer,
}

impl Caches {
    /// Bounds all of them, or gives the peers, which have to be, room for twice of what comes.
    fn new(bound: Option<usize>, records: usize) -> Result<Self, BenchError> {
        let room = bound.unwrap_or(records * 2);
        Ok(Self {
            store: Store::new(bound)?,
            moka: Moka::new(room),
            mini: MiniMoka::new(room),
            quick: QuickCache::new(room),
            foyer: Foyer::new(room),
        })
    }

    fn subjects(&self) -> [&dyn Subject; 5] {
        [&self.store, &self.moka, &self.mini, &self.quick, &self.foyer]
    }
}
