//! `cargo xtask bench`: the measurements of `benches/`, by group, and the page of their figures.

mod asked;
mod chart;
mod home;
mod machine;
mod page;
mod tables;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use self::asked::Asked;
use self::home::Home;
use self::machine::Machine;
use crate::console::say;
use crate::failure::{Context, Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::Workspace;

/// Makes groups run a fraction of the work.
const QUICK_VARIABLE: &str = "LAYERSTORE_BENCH_QUICK";

/// Makes groups run their largest sizes as well.
const LARGE_VARIABLE: &str = "LAYERSTORE_BENCH_LARGE";

/// The traces that the group of eviction plays.
const TRACES_VARIABLE: &str = "LAYERSTORE_BENCH_TRACES";

/// The file that a group writes its figures into, if it has any to compare.
const OUT_VARIABLE: &str = "LAYERSTORE_BENCH_OUT";

/// Runs the groups that are asked for, or all; returns whether all ran.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Outcome<bool> {
    let homes = Home::all(workspace)?;
    let groups: Vec<String> = homes.iter().flat_map(|home| home.groups.clone()).collect();
    let asked = Asked::parse(args, &groups)?;
    if asked.groups.is_empty() {
        return Err(Failure::new("no package with bench targets"));
    }
    let (mut all_ran, mut found) = (true, Vec::new());
    for home in &homes {
        let machine = Machine::look_at(workspace, &home.lock)?;
        for group in asked
            .groups
            .iter()
            .filter(|group| home.groups.iter().any(|own| own == *group))
        {
            match run_group(workspace, home, group, &asked)? {
                Some(figures) => found.extend(figures.map(|figures| machine.around(&figures))),
                None => all_ran = false,
            }
        }
    }
    keep(workspace, &asked, &found)?;
    Ok(all_ran)
}

/// Writes what was found where it belongs.
fn keep(workspace: &Workspace, asked: &Asked<'_>, found: &[Value]) -> Outcome<()> {
    if let Some(path) = &asked.json {
        let text = serde_json::to_string_pretty(found).context(|| "write JSON".into())?;
        fs::write(path, text).context(|| format!("write {}", path.display()))?;
    }
    if asked.quick {
        say("a quick run shows that the groups run: its figures are not for the page");
        return Ok(());
    }
    page::write(workspace, found)
}

/// Runs a group; `None` if it failed, nothing within if it compares nothing.
fn run_group(
    workspace: &Workspace,
    home: &Home,
    group: &str,
    asked: &Asked<'_>,
) -> Outcome<Option<Option<Value>>> {
    let out = workspace.target.join(format!("bench-{group}.json"));
    let _ = fs::remove_file(&out);
    let cargo = home
        .bench(workspace, group)
        .env(OUT_VARIABLE, &out.display().to_string());
    if with_wishes(cargo, asked)?.status()? != Ended::Success {
        return Ok(None);
    }
    let Ok(text) = fs::read_to_string(&out) else {
        return Ok(Some(None));
    };
    let figures = serde_json::from_str(&text).context(|| format!("read {}", out.display()))?;
    Ok(Some(Some(figures)))
}

/// Tells a group what is asked of it. Groups run in the folder of their package, so that files need their whole path.
fn with_wishes(mut cargo: Process, asked: &Asked<'_>) -> Outcome<Process> {
    if asked.quick {
        cargo = cargo.env(QUICK_VARIABLE, "1");
    }
    if asked.large {
        cargo = cargo.env(LARGE_VARIABLE, "1");
    }
    if asked.traces.is_empty() {
        return Ok(cargo);
    }
    let whole = |path: &PathBuf| fs::canonicalize(path).context(|| format!("find {}", path.display()));
    let traces = asked.traces.iter().map(whole).collect::<Outcome<Vec<_>>>()?;
    let traces = std::env::join_paths(traces).context(|| "pass the traces on".into())?;
    Ok(cargo.env(TRACES_VARIABLE, &traces.to_string_lossy()))
}
