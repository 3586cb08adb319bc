//! Mutants: small changes that cargo-mutants makes to code, each of which a test must notice.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::page::Finding;
use super::suites::{MUTANTS as SUITE, Proof, proof};
use crate::console::{Stopwatch, say};
use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::tools::MUTANTS;
use crate::workspace::Workspace;

/// Where each survivor stands with the reason why no test notices it.
const PAGE: &str = "docs/mutants.md";

/// How many of a hundred viable mutants must be killed.
const FLOOR_PERCENT: usize = 90;

/// What is changed together, and what must notice.
struct Area {
    name: &'static str,
    package: &'static str,
    /// Patterns of the files that are changed.
    files: &'static [&'static str],
    /// What cargo and its tests are told: quick tests only, since they run once a mutant.
    tests: &'static [&'static str],
}

const AREAS: [Area; 4] = [
    Area {
        name: "codec",
        package: "layerstore-record",
        files: &[
            "crates/layerstore-record/src/codec.rs",
            "crates/layerstore-record/src/codec/**",
        ],
        tests: &["--lib", "--test", "record"],
    },
    Area {
        name: "expiry",
        package: "layerstore-record",
        files: &[
            "crates/layerstore-record/src/expiry.rs",
            "crates/layerstore-record/src/access.rs",
        ],
        tests: &["--lib", "--test", "record"],
    },
    Area {
        name: "queue",
        package: "layerstore-write-behind",
        files: &[
            "crates/layerstore-write-behind/src/queue/**",
            "crates/layerstore-write-behind/src/row.rs",
        ],
        tests: &["--lib", "--test", "store", "--", "--skip", "r17_"],
    },
    Area {
        name: "log",
        package: "layerstore-write-behind",
        files: &["crates/layerstore-write-behind/src/log/**"],
        tests: &["--lib", "--test", "log", "--", "--skip", "r7_", "--skip", "r8_"],
    },
];

/// What mutants show: the filter is the area.
pub(crate) const MUTANTS_PROOFS: [Proof; 4] = [
    proof(
        SUITE,
        "R26",
        "mutants/codec",
        "codec",
        "nine of ten mutants of the codec are killed, the others explained",
    ),
    proof(
        SUITE,
        "R26",
        "mutants/expiry",
        "expiry",
        "nine of ten mutants of expiry are killed, the others explained",
    ),
    proof(
        SUITE,
        "R26",
        "mutants/queue",
        "queue",
        "nine of ten mutants of the queue are killed, the others explained",
    ),
    proof(
        SUITE,
        "R26",
        "mutants/log",
        "log",
        "nine of ten mutants of the log are killed, the others explained",
    ),
];

/// Runs the mutants of the area that a proof names.
pub(super) fn run(workspace: &Workspace, proof: &Proof, left: Duration, commit: &str) -> Outcome<Finding> {
    let area = AREAS.iter().find(|area| area.name == proof.filter);
    let area = area.ok_or_else(|| Failure::new(format!("there is no area {}", proof.filter)))?;
    let tool = MUTANTS.ensure(workspace)?;
    let home = workspace.target.join("mutants");
    let out = home.join(area.name);
    // The tool makes the last folder of a path alone.
    std::fs::create_dir_all(&out).map_err(|error| Failure::new(format!("{}: {error}", out.display())))?;
    let watch = Stopwatch::start();
    let files = area.files.iter().flat_map(|file| ["--file", *file]);
    let ended = Process::new(&tool, &workspace.root)
        .args([
            "mutants",
            "--no-shuffle",
            "--colors",
            "never",
            "--package",
            area.package,
        ])
        .args(files)
        .args([
            "--all-features",
            "--cap-lints",
            "true",
            "--minimum-test-timeout",
            "60",
        ])
        .args(["--output".as_ref(), out.as_os_str(), "--".as_ref()])
        .args(area.tests)
        // Each run copies the tree anew, and shares what is built outside it.
        .env("CARGO_TARGET_DIR", &home.join("build").to_string_lossy())
        .env("CARGO_INCREMENTAL", "1")
        .deadline(left)
        .status()?;
    let told = Told::read(&out.join("mutants.out"));
    let explained = explained(&workspace.root.join(PAGE));
    let strangers = told.strangers(&explained);
    strangers
        .iter()
        .for_each(|survivor| say(format!("not in {PAGE}: {survivor}")));
    let result = told.judge(ended, strangers.len());
    say(format!("PROOF R26 area={} {}", area.name, told.counts()));
    Ok(Finding {
        cycles: told.counts(),
        seeds: "-".to_owned(),
        minutes: format!("{:.1}", watch.elapsed().as_secs_f64() / 60.0),
        result,
        commit: commit.to_owned(),
    })
}

