//! `cargo xtask test`: every test and doc test of the workspace, and a closing count.

mod junit;
mod libtest;
mod tally;
mod ways;

use std::path::Path;

use crate::console::say;
use crate::failure::{Context, Outcome};
use crate::process::{Ended, Process};
use crate::services::{self, Services};
use crate::tools::NEXTEST;
use crate::workspace::Workspace;

pub(crate) use libtest::Libtest;
use tally::Tally;

/// What every run of the workspace's tests covers.
pub(crate) const SCOPE: [&str; 2] = ["--workspace", "--all-features"];

/// Runs the tests that need a server once more, with servers from elsewhere.
const BOTH_WAYS: &str = "--both-ways";

/// Where nextest keeps its reports, as `.config/nextest.toml` says: also where cargo builds elsewhere.
const STORE: &str = "target/nextest";

/// What tests find their servers by.
type Envs = [(String, String)];

/// Runs the tests whose names contain one of the filters in `args`, or all; returns whether none failed.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Outcome<bool> {
    let (both_ways, filters) = match args {
        [first, filters @ ..] if first == BOTH_WAYS => (true, filters),
        filters => (false, filters),
    };
    let program = services::build(workspace)?;
    let servers = Services::start(workspace, &program, &[])?;
    let said = servers.said();
    let mut tally = all(workspace, &said.envs, filters)?;
    tally.told(said);
    if both_ways {
        tally.add(ways::other(workspace, &program, said, filters)?);
    }
    drop(servers);
    close(&tally);
    Ok(tally.failed == 0)
}

fn all(workspace: &Workspace, envs: &Envs, filters: &[String]) -> Outcome<Tally> {
    let mut tally = match NEXTEST.ensure(workspace) {
        Ok(nextest) => with_nextest(workspace, &nextest, envs, filters)?,
        Err(failure) => {
            say(format!("{failure}: running `cargo test` instead"));
            // Without a process each, only this shows what passing tests print, and so what they skip.
            let shown = [&["--show-output".to_owned()], filters].concat();
            with_cargo(
                workspace,
                &["--lib", "--bins", "--tests", "--examples"],
                envs,
                &shown,
            )?
        }
    };
    tally.add(with_cargo(workspace, &["--doc"], envs, filters)?);
    Ok(tally)
}

fn close(tally: &Tally) {
    for lines in [&tally.reasons, &tally.providers] {
        if !lines.is_empty() {
            say("");
            lines.iter().for_each(say);
        }
    }
    say("");
    say(tally.closing());
}

fn with_nextest(workspace: &Workspace, nextest: &Path, envs: &Envs, filters: &[String]) -> Outcome<Tally> {
    let profile = if std::env::var_os("CI").is_some() {
        "ci"
    } else {
        "default"
    };
    let report = workspace.root.join(STORE).join(profile).join("junit.xml");
    // A report of an earlier run must not be counted where this run does not come to write one.
    if report.exists() {
        std::fs::remove_file(&report).context(|| format!("remove {}", report.display()))?;
    }
    let ended = Process::new(nextest, &workspace.root)
        .args([
            "nextest",
            "run",
            "--no-fail-fast",
            "--no-tests",
            "pass",
            "--profile",
            profile,
        ])
        .args(SCOPE)
        .args(filters)
        .envs(envs)
        .status()?;
    let tally = std::fs::read_to_string(&report)
        .map(|xml| junit::tally(&xml))
        .unwrap_or_default();
    Ok(tally.judged(ended == Ended::Success))
}

fn with_cargo(workspace: &Workspace, kinds: &[&str], envs: &Envs, harness: &[String]) -> Outcome<Tally> {
    let mut libtest = Libtest::default();
    let ended = Process::cargo(&workspace.root)
        .args(["test", "--no-fail-fast"])
        .args(SCOPE)
        .args(kinds)
        .args(["--"])
        .args(harness)
        .envs(envs)
        .lines(|line| {
            say(line);
            libtest.read(line);
        })?;
    Ok(libtest.tally().judged(ended == Ended::Success))
}
