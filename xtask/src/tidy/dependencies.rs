//! Every dependency from outside is a decision, and has its row in `docs/dependencies.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Tree;
use crate::workspace::Workspace;

const PAGE: &str = "docs/dependencies.md";

/// crate, what it does for us, who keeps it, licence, what we would use instead.
const COLUMNS: usize = 5;

/// Finds dependencies without a whole row, and rows without a dependency.
pub(crate) fn check(workspace: &Workspace, tree: &Tree) -> Vec<String> {
    let rows = rows(tree.text(PAGE).unwrap_or_default());
    let mut used = BTreeSet::new();
    for package in &workspace.packages {
        let outside = package.dependencies.iter().filter(|dependency| !dependency.local);
        used.extend(outside.map(|dependency| dependency.name.as_str()));
    }
    let missing = used.iter().filter(|name| !rows.contains_key(*name));
    let stale = rows.keys().filter(|name| !used.contains(*name));
    let partial = rows.iter().filter(|(_, cells)| **cells != COLUMNS);
    let missing = missing.map(|name| format!("{PAGE}: no row for {name}"));
    let stale = stale.map(|name| format!("{PAGE}: {name} has a row but no crate uses it"));
    let partial = partial.map(|(name, _)| format!("{PAGE}: the row of {name} needs {COLUMNS} filled cells"));
    missing.chain(stale).chain(partial).collect()
}

/// The crates of the table's rows (`` | `name` | … ``), and how many filled cells each row has.
fn rows(page: &str) -> BTreeMap<&str, usize> {
    page.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<(&str, usize)> {
    let cells: Vec<&str> = line
        .strip_prefix('|')?
        .trim_end()
        .strip_suffix('|')?
        .split('|')
        .map(str::trim)
        .collect();
    let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
    Some((name, cells.iter().filter(|cell| !cell.is_empty()).count()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;
    use crate::workspace::{Dependency, Package, Workspace};

    fn uses(name: &str) -> Workspace {
        let outside = Dependency {
            name: name.into(),
            ..Dependency::default()
        };
        let ours = Dependency {
            name: "layerstore-record".into(),
            local: true,
            ..Dependency::default()
        };
        let package = Package {
            name: "a".into(),
            dependencies: vec![outside, ours],
            ..Package::default()
        };
        Workspace {
            root: "/r".into(),
            target: "/r/target".into(),
            packages: vec![package],
        }
    }

    fn page(row: &str) -> Tree {
        let page =
            format!("| crate | does | who | licence | instead |\n| --- | --- | --- | --- | --- |\n{row}\n");
        Tree::from([("docs/dependencies.md", page.as_str())])
    }

    #[test]
    fn a_whole_row_passes() {
        assert!(check(&uses("toml"), &page("| `toml` | a | b | c | d |")).is_empty());
    }

    #[test]
    fn a_missing_row_is_found() {
        assert_eq!(
            check(&uses("toml"), &page("")),
            ["docs/dependencies.md: no row for toml"]
        );
        assert_eq!(check(&uses("toml"), &Tree::default()).len(), 1);
    }

    #[test]
    fn a_row_that_nothing_uses_is_found() {
        let found = check(
            &uses("toml"),
            &page("| `toml` | a | b | c | d |\n| `serde` | a | b | c | d |"),
        );
        assert!(found[0].contains("serde"), "{found:?}");
    }

    #[test]
    fn a_row_with_an_empty_cell_is_found() {
        let found = check(&uses("toml"), &page("| `toml` | a | b |  | d |"));
        assert!(found[0].contains("filled cells"), "{found:?}");
    }
}
