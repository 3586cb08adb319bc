//! What goes in comes out.

use std::io::Read;
use std::process::Stdio;

use crate::shop::{Shop, lines, repository};

#[test]
fn the_cities_survive_restarts_and_come_out_as_they_went_in() {
    let shop = Shop::new();
    let cities = repository("data/cities.jsonl");
    let file = cities.to_str().unwrap();
    let said = shop.done(&["import", file, "--map", "cities"]);
    assert!(
        said.contains("imported 6204 records") && said.contains("durable up to line 6204"),
        "{said}"
    );
    assert!(said.contains("6204 new, 0 changed, 0 unchanged"), "{said}");
    // Each command is a process of its own: everything below was read from disk.
    let city = shop.done(&["get", "--map", "cities", "100077"]);
    let input = std::fs::read_to_string(&cities).unwrap();
    assert!(input.contains(&city), "{city}");
    assert_eq!(shop.done(&["export", "--map", "cities"]), input);
    let again = shop.done(&["import", file, "--map", "cities"]);
    assert!(again.contains("0 new, 0 changed, 6204 unchanged"), "{again}");
    assert_eq!(shop.done(&["export", "--map", "cities"]), input);
    assert!(shop.done(&["verify"]).contains("all 6204 records are sound"));
}

#[test]
fn the_commands_to_try_next_can_be_typed_as_they_are_printed() {
    let shop = Shop::new();
    shop.write("it's a file.jsonl", "{\"id\":\"o'clock; rm -rf x\",\"n\":1}\n");
    let said = shop.done(&["--data", "my data", "import", "it's a file.jsonl", "--map", "m p"]);
    let next: Vec<_> = said.lines().skip_while(|line| *line != "next:").skip(1).collect();
    assert_eq!(next.len(), 4, "{said}");
    for line in next {
        let mut shell = std::process::Command::new("sh");
        let ran = shell
            .current_dir(shop.path(""))
            .args(["-c", line.trim()])
            .output()
            .unwrap();
        assert!(ran.status.success() && !ran.stdout.is_empty(), "{line}: {ran:?}");
    }
}

#[test]
fn countries_come_from_csv_with_strings_or_with_what_they_look_like() {
    let shop = Shop::new();
    let countries = repository("data/countries.csv");
    let file = countries.to_str().unwrap();
    shop.done(&["import", file, "--map", "strings"]);
    shop.done(&["import", file, "--map", "inferred", "--infer"]);
    let population = |map: &str| {
        let json = shop.done(&["get", "--map", map, "FR"]);
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["population"].clone()
    };
    assert!(population("strings").is_string());
    assert!(population("inferred").is_u64());
}

#[test]
fn numbers_bytes_and_reserved_objects_come_out_to_the_last_digit() {
    let shop = Shop::new();
    let kept = concat!(
        r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":0.1,"d":1.7976931348623157e308,"id":"a"}"#,
        "\n",
        r#"{"id":"b","x":{"$bytes":"AP8="},"y":{"$$bytes":"mine"},"z":{"$float":"NaN"}}"#,
        "\n",
        r#"{"id":"c","x":[[],{},null,true,"\u0000😀\"\\"]}"#,
        "\n",
    );
    shop.write("kept.jsonl", kept);
    shop.done(&["import", "kept.jsonl", "--map", "m"]);
    assert_eq!(shop.done(&["export", "--map", "m"]), kept);
}

#[test]
fn an_export_replaces_a_file_whole_or_not_at_all() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 2_500));
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    shop.write("out.jsonl", "old");
    let said = shop.done(&["export", "--map", "m", "out.jsonl"]);
    assert!(said.contains("exported 2500 records"), "{said}");
    assert_eq!(shop.read("out.jsonl"), lines(0, 2_500));
    let ran = shop.run(&["export", "--map", "m", "no/such/dir.jsonl"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("no/such/dir.jsonl"), "{ran:?}");
    // Nothing half-written is left beside the file.
    let left = std::fs::read_dir(shop.path("")).unwrap().count();
    assert_eq!(left, 3);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 20_000));
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    for args in [&["export", "--map", "m"][..], &["scan", "--map", "m"]] {
        let mut child = shop
            .command()
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn scans_are_in_key_order_within_prefix_and_limit() {
    let shop = Shop::new();
    for key in ["b", "a/1", "a/2", "é", "a", "😀"] {
        shop.done(&["put", "--map", "m", key, "1"]);
    }
    let keys = |args: &[&str]| -> Vec<String> {
        let said = shop.done(&[&["scan", "--map", "m"], args].concat());
        said.lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&[]), ["a", "a/1", "a/2", "b", "é", "😀"]);
    assert_eq!(keys(&["--prefix", "a/"]), ["a/1", "a/2"]);
    assert_eq!(keys(&["--limit", "2"]), ["a", "a/1"]);
    assert_eq!(keys(&["--limit", "0"]), [""; 0]);
    assert_eq!(keys(&["--prefix", "zz"]), [""; 0]);
}

#[test]
fn machines_read_json() {
    let shop = Shop::new();
    shop.write("in.jsonl", "{\"id\":\"a\",\"n\":1}\nnonsense\n");
    let ran = shop.run(&["--json", "import", "in.jsonl", "--map", "m", "--ttl", "1h"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&report["new"], &report["rejected"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(report["rejects"], "in.rejects.jsonl");
    let record: serde_json::Value =
        serde_json::from_str(&shop.done(&["get", "--json", "--map", "m", "a"])).unwrap();
    assert_eq!(record["value"]["n"], 1);
    assert!(record["expires_ms"].as_u64().unwrap() > record["updated_ms"].as_u64().unwrap());
    for args in [
        &["stat"][..],
        &["check"],
        &["verify"],
        &["scan", "--map", "m"],
        &["put", "--map", "m", "b", "2"],
        &["rm", "--map", "m", "b"],
    ] {
        let said = shop.done(&[&["--json"], args].concat());
        for line in said.lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok(),
                "{args:?}: {line}"
            );
        }
    }
}
