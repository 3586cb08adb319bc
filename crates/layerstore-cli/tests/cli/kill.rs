//! kill -9 in the middle of an import: what was reported as imported is there.

use std::time::Duration;

use layerstore_testkit::proof;

use crate::shop::{PATIENCE, Shop, lines};

const RECORDS: u64 = 20_000;

/// Reads how many lines a report calls durable.
fn durable(line: &str) -> Option<u64> {
    line.rsplit_once("durable up to line ")?.1.parse().ok()
}

/// Kills an import at a random moment; returns the last line that it had reported as durable.
fn kill_once(shop: &Shop, rng: &mut fastrand::Rng) -> u64 {
    let mut running = shop.start(&["import", "in.jsonl", "--map", "m", "--progress", "lines"]);
    let mut last = 0;
    // Some reports are waited for, then a random moment within the next batch.
    for _ in 0..rng.u64(0..RECORDS / 1_000) {
        match running.line(PATIENCE) {
            Some(line) => last = durable(&line).unwrap_or(last),
            None => break,
        }
    }
    while let Some(line) = running.line(Duration::from_micros(rng.u64(0..4_000))) {
        last = durable(&line).unwrap_or(last);
    }
    running.child.kill().unwrap();
    // What it still managed to say counts as said.
    let ran = running.end();
    ran.out.lines().filter_map(durable).next_back().unwrap_or(last)
}

/// Exports what an import left behind: nothing, where it was killed before it had made the store.
fn kept(shop: &Shop) -> String {
    let ran = shop.run(&["export", "--map", "m"]);
    match ran.code {
        Some(0) => ran.out,
        Some(4) if ran.err.contains("there is no store") => String::new(),
        _ => panic!("the store does not open after a kill: {ran:?}"),
    }
}

#[test]
fn r01_import_kill_nine_loses_nothing_that_was_reported() {
    let cycles = proof::scaled(50).max(3);
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x01);
    let mut violations = 0;
    let mut reported = 0;
    let whole = lines(0, RECORDS);
    for _ in 0..cycles {
        let shop = Shop::new();
        shop.write("in.jsonl", &whole);
        let last = kill_once(&shop, &mut rng);
        reported += last;
        let found = kept(&shop);
        // Lines are in key order: what was reported is the beginning of the export, and nothing in it was invented.
        let kept = u64::try_from(found.lines().count()).unwrap();
        violations += u64::from(kept < last || !whole.starts_with(&found));
        let said = shop.done(&["import", "in.jsonl", "--map", "m"]);
        let expected = format!("{} new, 0 changed, {kept} unchanged", RECORDS - kept);
        violations += u64::from(!said.contains(&expected) || shop.done(&["export", "--map", "m"]) != whole);
    }
    let counts = [
        ("cycles", cycles),
        ("reported", reported),
        ("seed", seed),
        ("violations", violations),
    ];
    proof::report("R01", &counts);
    assert_eq!(violations, 0);
}
