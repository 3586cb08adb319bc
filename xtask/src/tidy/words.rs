//! What no file of the repository may hold: paths of somebody's machine, and unexplained switches.

use super::tree::Tree;

/// Folders of machines. Split, so that this file passes itself.
const MACHINE: [(&str, &str); 4] = [("/wo", "rk/"), ("/t", "mp/"), ("/ho", "me/"), ("/ro", "ot/")];

/// Where every environment variable of ours is explained.
const EXPLAINED: [&str; 2] = ["CONTRIBUTING.md", "docs/config.md"];

const VARIABLE: &str = concat!("LAYER", "STORE_");

/// What a test tells a process that it starts, and nobody else sets.
const BETWEEN_PROCESSES: &str = "TEST_";

/// Finds paths of machines in any file, and environment variables in sources that no page explains.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut found: Vec<String> = tree
        .files()
        .flat_map(|(path, text)| machine_paths(path, text))
        .collect();
    let explained: String = EXPLAINED.iter().filter_map(|page| tree.text(page)).collect();
    for (path, text) in tree.rust() {
        let unexplained = variables(text)
            .into_iter()
            .filter(|name| !explained.contains(name));
        found.extend(
            unexplained.map(|name| format!("{path}: {name} is not explained in {}", EXPLAINED.join(" or "))),
        );
    }
    found
}

fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (head, tail) in MACHINE {
            let folder = [head, tail].concat();
            let absolute = |(start, _): (usize, &str)| {
                let before = line[..start].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"._-}*".contains(c))
            };
            if line.match_indices(&folder).any(absolute) {
                found.push(format!(
                    "{path}:{}: {folder}… is a path of one machine",
                    number + 1
                ));
            }
        }
    }
    found
}

fn variables(text: &str) -> Vec<&str> {
    let starts = text.match_indices(VARIABLE).map(|(start, _)| &text[start..]);
    let names = starts.filter_map(|rest| rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next());
    let mut names: Vec<&str> = names
        .filter(|name| is_for_people(&name[VARIABLE.len()..]))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_for_people(rest: &str) -> bool {
    !rest.is_empty() && !rest.starts_with(BETWEEN_PROCESSES)
}

#[cfg(test)]
mod tests {
    use super::{MACHINE, VARIABLE, check};
    use crate::tidy::tree::Tree;

    #[test]
    fn paths_of_machines_are_found_and_relative_ones_are_not() {
        for (head, tail) in MACHINE {
            let text = format!("fine\nsee {head}{tail}x");
            let found = check(&Tree::from([("a.md", text.as_str())]));
            assert!(found[0].starts_with("a.md:2: "), "{found:?}");
            let relative = format!("crates{head}{tail}x");
            assert!(check(&Tree::from([("a.md", relative.as_str())])).is_empty());
        }
    }

    #[test]
    fn a_variable_needs_an_explanation() {
        let source = format!("env::var(\"{VARIABLE}SEED\")");
        let found = check(&Tree::from([("a.rs", source.as_str())]));
        assert!(found[0].contains(&format!("{VARIABLE}SEED")), "{found:?}");
        let private = format!("env::var(\"{VARIABLE}TEST_DIR\")");
        assert!(check(&Tree::from([("a.rs", private.as_str())])).is_empty());
        let page = format!("- `{VARIABLE}SEED`: seed");
        assert!(
            check(&Tree::from([
                ("a.rs", source.as_str()),
                ("CONTRIBUTING.md", page.as_str())
            ]))
            .is_empty()
        );
    }
}
