//! The curve: the same operations on engines and record stores of several sizes.

use std::hint::black_box;

use layerstore_benches::{BenchError, Better, Row, Spent, Table, contest, spend};
use layerstore_engine::{Cursor, HashMapEngine, StorageEngine};
use layerstore_peers::{Load, Papaya, Store, Subject, Workload};

use super::Run;

/// Operations of a round.
const OPERATIONS: usize = 10_000;

/// Samples of a round, and how many records are drawn for each.
const SAMPLES: usize = 2_000;
const SAMPLE: usize = 16;

/// Records of a page, and pages of a round.
const PAGE: usize = 1_000;
const PAGES: usize = 10;

/// Any fixed number: every run draws the same.
const SEED: u64 = 7;

/// The records of one size, in everything that is measured.
struct Sized {
    workload: Workload,
    engine: HashMapEngine,
    papaya: Papaya,
    store: Store,
}

impl Sized {
    fn new(records: usize) -> Result<Self, BenchError> {
        let sized = Self {
            workload: Workload::new(records)?,
            engine: HashMapEngine::new(),
            papaya: Papaya::default(),
            store: Store::new(None)?,
        };
        let subjects: [&dyn Subject; 3] = [&sized.engine, &sized.papaya, &sized.store];
        subjects.iter().for_each(|subject| sized.workload.fill(*subject));
        Ok(sized)
    }

    fn operations(&self) -> usize {
        OPERATIONS.min(self.workload.keys().len())
    }

    fn get(&self, subject: &dyn Subject, round: u64) -> Spent {
        let keys = self.workload.asked(Load::Uniform, self.operations(), round, 0);
        spend(1, |_| {
            keys.iter().for_each(|key| {
                subject.get(key);
            });
        })
    }

    fn put(&self, subject: &dyn Subject, round: u64) -> Spent {
        let keys = self.workload.asked(Load::Uniform, self.operations(), round, 0);
        let fresh = self.workload.fresh(keys.len(), round);
        spend(1, |_| {
            keys.iter()
                .zip(&fresh)
                .for_each(|(key, fresh)| subject.put(key, fresh))
        })
    }

    fn sample(&self, round: u64) -> Spent {
        spend(1, |_| {
            let mut rng = fastrand::Rng::with_seed(SEED ^ round);
            (0..SAMPLES).for_each(|_| {
                black_box(self.engine.sample(&mut rng, SAMPLE));
            });
        })
    }

    /// Reads some pages from the start; returns as if it had been as many records as are asked for.
    fn scan(&self) -> Spent {
        spend(1, |_| {
            let mut cursor = Some(Cursor::start());
            for _ in 0..PAGES {
                let page = self.engine.fetch(&cursor.unwrap_or_else(Cursor::start), PAGE);
                cursor = page.next;
                black_box(page.slots);
            }
        })
    }
}

/// A piece of work: its name, how many operations it is, and how a size does its round.
type Work = (&'static str, usize, fn(&Sized, u64) -> Spent);

const WORK: [Work; 7] = [
    ("get, papaya", OPERATIONS, |sized, round| {
        sized.get(&sized.papaya, round)
    }),
    ("get, HashMapEngine", OPERATIONS, |sized, round| {
        sized.get(&sized.engine, round)
    }),
    ("get, RecordStore", OPERATIONS, |sized, round| {
        sized.get(&sized.store, round)
    }),
    ("overwrite, HashMapEngine", OPERATIONS, |sized, round| {
        sized.put(&sized.engine, round)
    }),
    ("set, RecordStore", OPERATIONS, |sized, round| {
        sized.put(&sized.store, round)
    }),
    ("sample of 16, HashMapEngine", SAMPLES, |sized, round| {
        sized.sample(round)
    }),
    ("scan in pages of 1,000, a record", PAGE * PAGES, |sized, _| {
        sized.scan()
    }),
];

/// Measures all sizes.
pub(super) fn table(run: &Run) -> Result<Table, BenchError> {
    let names: Vec<&str> = run.sizes.iter().map(|(_, shown)| *shown).collect();
    let mut table = Table::new(
        "By the number of records",
        "CPU ns an operation",
        Better::Lower,
        &names,
        &[],
    );
    let sizes = run
        .sizes
        .iter()
        .map(|(records, _)| Sized::new((records / run.part).max(PAGE * PAGES)));
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    for (what, operations, work) in WORK {
        let mut ways: Vec<_> = sizes
            .iter()
            .map(|sized| move |round| work(sized, round))
            .collect();
        let mut ways: Vec<&mut dyn FnMut(u64) -> Spent> = ways.iter_mut().map(|way| way as _).collect();
        let costs = contest(run.rounds, u32::try_from(operations)?, &mut ways);
        table.push(Row::new(what, costs.iter().map(|cost| Some(cost.cpu)).collect()));
    }
    Ok(table)
}
