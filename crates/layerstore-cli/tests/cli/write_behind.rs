//! Write-behind from a configuration: what the commands acknowledge, what they show of it, and what they do with what is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerstore::record::Timestamp;
use layerstore::write_behind::{DiskStorage, LogWriter, NewEntry};
use layerstore::{Key, LogOptions, MapName, Millis, NodeId, Record, RecordValue, Version};

use crate::shop::{Ran, Running, Shop, lines};

const COUNT: u64 = 3_000;

/// A shop whose store is behind a log, and is written to by flushes alone.
fn shop() -> Shop {
    configured("delay = \"1h\"")
}

fn configured(settings: &str) -> Shop {
    let shop = Shop::new();
    shop.write(
        "layerstore.toml",
        format!("format = 1\n[write_behind]\n{settings}\n"),
    );
    shop
}

fn args<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [&["--config", "layerstore.toml"], command].concat()
}

fn run(shop: &Shop, command: &[&str]) -> Ran {
    shop.run(&args(command))
}

fn done(shop: &Shop, command: &[&str]) -> String {
    shop.done(&args(command))
}

fn log(shop: &Shop) -> PathBuf {
    shop.path("layerstore-data/write-behind")
}

/// Starts an import that has reported everything of its input as durable, and goes on waiting for more.
fn importing(shop: &Shop) -> Running {
    let mut running = shop.start(&args(&["import", "-", "--map", "m", "--progress", "lines"]));
    running.feed(&lines(0, COUNT));
    running.until(&format!("durable up to line {COUNT}"));
    running
}

fn kill(mut running: Running) {
    running.child.kill().unwrap();
    running.end();
}

/// A shop whose log has the writes of an import that was killed.
fn killed(settings: &str) -> Shop {
    let shop = configured(settings);
    kill(importing(&shop));
    shop
}

#[test]
fn c1_what_an_import_reported_is_in_the_log_and_survives_a_kill() {
    for settings in [
        "delay = \"1h\"",
        "delay = \"1h\"\nsync = \"os\"",
        "delay = \"1h\"\nlog = false",
    ] {
        let shop = killed(settings);
        assert!(done(&shop, &["get", "--map", "m", "k00000001"]).contains("\"n\":1"));
        assert_eq!(
            done(&shop, &["export", "--map", "m"]),
            lines(0, COUNT),
            "{settings}"
        );
        // The command before has brought it to the store, where it is without write-behind, too.
        assert_eq!(
            shop.done(&["export", "--map", "m"]),
            lines(0, COUNT),
            "{settings}"
        );
    }
}

