//! `cargo xtask bench`: the measurements of `benches/`, by group.

use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::Workspace;

/// The package that holds all groups, each a bench target.
const PACKAGE: &str = "layerstore-benches";

/// Runs the groups of those names, or all; returns whether all ran.
pub(crate) fn run(workspace: &Workspace, wanted: &[String]) -> Outcome<bool> {
    let package = workspace.packages.iter().find(|package| package.name == PACKAGE);
    let groups = package
        .map(|package| package.benches.as_slice())
        .unwrap_or_default();
    let chosen = choose(groups, wanted)?;
    if chosen.is_empty() {
        return Err(Failure::new(format!("no package {PACKAGE} with bench targets")));
    }
    let targets = chosen.iter().flat_map(|group| ["--bench", *group]);
    let cargo = Process::cargo(&workspace.root)
        .args(["bench", "--package", PACKAGE])
        .args(targets);
    Ok(cargo.status()? == Ended::Success)
}

fn choose<'a>(groups: &'a [String], wanted: &'a [String]) -> Outcome<Vec<&'a str>> {
    if let Some(unknown) = wanted.iter().find(|name| !groups.contains(name)) {
        return Err(Failure::new(format!(
            "no group {unknown}; there are: {}",
            groups.join(", ")
        )));
    }
    let chosen = if wanted.is_empty() { groups } else { wanted };
    Ok(chosen.iter().map(String::as_str).collect())
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn all_groups_or_the_named_ones_and_no_others() {
        let groups = ["engine".to_owned(), "store".to_owned()];
        assert_eq!(choose(&groups, &[]), Ok(vec!["engine", "store"]));
        assert_eq!(choose(&groups, &["store".to_owned()]), Ok(vec!["store"]));
        let failure = choose(&groups, &["other".to_owned()]).unwrap_err().to_string();
        assert_eq!(failure, "no group other; there are: engine, store");
    }
}
