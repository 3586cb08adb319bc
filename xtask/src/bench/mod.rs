//! `cargo xtask bench`: the measurements of `benches/`, by group, and the page of their figures.

mod asked;
mod machine;
mod page;

use std::fs;

use serde_json::Value;

use self::asked::Asked;
use self::machine::Machine;
use crate::console::say;
use crate::failure::{Context, Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::Workspace;

/// The package that holds all groups, each a bench target.
const PACKAGE: &str = "layerstore-benches";

/// Makes groups run a fraction of the work.
const QUICK_VARIABLE: &str = "LAYERSTORE_BENCH_QUICK";

/// The file that a group writes its figures into, if it has any to compare.
const OUT_VARIABLE: &str = "LAYERSTORE_BENCH_OUT";

/// Runs the groups that are asked for, or all; returns whether all ran.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Outcome<bool> {
    let package = workspace.packages.iter().find(|package| package.name == PACKAGE);
    let groups = package
        .map(|package| package.benches.as_slice())
        .unwrap_or_default();
    let asked = Asked::parse(args, groups)?;
    if asked.groups.is_empty() {
        return Err(Failure::new(format!("no package {PACKAGE} with bench targets")));
    }
    let (mut all_ran, mut found) = (true, Vec::new());
    for group in &asked.groups {
        // What a group needs beside memory has its name.
        let has_feature = package.is_some_and(|package| package.features.iter().any(|name| name == group));
        match run_group(workspace, group, has_feature, asked.quick)? {
            Some(figures) => found.extend(figures),
            None => all_ran = false,
        }
    }
    let machine = Machine::look_at(workspace)?;
    if let Some(path) = &asked.json {
        let text = serde_json::to_string_pretty(&machine.around(&found)).context(|| "write JSON".into())?;
        fs::write(path, text).context(|| format!("write {}", path.display()))?;
    }
    if asked.quick {
        say("a quick run shows that the groups run: its figures are not for the page");
    } else {
        page::write(workspace, &machine, &found)?;
    }
    Ok(all_ran)
}

/// Runs a group; `None` if it failed, nothing within if it compares nothing.
fn run_group(
    workspace: &Workspace,
    group: &str,
    has_feature: bool,
    quick: bool,
) -> Outcome<Option<Option<Value>>> {
    let out = workspace.target.join(format!("bench-{group}.json"));
    let _ = fs::remove_file(&out);
    let mut cargo = Process::cargo(&workspace.root)
        .args(["bench", "--package", PACKAGE, "--bench", group])
        .env(OUT_VARIABLE, &out.display().to_string());
    if has_feature {
        cargo = cargo.args(["--features", group]);
    }
    if quick {
        cargo = cargo.env(QUICK_VARIABLE, "1");
    }
    if cargo.status()? != Ended::Success {
        return Ok(None);
    }
    let Ok(text) = fs::read_to_string(&out) else {
        return Ok(Some(None));
    };
    let figures = serde_json::from_str(&text).context(|| format!("read {}", out.display()))?;
    Ok(Some(Some(figures)))
}