#[test]
fn an_import_ends_with_everything_in_the_store_or_says_what_is_not() {
    let shop = shop();
    shop.write("in.jsonl", lines(0, COUNT));
    let said = done(&shop, &["--json", "import", "in.jsonl", "--map", "m"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["pending"], &said["imported"]),
        (&0.into(), &COUNT.into()),
        "{said}"
    );
    assert_eq!(shop.done(&["export", "--map", "m"]), lines(0, COUNT));

    let running = importing(&shop);
    running.signal("INT");
    let ran = running.end_by_itself();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.err.contains("is in the store"), "{ran:?}");

    bury(&shop, "refused");
    let ran = run(&shop, &["import", "in.jsonl", "--map", "m"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(
        ran.out
            .contains("1 records are pending: acknowledged, in the log")
            && ran.out.contains("1 of them were refused for good"),
        "{ran:?}"
    );
}

/// Puts a dead letter into the log of a store that nobody has open, as an earlier run with another store behind it left it.
fn bury(shop: &Shop, key: &str) {
    let storage = Arc::new(DiskStorage::open(log(shop)).unwrap());
    let (mut log, _) = LogWriter::open(storage, LogOptions::default(), Millis(1)).unwrap();
    let at = Timestamp::new(Millis(5), 0, NodeId(1));
    let record = Record::builder(RecordValue::lww(7, at), Version::new(at)).build();
    let (map, key) = (MapName::new("m").unwrap(), Key::new(key).unwrap());
    let letter = NewEntry::dead_letter(map, key, Arc::new(record), "too large").encode();
    log.append(&[letter.unwrap()], Millis(1)).unwrap();
    log.close(Millis(1)).unwrap();
}

#[test]
fn dead_letters_are_listed_read_retried_and_discarded() {
    let shop = shop();
    assert_eq!(
        done(&shop, &["put", "--map", "m", "there", "1"]),
        "put \"there\" into map \"m\"\n"
    );
    assert_eq!(done(&shop, &["dead-letters", "list"]), "no dead letters\n");
    for key in ["a", "b"] {
        bury(&shop, key);
    }
    let ran = run(&shop, &["dead-letters", "list", "--map", "m"]);
    assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 2), "{ran:?}");
    assert!(
        ran.out.starts_with("m\ta\tput\t") && ran.out.contains("\ttoo large\n"),
        "{ran:?}"
    );
    assert!(ran.err.contains("2 records are pending"), "{ran:?}");
    let said = done(&shop, &["--json", "dead-letters", "list"]);
    let letter: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&letter["key"], &letter["reason"]),
        (&"a".into(), &"too large".into())
    );
    assert_eq!(
        done(&shop, &["dead-letters", "list", "--map", "other"]),
        "no dead letters\n"
    );
    assert_eq!(
        done(&shop, &["get", "--map", "m", "a"]),
        "7\n",
        "it was acknowledged"
    );

    let ran = run(&shop, &["dead-letters", "retry", "--map", "m", "none"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(
        ran.err.contains("no dead letter of \"none\"") && ran.err.contains("dead-letters list"),
        "{ran:?}"
    );
    let ran = run(&shop, &["dead-letters", "retry", "--map", "m", "a", "none"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(ran.out, "m\ta\tstored\n");
    assert_eq!(shop.done(&["get", "--map", "m", "a"]), "7\n");

    let said = done(&shop, &["dead-letters", "discard", "--all"]);
    assert_eq!(said, "m\tb\tdiscarded\n1 dead letters were discarded\n");
    assert_eq!(run(&shop, &["get", "--map", "m", "b"]).code, Some(4));
    assert_eq!(
        done(&shop, &["dead-letters", "discard", "--all"]),
        "0 dead letters were discarded\n"
    );
}

#[test]
fn dead_letters_without_keys_or_without_write_behind_are_a_mistake_of_usage() {
    let shop = shop();
    done(&shop, &["put", "--map", "m", "k", "1"]);
    for command in [
        &["dead-letters", "retry"][..],
        &["dead-letters", "discard", "k"],
        &["dead-letters", "discard", "--map", "m", "--all", "k"],
        &["dead-letters", "retry", "--map", "", "k"],
    ] {
        let ran = run(&shop, command);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    let ran = shop.run(&["dead-letters", "list"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("not turned on") && ran.err.contains("[write_behind]"),
        "{ran:?}"
    );
}

#[test]
fn stat_check_and_verify_show_how_write_behind_stands() {
    let shop = killed("delay = \"1h\"");
    let said = done(&shop, &["stat"]);
    assert!(said.starts_with("m\t3000 records\t"), "{said}");
    for part in [
        "write-behind\t0 pending\t",
        "\t0 dead letters\t",
        "\tlog ",
        "\t3000 taken over",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    bury(&shop, "x");
    let said = done(&shop, &["--json", "stat"]);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let status = &last["write_behind"];
    assert_eq!(
        (&status["pending"], &status["dead_letters"]),
        (&1.into(), &1.into()),
        "{said}"
    );
    assert_eq!(status["breaker"], "closed");
    let said = done(&shop, &["check"]);
    for part in [
        "data store: embedded, as layerstore.toml says\n",
        "\n  write-behind: the newest of each key after 3600s\n",
        "\n  log: ",
        "sync = always\n",
        "ok: the store opens",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let said = done(&shop, &["verify"]);
    assert!(
        said.contains("write-behind\t1 pending") && said.contains("all 3000 records are sound"),
        "{said}"
    );
    // A command that knows nothing of the log says that there is one.
    assert!(
        shop.done(&["check"])
            .contains("note: writes are pending in the log ")
    );
}

/// Changes a byte in the middle of the log.
fn damage(log: &Path) {
    let segment = log.join("00000000000000000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
}

#[test]
fn a_log_is_looked_at_while_it_is_open_and_after() {
    let shop = shop();
    let ran = run(&shop, &["log", "inspect"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.err.contains("there is no log in "), "{ran:?}");
    let running = importing(&shop);
    let said = done(&shop, &["log", "inspect"]);
    for part in ["not closed", "3000 are pending", "segment 1: ", "3000 entries"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    kill(running);
    let directory = log(&shop);
    let said = shop.done(&["--json", "log", "inspect", directory.to_str().unwrap()]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["pending"], &said["is_closed"]),
        (&3_000.into(), &false.into())
    );
    done(&shop, &["stat"]);
    let said = shop.done(&["log", "inspect"]);
    assert!(
        said.contains(": closed\n") && said.contains(" 0 are pending"),
        "{said}"
    );
}

#[test]
fn a_damaged_log_is_named_and_what_can_be_read_of_it_is_saved() {
    let shop = killed("delay = \"1h\"");
    let directory = log(&shop).display().to_string();
    damage(&log(&shop));
    for command in [&["log", "inspect"][..], &["get", "--map", "m", "k00000001"]] {
        let ran = run(&shop, command);
        assert_eq!(ran.code, Some(6), "{ran:?}");
        for part in ["00000000000000000001.segment is damaged at byte ", "log salvage"] {
            assert!(ran.err.contains(part), "no {part:?} in {ran:?}");
        }
    }
    shop.write("file", "x");
    std::fs::create_dir(shop.path("full")).unwrap();
    std::fs::write(shop.path("full/file"), "x").unwrap();
    let ran = shop.run(&["log", "salvage", &directory, "full"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("full is not empty"), "{ran:?}");
    assert_eq!(shop.run(&["log", "salvage", "nowhere", "saved"]).code, Some(4));

    let ran = shop.run(&["log", "salvage", &directory, "saved"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(
        ran.out.contains("\n  lost: ") && ran.out.contains(" of segment 1 from byte "),
        "{ran:?}"
    );
    let saved: usize = ran
        .out
        .strip_prefix("saved ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .unwrap();
    assert!(saved > 0, "{ran:?}");
    let said = shop.done(&["--json", "log", "salvage", "saved", "again"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["saved"], &said["complete"]), (&saved.into(), &true.into()));

    // As the command says: the damaged one away, the saved one to its place.
    std::fs::rename(log(&shop), shop.path("damaged")).unwrap();
    std::fs::rename(shop.path("saved"), log(&shop)).unwrap();
    let found = done(&shop, &["export", "--map", "m"]);
    assert_eq!(found.lines().count(), saved);
    let all = lines(0, COUNT);
    assert!(found.lines().all(|line| all.contains(line)));
}
