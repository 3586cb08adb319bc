//! Records from one store to another: byte for byte, gone on with after a kill, and refused in words where it cannot be.

use std::time::Duration;

use layerstore_testkit::proof;

use crate::shop::{PATIENCE, Shop, lines};

/// How many records a copy has in full.
const FULL: u64 = 1_000_000;

/// A shop whose store `a` has `count` records in map `m`, and what their export is.
fn stocked(count: u64) -> (Shop, String) {
    let shop = Shop::new();
    let whole = lines(0, count);
    shop.write("in.jsonl", &whole);
    shop.done(&["--data", "a", "import", "in.jsonl", "--map", "m"]);
    (shop, whole)
}

fn export(shop: &Shop, data: &str) -> String {
    shop.done(&["--data", data, "export", "--map", "m"])
}

/// Kills a copy at a random moment; returns how many records it had reported as durable.
fn kill_once(shop: &Shop, rng: &mut fastrand::Rng, batches: u64) -> u64 {
    let mut running = shop.start(&[
        "copy",
        "--from",
        "embedded:a",
        "--to",
        "embedded:b",
        "--progress",
        "lines",
    ]);
    let durable = |line: &str| -> Option<u64> {
        line.strip_prefix("copied ")?
            .split_once(" records of map m, durable")?
            .0
            .parse()
            .ok()
    };
    let mut last = 0;
    for _ in 0..rng.u64(0..=batches) {
        match running.line(PATIENCE) {
            Some(line) => last = durable(&line).unwrap_or(last),
            None => break,
        }
    }
    while let Some(line) = running.line(Duration::from_micros(rng.u64(0..4_000))) {
        last = durable(&line).unwrap_or(last);
    }
    running.child.kill().unwrap();
    let ran = running.end();
    ran.out.lines().filter_map(durable).next_back().unwrap_or(last)
}

#[test]
fn m5_a_copy_of_a_copy_exports_byte_for_byte_what_was_imported() {
    let count = proof::scaled(FULL);
    let (shop, whole) = stocked(count);
    for (from, to) in [("a", "b"), ("b", "c")] {
        let said = shop.done(&[
            "copy",
            "--from",
            &format!("embedded:{from}"),
            "--to",
            &format!("embedded:{to}"),
        ]);
        assert!(
            said.contains(&format!("map m: {count} written, 0 there already")),
            "{said}"
        );
        let sums: Vec<_> = said
            .lines()
            .filter_map(|line| line.split_once("checksum "))
            .collect();
        assert!(sums.len() == 2 && sums[0].1 == sums[1].1, "{said}");
    }
    let same = export(&shop, "c") == whole;
    proof::report("M5", &[("records", count), ("violations", u64::from(!same))]);
    assert!(same);
    // Versions and times are the same, too.
    let record = |data: &str| shop.done(&["--json", "--data", data, "get", "--map", "m", "k00000001"]);
    assert_eq!(record("a"), record("c"));
}

#[test]
fn m5_a_copy_that_is_killed_again_and_again_ends_with_the_same() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x4b32);
    let (count, kills) = (20_000, proof::scaled(60).max(3));
    let (shop, whole) = stocked(count);
    let mut violations = 0;
    for _ in 0..kills {
        let reported = kill_once(&shop, &mut rng, count / 1_000);
        if !shop.path("b").exists() || shop.run(&["--data", "b", "stat"]).code == Some(4) {
            violations += u64::from(reported > 0);
            continue;
        }
        let kept = export(&shop, "b");
        // Records are in key order: what was reported is the beginning of the export, and nothing in it was invented.
        let has_all = u64::try_from(kept.lines().count()).unwrap() >= reported;
        violations += u64::from(!has_all || !whole.starts_with(&kept));
        if kept == whole {
            std::fs::remove_dir_all(shop.path("b")).unwrap();
        }
    }
    shop.done(&["copy", "--from", "embedded:a", "--to", "embedded:b"]);
    violations += u64::from(export(&shop, "b") != whole);
    let again = shop.done(&["copy", "--from", "embedded:a", "--to", "embedded:b"]);
    violations += u64::from(!again.contains(&format!("map m: 0 written, {count} there already")));
    proof::report(
        "M5",
        &[("kills", kills), ("seed", seed), ("violations", violations)],
    );
    assert_eq!(violations, 0);
}

#[test]
fn c6_an_interrupted_copy_says_how_to_go_on() {
    let (shop, whole) = stocked(20_000);
    let running = shop.start(&[
        "copy",
        "--from",
        "embedded:a",
        "--to",
        "embedded:b",
        "--progress",
        "lines",
    ]);
    running.until("durable");
    running.signal("INT");
    let ran = running.end();
    if ran.code != Some(0) {
        assert_eq!(ran.code, Some(130), "{ran:?}");
        assert!(ran.err.contains("run the same command again"), "{ran:?}");
    }
    shop.done(&["copy", "--from", "embedded:a", "--to", "embedded:b"]);
    assert_eq!(export(&shop, "b"), whole);
}

