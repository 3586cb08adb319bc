//! How long reads of what is in memory take while something else goes on: growth, a sweep, an eviction storm, a flush, a preload.
//!
//! Reads come on a schedule. What counts is the time from when a read was due to when it was done, so that a pause is counted for every read
//! that fell into it, not for the one read that noticed (coordinated omission). papaya does the part of the work that a bare map can do.

mod bare;
mod schedule;
mod store;
mod upset;

use layerstore_benches::{BenchError, Better, Group, Row, Table};

use self::bare::Bare;
use self::schedule::{Latencies, PERIOD, Percentiles, read_on_schedule};
use self::store::Stores;
use self::upset::Upset;

/// In a quick run one record in so many.
const QUICK: u64 = 50;

/// Rounds, ours and papaya's in turn; the latencies of all go into one histogram.
const ROUNDS: u64 = 3;

fn main() -> Result<(), BenchError> {
    let mut group = Group::new("latency", &["papaya", "fjall", "hdrhistogram"]);
    let (part, rounds) = if group.is_quick() { (QUICK, 1) } else { (1, ROUNDS) };
    group.say(format!(
        "a read due every {} us on a thread of its own, beside one that does the other work; {rounds} rounds in turn",
        PERIOD.as_micros()
    ));
    group.say("reads that were due are counted from when they were due; the system's own pauses are in both");
    let subjects = (["Layerstore"], ["papaya"]);
    let mut table = Table::new("Reads meanwhile", "us", Better::Lower, &subjects.0, &subjects.1);
    for upset in Upset::ALL {
        let (mut ours, mut bare) = (Latencies::new()?, Latencies::new()?);
        for round in 0..rounds {
            let stores = Stores::prepare(upset, part, round)?;
            read_on_schedule(&mut ours, |number| stores.read(number), || stores.upset())?;
            if let Some(map) = Bare::prepare(upset, part)? {
                read_on_schedule(&mut bare, |number| map.read(number), || map.upset())?;
            }
        }
        rows(upset, &ours.percentiles(), bare.percentiles().as_slice())
            .into_iter()
            .for_each(|row| table.push(row));
    }
    group.tabulate(table);
    group.finish()
}

/// A row a percentile; papaya's is empty where it has no such work.
fn rows(upset: Upset, ours: &Percentiles, bare: &[Option<f64>]) -> Vec<Row> {
    let pairs = Latencies::NAMES.iter().zip(ours.iter().zip(bare));
    let row = |(name, (ours, bare)): (&&str, (&Option<f64>, &Option<f64>))| {
        Row::new(format!("{}, {name}", upset.name()), vec![*ours, *bare])
    };
    pairs.map(row).collect()
}
