//! cargo-deny: licences, banned crates, sources, and advisories where their database can be had.

use std::path::Path;
use std::time::Duration;

use crate::ci::Done;
use crate::console::say;
use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::tools::DENY;
use crate::workspace::Workspace;

/// A machine without a way out must not hold up everything else.
const FETCH_DEADLINE: Duration = Duration::from_secs(60);

/// Checks the dependencies against `deny.toml`. Advisories are skipped, and said to be, where their
/// database cannot be fetched.
pub(crate) fn check(workspace: &Workspace) -> Outcome<Done> {
    let deny = DENY.ensure(workspace)?;
    let mut kinds = vec!["licenses", "bans", "sources"];
    let unreachable = fetch(workspace, &deny)?;
    if unreachable.is_none() {
        kinds.push("advisories");
    }
    let run = Process::new(&deny, &workspace.root)
        .args(["--locked", "check", "--hide-inclusion-graph", "-D", "warnings"])
        .args(kinds);
    if run.status()? != Ended::Success {
        return Err(Failure::new(format!("`{}` failed", run.describe())));
    }
    Ok(match unreachable {
        None => Done::Passed,
        Some(reason) => {
            say(format!("SKIPPED deny advisories: {reason}"));
            Done::Skipped("deny advisories".to_owned())
        }
    })
}

/// Fetches the advisory database; returns why it cannot be had.
fn fetch(workspace: &Workspace, deny: &Path) -> Outcome<Option<String>> {
    let fetched = Process::new(deny, &workspace.root)
        .args(["fetch", "db"])
        .deadline(FETCH_DEADLINE)
        .capture()?;
    Ok(match fetched.ended {
        Ended::Success => None,
        Ended::TimedOut => Some(format!(
            "the advisory database did not answer within {FETCH_DEADLINE:?}"
        )),
        Ended::Failure => Some(reason(&fetched.stderr)),
    })
}

/// The innermost cause that cargo-deny prints, which is the one that says what is wrong.
fn reason(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let cause = lines.next_back().unwrap_or("no reason given");
    format!("the advisory database cannot be reached ({cause})")
}