#[test]
fn c6_a_copy_replaces_nothing_that_is_newer_and_names_the_maps_that_it_copied() {
    let (shop, _) = stocked(10);
    shop.done(&["--data", "a", "put", "--map", "other", "x", "1"]);
    shop.done(&["copy", "--from", "embedded:a", "--to", "embedded:b"]);
    shop.done(&[
        "--data",
        "b",
        "put",
        "--map",
        "m",
        "k00000003",
        "{\"id\":\"k00000003\",\"n\":\"newer\"}",
    ]);
    shop.done(&["--data", "a", "rm", "--map", "m", "k00000004"]);
    let said = shop.done(&[
        "--json",
        "copy",
        "--from",
        "embedded:a",
        "--to",
        "embedded:b",
        "--map",
        "m",
    ]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["map"], "m");
    assert_eq!(
        (&report["written"], &report["superseded"], &report["complete"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert!(
        shop.done(&["--data", "b", "get", "--map", "m", "k00000003"])
            .contains("newer")
    );
    assert_eq!(
        shop.run(&["--data", "b", "get", "--map", "m", "k00000004"]).code,
        Some(4)
    );
}

/// Writes a record with a version of the test's behind the command's back.
fn write_below(data: &std::path::Path, value: u64) {
    use layerstore::data_store::{MapDataStore, Write};
    use layerstore::record::Timestamp;
    use layerstore::{Key, MapName, Millis, NodeId, Record, RecordValue, Version};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = layerstore::embedded::EmbeddedOptions::default();
        let store = layerstore::embedded::KvDataStore::open(data, options)
            .await
            .unwrap();
        let map = MapName::new("m").unwrap();
        store.claim(&map).await.unwrap();
        let at = Timestamp::new(Millis(1_000), 0, NodeId(1));
        let record = Record::builder(RecordValue::lww(value, at), Version::new(at)).build();
        let write = Write::new(map, Key::new("k").unwrap(), std::sync::Arc::new(record));
        assert!(store.apply(vec![write]).await[0].is_applied());
        assert!(store.close(PATIENCE).await.is_complete());
    });
}

#[test]
fn c6_a_copy_that_leaves_a_difference_ends_with_code_3_and_says_what_to_do() {
    let shop = Shop::new();
    write_below(&shop.path("a"), 1);
    write_below(&shop.path("b"), 2);
    let ran = shop.run(&["copy", "--from", "embedded:a", "--to", "embedded:b"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(
        ran.err.contains("1 records differ") && ran.err.contains("--fence-source"),
        "{ran:?}"
    );
    let sums: Vec<_> = ran
        .out
        .lines()
        .filter_map(|line| line.split_once("checksum "))
        .collect();
    assert!(sums.len() == 2 && sums[0].1 != sums[1].1, "{ran:?}");
}

#[test]
fn a_copy_that_cannot_be_is_refused_in_words_and_makes_nothing() {
    let (shop, _) = stocked(3);
    shop.write(
        "bad.toml",
        "format = 1\n[data_store]\nkind = \"embedded\"\nurl = \"hunter2\"\n",
    );
    let cases: [(&[&str], i32, &str); 8] = [
        (
            &["copy", "--from", "embedded:none", "--to", "embedded:b"],
            4,
            "--from: there is no store in none",
        ),
        (
            &["copy", "--from", "embedded:a", "--to", "embedded:./a"],
            2,
            "the same store",
        ),
        (
            &["copy", "--from", "hunter2", "--to", "embedded:b"],
            2,
            "--from: ",
        ),
        (
            &["copy", "--from", "embedded:a", "--to", "mysql://u:hunter2@h"],
            2,
            "--to: ",
        ),
        (
            &["copy", "--from", "embedded:a", "--to", "bad.toml"],
            2,
            "bad.toml:4:",
        ),
        (
            &["copy", "--from", "embedded:a", "--to", "embedded:b", "--map", ""],
            2,
            "map name",
        ),
        (
            &[
                "--data",
                "a",
                "copy",
                "--from",
                "embedded:a",
                "--to",
                "embedded:b",
            ],
            2,
            "leave out",
        ),
        (&["copy", "--from", "embedded:a"], 2, "--to"),
    ];
    for (args, code, said) in cases {
        let ran = shop.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        assert!(
            ran.err.contains(said) && !ran.err.contains("hunter2"),
            "{args:?}: {ran:?}"
        );
    }
    assert!(!shop.path("b").exists() && !shop.path("none").exists());
}

#[test]
fn stores_are_named_by_a_configuration_file_too() {
    let (shop, whole) = stocked(1_200);
    shop.write("b.toml", "format = 1\n[data_store]\npath = \"b\"\n");
    shop.done(&["copy", "--from", "embedded:a", "--to", "b.toml"]);
    assert_eq!(shop.done(&["--config", "b.toml", "export", "--map", "m"]), whole);
    assert_eq!(export(&shop, "b"), whole);
}
