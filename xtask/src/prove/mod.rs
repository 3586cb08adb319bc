//! `cargo xtask prove SUITE`: the full figures of what the ordinary tests run a twentieth of.

mod evidence;
mod fuzz;
mod mutants;
mod page;
mod suites;
mod targets;

use std::time::Duration;

use crate::console::{Stopwatch, say};
use crate::defects;
use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::test::Libtest;
use crate::workspace::Workspace;
use evidence::Evidence;
use mutants::MUTANTS_PROOFS;
use page::{Finding, Page};
use suites::{DEFECTS, DEFECTS_PROOF, MUTANTS, PROOFS, Proof};
use targets::{FUZZ, TARGETS};

/// What a whole suite may take.
const SUITE_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// What says how many twentieths of the full figures are run.
const SCALE: &str = "LAYERSTORE_PROOF_SCALE";

/// Twenty twentieths: the full figures.
const FULL_SCALE: u64 = 20;

/// Runs a suite again even where this commit has passed it.
const AGAIN: &str = "--again";

/// Lists the suites, and gives the page the rows of those that have not run yet.
pub(crate) fn list(workspace: &Workspace) -> Outcome<()> {
    suites::names().iter().for_each(say);
    Page::read(workspace).write()
}

/// Finds a page that does not have the rows of today's suites.
pub(crate) fn check_page(workspace: &Workspace) -> Vec<String> {
    let stale = Page::read(workspace).is_stale();
    stale
        .then(|| "docs/proof.md: not as its suites are: run `cargo xtask prove`".to_owned())
        .into_iter()
        .collect()
}

/// Runs a suite; returns whether all of it holds.
pub(crate) fn run(workspace: &Workspace, suite: &str, rest: &[String]) -> Outcome<bool> {
    if suite == DEFECTS {
        return prove_defects(workspace, rest);
    }
    let again = rest.iter().any(|argument| argument == AGAIN);
    let packages: Vec<&str> = rest
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != AGAIN)
        .collect();
    let proofs = chosen(suite, &packages)?;
    let commit = commit(workspace)?;
    let watch = Stopwatch::start();
    let mut page = Page::read(workspace);
    let mut all = true;
    for proof in proofs {
        let name = format!("{} {}", proof.id, proof.package);
        let done = page
            .finding(proof)
            .is_some_and(|row| row.commit == commit && row.result == PASSED);
        if done && !again && !commit.ends_with(DIRTY) {
            say(format!(
                "{name}: passed at this commit; {AGAIN} runs it once more"
            ));
            continue;
        }
        let left = SUITE_DEADLINE.saturating_sub(watch.elapsed());
        let finding = match suite {
            MUTANTS => mutants::run(workspace, proof, left, &commit)?,
            _ => prove(workspace, proof, left, &commit)?,
        };
        say(format!(
            "{name}: {} ({}, {} min)",
            finding.result, finding.cycles, finding.minutes
        ));
        all &= !finding.result.starts_with(FAILED);
        record(&mut page, proof, finding)?;
    }
    if suite == FUZZ && packages.is_empty() {
        all &= prove_targets(workspace, &mut page, &watch, &commit)?;
    }
    Ok(all)
}

/// Returns the proofs of a suite: those of some packages, or all where none is named.
fn chosen(suite: &str, packages: &[&str]) -> Outcome<Vec<&'static Proof>> {
    let all = PROOFS.iter().chain(&MUTANTS_PROOFS);
    let of_suite: Vec<&Proof> = all.filter(|proof| proof.suite == suite).collect();
    if of_suite.is_empty() {
        return Err(Failure::new(format!(
            "no suite {suite}; there are: {}",
            suites::names().join(", ")
        )));
    }
    if let Some(unknown) = packages
        .iter()
        .find(|name| of_suite.iter().all(|proof| proof.package != **name))
    {
        return Err(Failure::new(format!(
            "the suite {suite} proves nothing of {unknown}; usage: cargo xtask prove {suite} [{AGAIN}] [PACKAGE…]"
        )));
    }
    let is_chosen = |proof: &&Proof| packages.is_empty() || packages.contains(&proof.package);
    Ok(of_suite.into_iter().filter(is_chosen).collect())
}

/// The twentieths of this run: all, unless somebody who tries something out wants fewer.
fn scale() -> u64 {
    let wanted = std::env::var(SCALE).ok().and_then(|scale| scale.parse().ok());
    wanted.unwrap_or(FULL_SCALE)
}

/// The page holds full figures only: what was shortened to try it out proves nothing.
fn record(page: &mut Page, proof: &Proof, finding: Finding) -> Outcome<()> {
    if scale() < FULL_SCALE {
        say(format!(
            "not the full figures: docs/proof.md is left as it is ({SCALE})"
        ));
        return Ok(());
    }
    page.record(proof, finding)
}

/// Runs the fuzz targets, each into its row.
fn prove_targets(workspace: &Workspace, page: &mut Page, watch: &Stopwatch, commit: &str) -> Outcome<bool> {
    let left = SUITE_DEADLINE.saturating_sub(watch.elapsed());
    let findings = match fuzz::build(workspace, left)? {
        Ok(built) => fuzz::run(workspace, &TARGETS, &built, commit)?,
        Err(reason) => vec![fuzz::skipped(&reason, commit); TARGETS.len()],
    };
    let mut all = true;
    for (proof, finding) in TARGETS.iter().zip(findings) {
        say(format!(
            "{} {}: {} ({})",
            proof.id, proof.package, finding.result, finding.cycles
        ));
        all &= !finding.result.starts_with(FAILED);
        record(page, proof, finding)?;
    }
    Ok(all)
}

