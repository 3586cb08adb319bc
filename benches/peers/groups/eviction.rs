//! Hit ratios: our policies against exact LRU and the caches of others, on loads that are made up and on traces that are given.
//!
//! A cache is asked for the keys of a trace in order and brings in what it does not have. Caches are bounded by a number of records: what a
//! record takes in memory is not part of the comparison. Ours run under the simulator, which evicts as a record store does.

use layerstore_benches::simulator::eviction::{
    LeastFrequentlyUsed, LeastRecentlyUsed, NoEviction, RandomEviction, TwoSegment,
};
use layerstore_benches::simulator::{Cache, ExactLru, Sampled, capacity, hit_ratio};
use layerstore_benches::trace::{Shape, Trace};
use layerstore_benches::{BenchError, Better, Group, Row, TRACES_VARIABLE, Table};
use layerstore_peers::simulated::{Foyer, Moka, QuickCache};

/// Room for one key in so many: 0.1 %, 1 % and 10 % of the keys.
const PARTS: [(usize, &str); 3] = [(1_000, "0.1 %"), (100, "1 %"), (10, "10 %")];

/// Keys of a load that is made up.
const KEYS: usize = 100_000;

/// Its requests.
const REQUESTS: usize = 1_000_000;

/// In a quick run.
const QUICK: usize = 20;

/// Any fixed number: every run makes up the same loads.
const SEED: u64 = 7;

/// What two-segment, the default policy, is to win over exact LRU in points of the hit ratio: on any trace, and on average.
const LEAST_WON: (f64, f64) = (-2.5, 2.0);

/// The first is what a map takes by itself, which remembers about as many evicted keys as it has room for.
const OURS: [&str; 6] = [
    "two-segment",
    "two-segment, 65,536 ghosts",
    "lru",
    "lfu",
    "random",
    "none",
];
const PEERS: [&str; 5] = [
    "exact LRU",
    "moka",
    "quick_cache",
    "foyer (LRU)",
    "foyer (S3-FIFO)",
];

/// The places in a row of the two that the target compares.
const TWO_SEGMENT: usize = 0;
const EXACT_LRU: usize = OURS.len();

type MakeCache = fn(usize) -> Box<dyn Cache>;

/// Every cache, in the order of the columns.
const CACHES: [MakeCache; OURS.len() + PEERS.len()] = [
    |records| Box::new(Sampled::new(records, TwoSegment::with_ghosts(records), SEED)),
    |records| Box::new(Sampled::new(records, TwoSegment::default(), SEED)),
    |records| Box::new(Sampled::new(records, LeastRecentlyUsed, SEED)),
    |records| Box::new(Sampled::new(records, LeastFrequentlyUsed, SEED)),
    |records| Box::new(Sampled::new(records, RandomEviction, SEED)),
    |records| Box::new(Sampled::new(records, NoEviction, SEED)),
    |records| Box::new(ExactLru::new(records)),
    |records| Box::new(Moka::new(records)),
    |records| Box::new(QuickCache::new(records)),
    |records| Box::new(Foyer::new(records)),
    |records| Box::new(Foyer::s3_fifo(records)),
];

fn main() -> Result<(), BenchError> {
    let mut group = Group::new("eviction", &["moka", "quick_cache", "foyer-memory"]);
    let requests = if group.is_quick() {
        REQUESTS / QUICK
    } else {
        REQUESTS
    };
    group.say(format!(
        "loads that are made up: {requests} requests to {KEYS} keys from seed {SEED}"
    ));
    group.say("a millisecond a request");
    let mut traces: Vec<Trace> = Shape::ALL
        .iter()
        .map(|shape| shape.generate(KEYS, requests, SEED))
        .collect();
    for path in std::env::var_os(TRACES_VARIABLE)
        .iter()
        .flat_map(std::env::split_paths)
    {
        traces.push(Trace::read(&path)?);
    }
    for (part, share) in PARTS {
        group.tabulate(compare(&traces, part, share));
    }
    group.finish()
}

/// Plays every trace through every cache of this size.
fn compare(traces: &[Trace], part: usize, share: &str) -> Table {
    let title = format!("Hit ratio with room for {share} of the keys");
    let mut table = Table::new(title, "%", Better::Higher, &OURS, &PEERS);
    let mut sums = [0.0; CACHES.len()];
    for trace in traces {
        let records = capacity(trace, part);
        let ratios = CACHES.map(|make| hit_ratio(trace, &mut *make(records)));
        sums.iter_mut().zip(ratios).for_each(|(sum, ratio)| *sum += ratio);
        table.push(row(
            format!("{}, {records} records", trace.name()),
            ratios,
            LEAST_WON.0,
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "there are a few traces")]
    let means = sums.map(|sum| sum / traces.len() as f64);
    table.push(row("mean of these".to_owned(), means, LEAST_WON.1));
    table
}

fn row(what: String, ratios: [f64; CACHES.len()], least_won: f64) -> Row {
    let won = ratios[TWO_SEGMENT] - ratios[EXACT_LRU];
    let said = format!("points over exact LRU, at least {least_won:+}");
    Row::new(what, ratios.map(Some).into()).target(said, Some(won), won >= least_won)
}
