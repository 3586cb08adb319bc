//! The page on the architecture has the same arrows as the table that is checked.

use std::collections::BTreeSet;

use super::arrows::{ALL, ARROWS};
use super::tree::Tree;

const PAGE: &str = "docs/architecture.md";

/// What the page says for everything, and of whom; the testkit may import the same as the facade.
const EVERYTHING: [&str; 2] = ["all but testkit", "any but facade and cli"];

/// Crates that share a row of the page, which says of them in words what they may import.
const IN_WORDS: [&str; 2] = ["xtask", "benches"];

/// Finds rows of the page that differ from the table, and crates without a row.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let page = tree.text(PAGE).unwrap_or_default();
    let crates = ARROWS.iter().filter(|(name, _)| !IN_WORDS.contains(name));
    crates
        .filter_map(|(name, arrows)| differs(page, name, arrows))
        .collect()
}

fn differs(page: &str, name: &str, arrows: &[&str]) -> Option<String> {
    let Some(said) = arrows_of(page, name) else {
        return Some(format!("{PAGE}: the table has no row for {name}"));
    };
    let expected: BTreeSet<&str> = arrows.iter().copied().collect();
    (said != expected).then(|| format!("{PAGE}: {name} may import {expected:?}, not {said:?}"))
}

/// The third cell of the crate's row.
fn arrows_of<'a>(page: &'a str, name: &str) -> Option<BTreeSet<&'a str>> {
    let cells = |line: &'a str| line.split('|').map(str::trim).collect::<Vec<_>>();
    let is_of = |cell: &str| {
        let cell = cell.trim_end_matches(" (to come)");
        cell.strip_prefix("layerstore-").unwrap_or(cell) == name
    };
    let row = page
        .lines()
        .map(cells)
        .find(|row| row.get(1).is_some_and(|cell| is_of(cell)))?;
    let said = *row.get(3)?;
    if EVERYTHING.contains(&said) {
        return Some(ALL.into_iter().collect());
    }
    let arrows = said
        .split(',')
        .map(|arrow| arrow.trim().trim_end_matches(" (feature)"));
    Some(arrows.filter(|arrow| *arrow != "-").collect())
}

#[cfg(test)]
mod tests {
    use super::{arrows_of, check, differs};
    use crate::tidy::tree::Tree;

    const TABLE: &str = "| layerstore-record | values | - | readers |\n\
                         | layerstore-embedded (to come) | records | record, kv (feature) | memory |\n\
                         | layerstore | facade | all but testkit | |\n";

    #[test]
    fn rows_are_read_with_their_remarks() {
        assert_eq!(arrows_of(TABLE, "record"), Some([].into()));
        assert_eq!(arrows_of(TABLE, "embedded"), Some(["record", "kv"].into()));
        assert!(arrows_of(TABLE, "layerstore").unwrap().contains("sync"));
        assert_eq!(arrows_of(TABLE, "engine"), None);
    }

    #[test]
    fn an_arrow_more_or_less_and_a_missing_row_are_found() {
        assert_eq!(differs(TABLE, "embedded", &["kv", "record"]), None);
        assert!(differs(TABLE, "embedded", &["record"]).is_some());
        assert!(differs(TABLE, "record", &["kv"]).is_some());
        assert!(differs(TABLE, "engine", &[]).is_some());
        assert!(!check(&Tree::from([("docs/architecture.md", TABLE)])).is_empty());
    }
}