/// Reads which survivors the page explains: the list items that begin with the name of one, as code.
fn explained(page: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// What became of the mutants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    killed: usize,
    survivors: Vec<String>,
}

impl Told {
    /// Reads the lists that cargo-mutants keeps. A mutant that makes a test wait for ever is noticed; one that does not compile does not count.
    fn read(folder: &Path) -> Self {
        let list = |name: &str| {
            let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        Self {
            killed: list("caught.txt").len() + list("timeout.txt").len(),
            survivors: list("missed.txt")
                .iter()
                .map(|line| without_place(line))
                .collect(),
        }
    }

    fn strangers(&self, explained: &BTreeSet<String>) -> Vec<&String> {
        let unknown = |survivor: &&String| !explained.contains(*survivor);
        self.survivors.iter().filter(unknown).collect()
    }

    fn judge(&self, ended: Ended, strangers: usize) -> String {
        let viable = self.killed + self.survivors.len();
        let why = match ended {
            Ended::TimedOut => "over the time of its suite".to_owned(),
            _ if viable == 0 => "nothing was changed".to_owned(),
            _ if self.killed * 100 < viable * FLOOR_PERCENT => {
                format!("less than {FLOOR_PERCENT} % killed")
            }
            _ if strangers > 0 => format!("{strangers} survivors without a reason in {PAGE}"),
            _ => return super::PASSED.to_owned(),
        };
        format!("{}: {why}", super::FAILED)
    }

    fn counts(&self) -> String {
        let viable = self.killed + self.survivors.len();
        format!("{} of {viable} viable mutants killed", self.killed)
    }
}

/// Drops line and column, which move with every change: `src/a.rs:12:5: replace f with ()`.
fn without_place(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(what)) => format!("{file}:{what}"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{AREAS, Ended, MUTANTS_PROOFS, Told, without_place};

    fn told(killed: usize, survivors: &[&str]) -> Told {
        let survivors = survivors.iter().map(|name| (*name).to_owned()).collect();
        Told { killed, survivors }
    }

    #[test]
    fn every_area_has_a_row() {
        let rows = MUTANTS_PROOFS.map(|proof| proof.filter);
        assert_eq!(rows, AREAS.each_ref().map(|area| area.name));
    }

    #[test]
    fn a_mutant_is_known_wherever_its_line_has_moved() {
        let line = "crates/a/src/b.rs:12:5: replace <impl A for B>::f -> bool with true";
        assert_eq!(
            without_place(line),
            "crates/a/src/b.rs: replace <impl A for B>::f -> bool with true"
        );
        assert_eq!(without_place("no place"), "no place");
    }

    #[test]
    fn nine_of_ten_must_be_killed_and_each_survivor_explained() {
        let done = Ended::Failure;
        assert_eq!(told(9, &["a"]).judge(done, 0), "passed");
        assert_eq!(told(8, &["a"]).judge(done, 0), "FAILED: less than 90 % killed");
        assert_eq!(told(0, &[]).judge(done, 0), "FAILED: nothing was changed");
        assert_eq!(
            told(9, &[]).judge(Ended::TimedOut, 0),
            "FAILED: over the time of its suite"
        );
        let explained = BTreeSet::from(["a".to_owned()]);
        assert!(told(9, &["a"]).strangers(&explained).is_empty());
        assert_eq!(told(20, &["b"]).strangers(&explained).len(), 1);
        assert_eq!(
            told(20, &["b"]).judge(done, 1),
            "FAILED: 1 survivors without a reason in docs/mutants.md"
        );
    }
}
