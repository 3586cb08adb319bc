//! Stores that are open elsewhere, damaged, of another format, or configured.

use crate::shop::{Shop, lines};

#[test]
fn a_second_process_on_a_directory_is_refused_by_name() {
    let shop = Shop::new();
    let mut running = shop.start(&["import", "-", "--map", "m", "--progress", "lines"]);
    running.feed(&lines(0, 1_000));
    running.until("durable up to line 1000");
    let ran = shop.run(&["get", "--map", "m", "k00000001"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    let pid = running.child.id().to_string();
    assert!(
        ran.err.contains(&pid) && ran.err.contains("layerstore-data"),
        "pid {pid}: {ran:?}"
    );
    assert_eq!(running.end().code, Some(0));
    shop.done(&["get", "--map", "m", "k00000001"]);
}

#[test]
fn damage_is_found_and_said() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 3_000));
    shop.done(&["import", "in.jsonl", "--map", "m"]);
    // The last byte of a value in the middle of what was written.
    let journal = shop.path("layerstore-data/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes
        .windows(9)
        .position(|window| window == b"k00001500")
        .unwrap();
    bytes[at + 4] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    for args in [
        &["verify"][..],
        &["get", "--map", "m", "k00000001"],
        &["export", "--map", "m", "out.jsonl"],
    ] {
        let ran = shop.run(args);
        assert_eq!(ran.code, Some(6), "{args:?}: {ran:?}");
        assert!(ran.err.contains("corrupt") && ran.err.contains("copy"), "{ran:?}");
    }
    assert!(!shop.path("out.jsonl").exists());
}

#[test]
fn a_format_of_another_version_is_not_called_damage() {
    let shop = Shop::new();
    shop.done(&["put", "--map", "m", "k", "1"]);
    let version = shop.path("layerstore-data/version");
    let known = std::fs::read(&version).unwrap();
    let mut later = known.clone();
    *later.last_mut().unwrap() = 99;
    std::fs::write(&version, later).unwrap();
    let ran = shop.run(&["get", "--map", "m", "k"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("unknown format") && ran.err.contains("newer"),
        "{ran:?}"
    );
    // It was left as it was.
    std::fs::write(&version, known).unwrap();
    assert_eq!(shop.done(&["get", "--map", "m", "k"]), "1\n");
}

#[test]
fn a_configuration_decides_where_and_how_records_are_kept() {
    let shop = Shop::new();
    let config =
        "format = 1\n[data_store]\npath = \"kept\"\n[map.m]\nttl = \"1h\"\npartitions = 4\nmax_count = 10\n";
    shop.write("layerstore.toml", config);
    shop.write("in.jsonl", lines(0, 100));
    shop.done(&["--config", "layerstore.toml", "import", "in.jsonl", "--map", "m"]);
    assert!(shop.path("kept").is_dir());
    let said = shop.done(&["--config", "layerstore.toml", "check"]);
    assert!(
        said.contains(
            "map m: ttl = 1h, max_idle = none, memory = 10 records, eviction = two-segment, partitions = 4"
        ),
        "{said}"
    );
    assert_eq!(
        shop.done(&["--config", "layerstore.toml", "export", "--map", "m"]),
        lines(0, 100)
    );
    // Without the file's partitions the records are the same.
    assert_eq!(
        shop.done(&["--data", "kept", "export", "--map", "m"]),
        lines(0, 100)
    );
}

#[test]
fn stat_counts_map_by_map() {
    let shop = Shop::new();
    shop.write("in.jsonl", lines(0, 100));
    shop.done(&["import", "in.jsonl", "--map", "many"]);
    shop.done(&["put", "--map", "one", "k", "1"]);
    shop.done(&["put", "--map", "one", "gone", "1"]);
    shop.done(&["rm", "--map", "one", "gone"]);
    let said = shop.done(&["stat"]);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("many\t100 records\t"), "{said}");
    assert!(
        lines[1].starts_with("one\t1 records\t") && lines[1].ends_with("1 tombstones"),
        "{said}"
    );
}
