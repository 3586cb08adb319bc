//! What an operation costs as records and maps grow in number, and how long a service takes to have its records in memory again.

mod many_maps;
mod many_records;
mod start;

use layerstore_benches::{BenchError, Group};

/// Numbers of records, the last only where it is asked for.
const SIZES: [(usize, &str); 4] = [
    (10_000, "10,000 records"),
    (100_000, "100,000 records"),
    (1_000_000, "1,000,000 records"),
    (10_000_000, "10,000,000 records"),
];

/// In a quick run one in so many.
const QUICK: usize = 50;

const ROUNDS: usize = 5;

fn main() -> Result<(), BenchError> {
    let mut group = Group::new("scale", &["papaya", "fjall"]);
    group.say("one thread; medians of rounds in which all sizes take turns");
    let run = Run {
        part: if group.is_quick() { QUICK } else { 1 },
        rounds: if group.is_quick() { 1 } else { ROUNDS },
        sizes: if group.is_large() { &SIZES } else { &SIZES[..3] },
    };
    group.tabulate(many_records::table(&run)?);
    group.tabulate(many_maps::table(&run)?);
    group.tabulate(start::table(&run.sizes[2..], run.part)?);
    group.finish()
}

/// How much of the work is done.
struct Run {
    part: usize,
    rounds: usize,
    sizes: &'static [(usize, &'static str)],
}
