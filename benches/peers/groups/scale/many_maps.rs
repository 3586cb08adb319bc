//! The same records in one map or in many.

use layerstore::{Layerstore, NewValue, Records, WriteOptions};
use layerstore_benches::workload::{key, value};
use layerstore_benches::{BenchError, Better, Row, Spent, Table, contest, spend};
use layerstore_record::Key;

use super::Run;

const MAPS: [(usize, &str); 4] = [
    (1, "1 map"),
    (10, "10 maps"),
    (100, "100 maps"),
    (1_000, "1,000 maps"),
];

/// Records of all maps together.
const RECORDS: usize = 200_000;

/// Operations of a round, each on the next map.
const OPERATIONS: usize = 20_000;

/// Any fixed number: every run asks for the same keys.
const SEED: u64 = 7;

/// A round of a piece of work.
type Work = fn(&Spread, u64) -> Spent;

/// Measures all numbers of maps.
pub(super) fn table(run: &Run) -> Result<Table, BenchError> {
    let names = MAPS.map(|(_, shown)| shown);
    let title = "By the number of maps, 200,000 records in all";
    let mut table = Table::new(title, "CPU ns an operation", Better::Lower, &names, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _inside = runtime.enter();
    let stores = MAPS.map(|(maps, _)| runtime.block_on(Spread::new(maps, RECORDS / run.part)));
    let stores = stores.into_iter().collect::<Result<Vec<_>, _>>()?;
    let works: [(&str, Work); 2] = [("get", Spread::get), ("set", Spread::set)];
    for (what, work) in works {
        let mut ways: Vec<_> = stores
            .iter()
            .map(|spread| move |round| work(spread, round))
            .collect();
        let mut ways: Vec<&mut dyn FnMut(u64) -> Spent> = ways.iter_mut().map(|way| way as _).collect();
        let costs = contest(run.rounds, u32::try_from(OPERATIONS)?, &mut ways);
        table.push(Row::new(what, costs.iter().map(|cost| Some(cost.cpu)).collect()));
    }
    Ok(table)
}

/// Records that are spread over the maps of a store.
struct Spread {
    maps: Vec<Records>,
    /// Each with the map that it belongs to.
    keys: Vec<(usize, Key)>,
    value: NewValue,
}

impl Spread {
    async fn new(maps: usize, records: usize) -> Result<Self, BenchError> {
        let store = Layerstore::builder().in_memory().build().await?;
        let maps = (0..maps).map(|number| store.records(&format!("map{number}")));
        let maps = maps.collect::<Result<Vec<_>, _>>()?;
        let keys = (0..records).map(|number| Ok((number % maps.len(), key(number as u64)?)));
        let mut spread = Self {
            keys: keys.collect::<Result<_, BenchError>>()?,
            maps,
            value: NewValue::from(value(0)?),
        };
        fastrand::Rng::with_seed(SEED).shuffle(&mut spread.keys);
        for (map, key) in &spread.keys {
            let value = spread.value.clone();
            spread.maps[*map].set(key, value, &WriteOptions::DEFAULT).await?;
        }
        Ok(spread)
    }

    /// The keys of a round: others in each.
    fn asked(&self, round: u64) -> impl Iterator<Item = (&Records, &Key)> {
        let skipped = usize::try_from(round).unwrap_or_default() * OPERATIONS % self.keys.len();
        let keys = self.keys.iter().cycle().skip(skipped).take(OPERATIONS);
        keys.map(|(map, key)| (&self.maps[*map], key))
    }

    fn get(&self, round: u64) -> Spent {
        spend(1, |_| {
            self.asked(round).for_each(|(map, key)| {
                std::hint::black_box(map.try_get(key)).hit();
            });
        })
    }

    fn set(&self, round: u64) -> Spent {
        spend(1, |_| {
            self.asked(round).for_each(|(map, key)| {
                let _ = std::hint::black_box(map.try_set(key, self.value.clone(), &WriteOptions::DEFAULT));
            });
        })
    }
}
