//! What an import does with what it is given.

use crate::shop::{Shop, lines, repository};

fn rejects(shop: &Shop, name: &str) -> Vec<(u64, String)> {
    let entry = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["file"].as_str().unwrap().ends_with(".jsonl"));
        (
            entry["line"].as_u64().unwrap(),
            entry["reason"].as_str().unwrap().to_owned(),
        )
    };
    shop.read(name).lines().map(entry).collect()
}

#[test]
fn c3_bad_lines_are_listed_and_the_rest_is_imported() {
    let shop = Shop::new();
    let mut file = Vec::from(
        "{\"id\":\"a\"}\n\n{\"id\":\"a\",}\n{\"id\":\"pi\",\"v\":[{\"x\":3.14159265358979323846}]}\n",
    );
    file.extend_from_slice(b"{\"id\":\"\xff\"}\n{\"id\":\"b\",\"id\":\"c\"}\n{\"id\":true}\n{\"id\":\"z\"}");
    shop.write("in.jsonl", file);
    let ran = shop.run(&["import", "in.jsonl", "--map", "m"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(
        ran.out.contains("imported 2 records") && ran.out.contains("in.rejects.jsonl"),
        "{ran:?}"
    );
    let rejects = rejects(&shop, "in.rejects.jsonl");
    let lines: Vec<_> = rejects.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7]);
    for ((_, reason), expected) in rejects.iter().zip([
        "not JSON",
        "field v[0].x: the number",
        "not UTF-8",
        "field id: the field comes twice",
        "field id: a key is",
    ]) {
        assert!(reason.starts_with(expected), "{reason}");
        assert!(!reason.contains("3.14"), "{reason}");
    }
    assert_eq!(
        shop.done(&["export", "--map", "m"]),
        "{\"id\":\"a\"}\n{\"id\":\"z\"}\n"
    );
}

#[test]
fn c3_a_strict_import_stops_at_the_first_bad_line_with_nothing_of_its_batch() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 1_500) + "nonsense\n" + &lines(1_500, 1_000));
    let ran = shop.run(&["import", "in.jsonl", "--map", "m", "--strict"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("in.jsonl, line 1501: not JSON"), "{ran:?}");
    assert!(ran.out.contains("imported 1000 records"), "{ran:?}");
    assert_eq!(shop.done(&["export", "--map", "m"]), lines(0, 1_000));
    assert!(!shop.path("in.rejects.jsonl").exists());
}

#[test]
fn c1_of_a_batch_that_failed_nothing_is_reported() {
    let shop = Shop::new();
    // Memory for 1,990 records that may not leave it: the second batch finds no room.
    let config = "format = 1\n[map.m]\nmax_count = 1990\neviction = \"none\"\nput_deadline = \"50ms\"\n";
    shop.write("layerstore.toml", config);
    shop.write("in.jsonl", lines(0, 3_000));
    let args = [
        "--config",
        "layerstore.toml",
        "import",
        "in.jsonl",
        "--map",
        "m",
        "--progress",
        "lines",
    ];
    let ran = shop.run(&args);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err
            .contains("stopped after line 1000, up to which all is in the store"),
        "{ran:?}"
    );
    assert!(ran.err.contains("raise max_cost or max_count"), "{ran:?}");
    assert!(
        ran.out.contains("durable up to line 1000") && !ran.out.contains("line 2000"),
        "{ran:?}"
    );
    let found = shop.done(&["export", "--map", "m"]);
    assert!(found.starts_with(&lines(0, 1_000)));
    // With room for them the rest follows.
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert_eq!(shop.done(&["export", "--map", "m"]), lines(0, 3_000));
}