const PASSED: &str = "passed";
const FAILED: &str = "FAILED";

fn prove(workspace: &Workspace, proof: &Proof, left: Duration, commit: &str) -> Outcome<Finding> {
    let cargo = Process::cargo(&workspace.root).env(SCALE, &scale().to_string());
    let cargo = cargo.args([
        "test",
        "--release",
        "--all-features",
        "--package",
        proof.package,
        "--tests",
    ]);
    // Building is not proving: its minutes are not counted.
    let built = cargo
        .clone()
        .args(["--no-run", "--quiet"])
        .deadline(left)
        .status()?;
    let watch = Stopwatch::start();
    let mut evidence = Evidence::default();
    let mut libtest = Libtest::default();
    let ended = match built {
        Ended::Success => cargo
            .args(["--", "--nocapture", proof.filter])
            .deadline(left)
            .lines(|line| {
                evidence.read(proof.id, line);
                libtest.read(line);
                if line.contains("PROOF") {
                    say(line);
                }
            })?,
        failed => failed,
    };
    Ok(Finding {
        cycles: evidence.cycles(),
        seeds: evidence.seeds(),
        minutes: format!("{:.1}", watch.elapsed().as_secs_f64() / 60.0),
        result: judge(built, ended, libtest.ran(), &evidence),
        commit: commit.to_owned(),
    })
}

/// Says what a run has shown. A proof that says nothing has shown nothing.
fn judge(built: Ended, ended: Ended, ran: usize, evidence: &Evidence) -> String {
    let why = match (built, ended) {
        (Ended::Failure, _) => "does not build",
        (Ended::TimedOut, _) | (_, Ended::TimedOut) => "over the time of its suite",
        _ if evidence.violations > 0 => return format!("{FAILED}: {} violations", evidence.violations),
        (_, Ended::Failure) => "a test fails",
        _ if ran == 0 => "no such test",
        _ if !evidence.skips.is_empty() => return format!("SKIPPED: {}", evidence.skips.join("; ")),
        _ if evidence.lines == 0 => "no PROOF line",
        _ => return PASSED.to_owned(),
    };
    format!("{FAILED}: {why}")
}

fn prove_defects(workspace: &Workspace, names: &[String]) -> Outcome<bool> {
    let watch = Stopwatch::start();
    let summary = defects::run(workspace, names)?;
    let all = summary.holds();
    let result = summary.text();
    say("");
    say(&result);
    // A selection proves itself only, so it leaves the row of the whole alone.
    if names.is_empty() {
        Page::read(workspace).record(
            &DEFECTS_PROOF,
            Finding {
                cycles: format!("{} defects", summary.run),
                seeds: "-".to_owned(),
                minutes: format!("{:.1}", watch.elapsed().as_secs_f64() / 60.0),
                result: if all {
                    result
                } else {
                    format!("{FAILED}: {result}")
                },
                commit: commit(workspace)?,
            },
        )?;
    }
    Ok(all)
}

/// Marks a commit with changes on top of it.
const DIRTY: &str = "+";

/// The commit, marked where the work tree has changes other than to pages.
pub(crate) fn commit(workspace: &Workspace) -> Outcome<String> {
    let git = |args: &[&str]| Process::new("git", &workspace.root).args(args).stdout();
    let head = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = !git(&["status", "--porcelain", "--", ".", ":!*.md"])?
        .trim()
        .is_empty();
    Ok(format!("{}{}", head.trim(), if changed { DIRTY } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::{Ended, Evidence, chosen, judge};

    fn evidence(lines: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        lines.iter().for_each(|line| evidence.read("R11", line));
        evidence
    }

    #[test]
    fn a_suite_is_run_whole_or_for_the_packages_that_are_named() {
        let whole = chosen("backends", &[]).unwrap();
        let some = chosen("backends", &["layerstore-embedded"]).unwrap();
        assert!(!some.is_empty() && some.len() < whole.len());
        assert!(some.iter().all(|proof| proof.package == "layerstore-embedded"));
        assert!(chosen("backends", &["layerstore-engine"]).is_err());
        assert!(chosen("nothing", &[]).is_err());
    }

    #[test]
    fn a_proof_passes_only_when_it_ran_and_said_so() {
        let told = evidence(&["PROOF R11 histories=1 violations=0"]);
        assert_eq!(judge(Ended::Success, Ended::Success, 1, &told), "passed");
        assert_eq!(
            judge(Ended::Success, Ended::Success, 1, &evidence(&[])),
            "FAILED: no PROOF line"
        );
        assert_eq!(
            judge(Ended::Success, Ended::Success, 0, &evidence(&[])),
            "FAILED: no such test"
        );
        assert_eq!(
            judge(Ended::Success, Ended::Failure, 1, &told),
            "FAILED: a test fails"
        );
        assert_eq!(
            judge(Ended::Failure, Ended::Failure, 0, &told),
            "FAILED: does not build"
        );
        assert_eq!(
            judge(Ended::Success, Ended::TimedOut, 1, &told),
            "FAILED: over the time of its suite"
        );
    }

    #[test]
    fn violations_and_skips_are_never_a_pass() {
        let bad = evidence(&["PROOF R11 histories=1 violations=3"]);
        assert_eq!(
            judge(Ended::Success, Ended::Success, 1, &bad),
            "FAILED: 3 violations"
        );
        let skipped = evidence(&["PROOF R11 histories=1 violations=0", "SKIPPED r11: no disk"]);
        assert_eq!(
            judge(Ended::Success, Ended::Success, 1, &skipped),
            "SKIPPED: r11: no disk"
        );
    }
}
