//! Each file of a store damaged, by the real binary: what is wrong is said, or nothing is; records never vanish quietly.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use layerstore_testkit::proof;

use crate::shop::{Ran, Shop, lines};

const RECORDS: u64 = 300;

/// What may happen to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Flip(usize),
    Zeroed(usize),
    Cut(usize),
    Removed,
}

/// Makes a store with records in tables and in the journal, and copies of it to be damaged.
fn store(shop: &Shop) -> PathBuf {
    shop.write("in.jsonl", lines(0, RECORDS));
    shop.write("more.jsonl", lines(RECORDS, RECORDS));
    shop.done(&["--data", "whole", "import", "in.jsonl", "--map", "m"]);
    flush(&shop.path("whole"));
    shop.done(&["--data", "whole", "import", "more.jsonl", "--map", "m"]);
    shop.path("whole")
}

/// Moves what is in the journal into tables, as a store does that has had more writes than a test has time for.
fn flush(dir: &Path) {
    // It is done behind the store's back.
    std::fs::remove_file(dir.join("layerstore.seal")).unwrap();
    let db = fjall::Database::builder(dir).open().unwrap();
    for name in db.list_keyspace_names() {
        let keyspace = db.keyspace(&name, fjall::KeyspaceCreateOptions::default).unwrap();
        keyspace.rotate_memtable_and_wait().unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

fn damage(file: &Path, damage: Damage) {
    let mut bytes = std::fs::read(file).unwrap();
    match damage {
        Damage::Flip(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
        Damage::Zeroed(from) => {
            let end = bytes.len().min(from + 512);
            bytes[from..end].fill(0);
        }
        Damage::Cut(len) => bytes.truncate(len),
        Damage::Removed => return std::fs::remove_file(file).unwrap(),
    }
    std::fs::write(file, bytes).unwrap();
}

/// What is wrong with an answer, if it is.
fn fault(ran: &Ran, whole: Option<&str>) -> Option<String> {
    let says = ran.err.starts_with("layerstore: ") && ran.err.contains("\nlayerstore: help: ");
    match ran.code {
        _ if ran.err.contains("panicked") => Some("a panic".into()),
        Some(0) if whole.is_some_and(|whole| ran.out != whole) => {
            Some(format!("{} lines instead of all", ran.out.lines().count()))
        }
        Some(0) => None,
        Some(1 | 6) if says => None,
        code => Some(format!("ended with {code:?}: {}", ran.err)),
    }
}

#[test]
fn r23_no_damage_to_any_file_loses_a_record_quietly() {
    let shop = Shop::new();
    let whole = store(&shop);
    let export = lines(0, RECORDS * 2);
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x23);
    let names: Vec<PathBuf> = files(&whole)
        .iter()
        .map(|file| file.strip_prefix(&whole).unwrap().to_owned())
        .collect();
    let mut cases = Vec::new();
    let rounds = proof::scaled(60);
    for name in &names {
        let len = usize::try_from(std::fs::metadata(whole.join(name)).unwrap().len()).unwrap();
        cases.extend([(name, Damage::Removed), (name, Damage::Cut(0))]);
        if len == 0 {
            continue;
        }
        cases.push((name, Damage::Zeroed(0)));
        for _ in 0..rounds {
            cases.push((name, Damage::Flip(rng.usize(0..len * 8))));
            cases.push((name, Damage::Zeroed(rng.usize(0..len))));
            cases.push((name, Damage::Cut(rng.usize(0..len))));
        }
    }
    let mut faults = BTreeSet::new();
    let mut found = 0;
    for (name, how) in &cases {
        copy(&whole, &shop.path("data"));
        damage(&shop.path("data").join(name), *how);
        let verified = shop.run(&["--data", "data", "verify"]);
        let exported = shop.run(&["--data", "data", "export", "--map", "m"]);
        found += u64::from(verified.code != Some(0));
        let wrong = fault(&verified, None).or_else(|| fault(&exported, Some(&export)));
        if let Some(wrong) = wrong {
            faults.insert(format!("{} {how:?}: {wrong}", name.display()));
        }
    }
    let counts = [
        ("damaged", u64::try_from(cases.len()).unwrap()),
        ("found", found),
        ("seed", seed),
        ("violations", u64::try_from(faults.len()).unwrap()),
    ];
    proof::report("R23", &counts);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The largest file of a kind, below the store.
fn largest(dir: &Path, is_it: impl Fn(&str) -> bool) -> PathBuf {
    let files = files(dir).into_iter();
    let of_kind = files.filter(|file| is_it(&file.strip_prefix(dir).unwrap().to_string_lossy()));
    of_kind
        .max_by_key(|file| std::fs::metadata(file).unwrap().len())
        .unwrap()
}

/// Each damage, and the code that every verb which meets it ends with: 6 for damage, 1 for another version.
#[test]
fn every_verb_says_what_is_damaged_and_what_to_do() {
    type Kind = (&'static str, fn(&str) -> bool, fn(usize) -> Damage, i32);
    let kinds: [Kind; 9] = [
        (
            "a changed journal",
            |file| file.ends_with(".jnl"),
            |_| Damage::Flip(20_000),
            6,
        ),
        (
            "a cut journal",
            |file| file.ends_with(".jnl"),
            |len| Damage::Cut(len / 2),
            6,
        ),
        (
            "no journal",
            |file| file.ends_with(".jnl"),
            |_| Damage::Removed,
            6,
        ),
        (
            "an emptied journal",
            |file| file.ends_with(".jnl"),
            |_| Damage::Cut(0),
            6,
        ),
        (
            "a changed table",
            |file| file.contains("tables"),
            |_| Damage::Flip(4_000),
            6,
        ),
        (
            "a cut table",
            |file| file.contains("tables"),
            |len| Damage::Cut(len / 2),
            6,
        ),
        (
            "no manifest",
            |file| file.ends_with("0/current"),
            |_| Damage::Removed,
            6,
        ),
        (
            "an emptied manifest",
            |file| file.ends_with("0/current"),
            |_| Damage::Cut(0),
            6,
        ),
        (
            "a later version",
            |file| file == "version",
            |_| Damage::Flip(24),
            1,
        ),
    ];
    let shop = Shop::new();
    let whole = store(&shop);
    for (what, is_it, how, code) in kinds {
        copy(&whole, &shop.path("data"));
        let file = largest(&shop.path("data"), is_it);
        let len = usize::try_from(std::fs::metadata(&file).unwrap().len()).unwrap();
        damage(&file, how(len));
        let verbs: [&[&str]; 5] = [
            &["verify"],
            &["check"],
            &["scan", "--map", "m"],
            &["import", "in.jsonl", "--map", "m"],
            &["get", "--map", "m", "k00000000"],
        ];
        for verb in verbs {
            let ran = shop.run(&[&["--data", "data"], verb].concat());
            let shown = format!("{what}, {verb:?}: {ran:?}");
            // A verb that reads little may not meet damage to one block of a table.
            let may_miss = what.contains("table") && verb != ["verify"];
            assert!(
                ran.code == Some(code) || (may_miss && ran.code == Some(0)),
                "{shown}"
            );
            if ran.code != Some(0) {
                assert!(fault(&ran, None).is_none(), "{shown}");
                let names = if code == 6 { "corrupt" } else { "unknown format" };
                assert!(ran.err.contains(names), "{shown}");
            }
        }
    }
}