#[test]
fn keys_come_from_the_named_field_or_id_or_the_line() {
    let shop = Shop::new();
    shop.write("in.jsonl", "{\"id\":7,\"name\":\"x\"}\n{\"name\":\"y\"}\n");
    shop.done(&["import", "in.jsonl", "--map", "by-id"]);
    shop.done(&["import", "in.jsonl", "--map", "by-name", "--key", "name"]);
    let keys = |map: &str| -> Vec<String> {
        let said = shop.done(&["scan", "--map", map]);
        said.lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys("by-id"), ["7", "in:2"]);
    assert_eq!(keys("by-name"), ["x", "y"]);
    let ran = shop.run(&["import", "in.jsonl", "--map", "none", "--key", "size"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(rejects(&shop, "in.rejects.jsonl").len(), 2);
}

#[test]
fn c2_a_second_import_says_what_is_new_changed_and_unchanged() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 1_200));
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    let changed = lines(0, 1_199) + "{\"id\":\"k00001199\",\"n\":0}\n" + &lines(1_200, 1);
    shop.write("in.jsonl", &changed);
    let said = shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert!(said.contains("1 new, 1 changed, 1199 unchanged"), "{said}");
    assert_eq!(shop.done(&["export", "--map", "m"]), changed);
}

#[test]
fn of_a_key_that_comes_twice_the_last_line_counts() {
    let shop = Shop::new();
    shop.write(
        "in.jsonl",
        "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\"}\n{\"id\":\"a\",\"n\":2}\n{\"id\":\"a\",\"n\":2}\n",
    );
    let said = shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert!(said.contains("2 new, 1 changed, 1 unchanged"), "{said}");
    assert_eq!(shop.done(&["get", "--map", "m", "a"]), "{\"id\":\"a\",\"n\":2}\n");
}

#[test]
fn a_time_to_live_is_kept_and_renewed() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 1));
    let expires = || {
        let said = shop.done(&["get", "--json", "--map", "m", "k00000000"]);
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["expires_ms"].as_u64()
    };
    shop.done(&["import", "in.jsonl", "--map", "m", "--ttl", "1h"]);
    let first = expires().unwrap();
    let said = shop.done(&["import", "in.jsonl", "--map", "m", "--ttl", "2h"]);
    assert!(said.contains("0 new, 0 changed, 1 unchanged"), "{said}");
    assert!(expires().unwrap() > first + 3_000_000);
    // Without a time to live the file's record does not end: one that does is another.
    let said = shop.done(&["import", "in.jsonl", "--map", "m"]);
    assert!(said.contains("0 new, 1 changed, 0 unchanged"), "{said}");
    assert_eq!(expires(), None);
}

#[test]
fn standard_input_is_a_file() {
    let shop = Shop::new();
    let mut running = shop.start(&["import", "-", "--map", "m"]);
    running.feed("{\"n\":1}\n");
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(shop.done(&["scan", "--map", "m"]).starts_with("stdin:1\t"));
}

#[test]
fn c2_an_interrupted_import_reports_what_is_durable_and_goes_on_when_run_again() {
    let shop = Shop::new();
    for signal in ["INT", "TERM"] {
        let mut running = shop.start(&["import", "-", "--map", signal, "--progress", "lines"]);
        running.feed(&lines(0, 2_500));
        running.until("durable up to line 2000");
        running.signal(signal);
        // An input that ended now would be seen before the signal now and then, and the rest of it imported.
        let ran = running.end_by_itself();
        assert_eq!(ran.code, Some(130), "{ran:?}");
        assert!(
            ran.err.contains("everything up to line 2000 is in the store"),
            "{ran:?}"
        );
        assert_eq!(shop.done(&["export", "--map", signal]), lines(0, 2_000));
        shop.write("in.jsonl", lines(0, 2_500));
        let said = shop.done(&["import", "in.jsonl", "--map", signal]);
        assert!(said.contains("500 new, 0 changed, 2000 unchanged"), "{said}");
        assert_eq!(shop.done(&["export", "--map", signal]), lines(0, 2_500));
    }
}

#[test]
fn nothing_shows_progress_where_there_is_no_terminal() {
    let shop = Shop::new();
    let ran = shop.run(&[
        "import",
        repository("data/cities.jsonl").to_str().unwrap(),
        "--map",
        "m",
    ]);
    assert_eq!(ran.err, "");
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\r'));
}
