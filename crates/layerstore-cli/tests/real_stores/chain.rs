//! Records from the embedded store to PostgreSQL, to S3, and back: byte for byte, also with kills on the way.

use std::collections::HashSet;
use std::time::Duration;

use layerstore_testkit::proof;

use crate::shop::{PATIENCE, Shop, lines};
use crate::store::{Held, Kind};

/// How many records go to PostgreSQL and S3 and back in full.
const FULL: u64 = 1_000_000;

/// How many of them go from one layout of objects to the other in full.
const BETWEEN_LAYOUTS: u64 = 100_000;

/// Stores that records are copied from and to, one after the other, and the names of their configurations.
type Way = [(Kind, &'static str)];

const OVER_POSTGRES: &Way = &[
    (Kind::Embedded, "first.toml"),
    (Kind::Bytes, "postgres.toml"),
    (Kind::Embedded, "last.toml"),
];

const OVER_S3: &Way = &[
    (Kind::Embedded, "first.toml"),
    (Kind::Jsonb, "postgres.toml"),
    (Kind::S3, "s3.toml"),
    (Kind::Embedded, "last.toml"),
];

const OVER_BOTH_LAYOUTS: &Way = &[
    (Kind::Embedded, "first.toml"),
    (Kind::S3, "s3.toml"),
    (Kind::Packed, "packed.toml"),
    (Kind::Embedded, "last.toml"),
];

/// A shop with the stores of the way, and `count` records in the first; and what their export is.
fn stocked(way: &Way, count: u64) -> (Shop, Vec<Held>, String) {
    let shop = Shop::new();
    let held = way.iter().map(|(kind, file)| kind.configure(&shop, file));
    let held = held.collect();
    let whole = lines(0, count);
    shop.write("in.jsonl", &whole);
    shop.done(&["--config", "first.toml", "import", "in.jsonl", "--map", "m"]);
    (shop, held, whole)
}

/// The stores from one to the next.
fn legs(way: &Way) -> impl Iterator<Item = (&'static str, &'static str)> {
    way.windows(2).map(|leg| (leg[0].1, leg[1].1))
}

fn export(shop: &Shop, store: &str) -> String {
    shop.done(&["--config", store, "export", "--map", "m"])
}

/// Copies along a way, and compares what each store exports; returns what is wrong.
fn violations_on(way: &Way, count: u64) -> u64 {
    let (shop, _held, whole) = stocked(way, count);
    let mut violations = 0;
    for (from, to) in legs(way) {
        let said = shop.done(&["copy", "--from", from, "--to", to]);
        let written = said.contains(&format!("map m: {count} written, 0 there already"));
        let sums: Vec<_> = said
            .lines()
            .filter_map(|line| line.split_once("checksum "))
            .collect();
        let is_same = written && sums.len() == 2 && sums[0].1 == sums[1].1 && export(&shop, to) == whole;
        violations += u64::from(!is_same);
    }
    // Versions and times are the same, too.
    let record = |store: &str| shop.done(&["--json", "--config", store, "get", "--map", "m", "k00000001"]);
    violations += u64::from(record("first.toml") != record("last.toml"));
    violations
}

#[test]
fn m5_records_go_to_postgres_and_back_byte_for_byte() {
    let count = proof::scaled(FULL);
    let violations = violations_on(OVER_POSTGRES, count);
    let counts = [("records_over_postgres", count), ("violations", violations)];
    proof::report("M5", &counts);
    assert_eq!(violations, 0);
}

#[test]
fn m5_records_go_to_postgres_to_s3_and_back_byte_for_byte() {
    let count = proof::scaled(FULL);
    let violations = violations_on(OVER_S3, count);
    let counts = [
        ("records_over_postgres_and_s3", count),
        ("violations", violations),
    ];
    proof::report("M5", &counts);
    assert_eq!(violations, 0);
}

#[test]
fn m5_records_go_from_one_layout_of_objects_to_the_other_and_back_byte_for_byte() {
    let count = proof::scaled(BETWEEN_LAYOUTS);
    let violations = violations_on(OVER_BOTH_LAYOUTS, count);
    let counts = [("records_over_both_layouts", count), ("violations", violations)];
    proof::report("M5", &counts);
    assert_eq!(violations, 0);
}

/// Kills a copy at a random moment; returns how many records it had reported as durable.
fn kill_once(shop: &Shop, (from, to): (&str, &str), rng: &mut fastrand::Rng, batches: u64) -> usize {
    let mut running = shop.start(&["copy", "--from", from, "--to", to, "--progress", "lines"]);
    let durable = |line: &str| -> Option<usize> {
        let (count, _) = line
            .strip_prefix("copied ")?
            .split_once(" records of map m, durable")?;
        count.parse().ok()
    };
    let mut last = 0;
    for _ in 0..rng.u64(0..=batches) {
        match running.line(PATIENCE) {
            Some(line) => last = durable(&line).unwrap_or(last),
            None => break,
        }
    }
    // A batch takes longer than over a disk: the kill falls anywhere in it.
    while let Some(line) = running.line(Duration::from_micros(rng.u64(0..300_000))) {
        last = durable(&line).unwrap_or(last);
    }
    running.child.kill().unwrap();
    let ran = running.end();
    ran.out.lines().filter_map(durable).next_back().unwrap_or(last)
}

#[test]
fn m5_a_way_of_copies_that_are_killed_again_and_again_ends_with_the_same() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5333);
    let (count, kills) = (3_000, proof::scaled(60).max(6));
    let (shop, _held, whole) = stocked(OVER_S3, count);
    let inputs: Vec<&str> = whole.lines().collect();
    let mut violations = 0;
    for leg in legs(OVER_S3) {
        let (from, to) = leg;
        for _ in 0..kills.div_ceil(3) {
            let reported = kill_once(&shop, leg, &mut rng, count / 1_000);
            let kept = export(&shop, to);
            let kept: HashSet<&str> = kept.lines().collect();
            // Records are copied in key order: what was reported are the first ones, and nothing was invented.
            let has_all = inputs[..reported].iter().all(|line| kept.contains(line));
            let is_whole = kept.iter().all(|line| inputs.binary_search(line).is_ok());
            violations += u64::from(!has_all || !is_whole);
        }
        shop.done(&["copy", "--from", from, "--to", to]);
        violations += u64::from(export(&shop, to) != whole);
        let again = shop.done(&["copy", "--from", from, "--to", to]);
        violations += u64::from(!again.contains(&format!("map m: 0 written, {count} there already")));
    }
    let counts = [
        ("kills_over_postgres_and_s3", kills.div_ceil(3) * 3),
        ("seed", seed),
        ("violations", violations),
    ];
    proof::report("M5", &counts);
    assert_eq!(violations, 0);
}
