//! Every clause of a contract has a test of its name, and a seeded defect that shows the test at work.

use std::collections::BTreeMap;

use super::tree::Tree;
use crate::defects::Defect;
use crate::workspace::Workspace;

/// Clauses that the design promises: none of them may vanish from the trait docs.
const PROMISED: [&str; 53] = [
    "E-lookup",
    "E-scan",
    "E-sample",
    "D1",
    "D2",
    "D3",
    "D4",
    "D5",
    "D6",
    "D7",
    "S1",
    "S2",
    "S3",
    "S4",
    "S5",
    "S6",
    "S7",
    "S8",
    "S9",
    "S10",
    "P-client",
    "P-merge",
    "P-replication",
    "P-backup",
    "P-load",
    "L1",
    "L2",
    "L3",
    "L4",
    "L5",
    "L6",
    "L7",
    "L8",
    "W1",
    "W2",
    "W3",
    "W4",
    "W5",
    "W6",
    "W7",
    "W8",
    "T1",
    "T2",
    "T3",
    "T4",
    "T5",
    "T6",
    "A1",
    "A2",
    "A3",
    "A4",
    "A5",
    "A6",
];

/// Finds clauses without a test or a defect, and defects that name what does not exist.
pub(crate) fn check(workspace: &Workspace, tree: &Tree, defects: &[Defect]) -> Vec<String> {
    let stated = stated(tree);
    let lost = PROMISED.iter().filter(|id| !stated.contains_key(**id));
    let mut found: Vec<String> = lost
        .map(|id| format!("clause {id} is stated by no trait's docs"))
        .collect();
    for (id, place) in &stated {
        if !tested(tree, id) {
            found.push(format!(
                "{place}: clause {id} has no test `{}_…` that runs",
                snake(id)
            ));
        }
        if !defects.iter().any(|defect| defect.clauses.contains(id)) {
            found.push(format!(
                "{place}: clause {id} has no seeded defect in xtask/defects"
            ));
        }
    }
    found.extend(
        defects
            .iter()
            .flat_map(|defect| dangling(workspace, tree, defect, &stated)),
    );
    found
}

/// What a defect names but the repository does not have.
fn dangling(
    workspace: &Workspace,
    tree: &Tree,
    defect: &Defect,
    stated: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut found = Vec::new();
    if !workspace
        .packages
        .iter()
        .any(|package| package.name == defect.package)
    {
        found.push(format!(
            "defect {}: there is no package {}",
            defect.name, defect.package
        ));
    }
    let test = defect.test.rsplit("::").next().unwrap_or_default();
    if !crates(tree).any(|(_, text)| text.contains(&format!("fn {test}"))) {
        found.push(format!(
            "defect {}: there is no test {}",
            defect.name, defect.test
        ));
    }
    let unknown = defect.clauses.iter().filter(|id| !stated.contains_key(*id));
    found.extend(unknown.map(|id| format!("defect {}: there is no clause {id}", defect.name)));
    found
}

/// The clauses that sources of crates state (`/// **D1** …`), and where each is stated first.
fn stated(tree: &Tree) -> BTreeMap<String, String> {
    let mut clauses = BTreeMap::new();
    for (path, text) in crates(tree).filter(|(path, _)| path.contains("/src/")) {
        for (number, line) in text.lines().enumerate() {
            if let Some(id) = clause(line) {
                clauses
                    .entry(id.to_owned())
                    .or_insert_with(|| format!("{path}:{}", number + 1));
            }
        }
    }
    clauses
}

/// The clause that a line of a doc comment opens: letters, then a number or `-word`.
fn clause(line: &str) -> Option<&str> {
    let doc = line.trim_start();
    let doc = doc
        .strip_prefix("///")
        .or_else(|| doc.strip_prefix("//!"))?
        .trim_start();
    let (id, _) = doc
        .strip_prefix("- ")
        .unwrap_or(doc)
        .strip_prefix("**")?
        .split_once("**")?;
    let id = id.trim_end_matches(['.', ':']);
    let rest = id.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let number = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit());
    let word = rest
        .strip_prefix('-')
        .is_some_and(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    (rest.len() < id.len() && id.len() - rest.len() <= 2 && (number || word)).then_some(id)
}

/// Whether a test function begins with the clause, and is run: by an attribute, or by being listed in a suite.
fn tested(tree: &Tree, id: &str) -> bool {
    let prefix = format!("{}_", snake(id));
    crates(tree).any(|(_, text)| {
        let lines: Vec<&str> = text.lines().collect();
        let functions = lines
            .iter()
            .enumerate()
            .filter_map(|(number, line)| Some((number, function(line, &prefix)?)));
        functions
            .into_iter()
            .any(|(number, name)| is_test(&lines, number) || mentions(tree, name) > 1)
    })
}

/// The name of the function that a line defines, where it begins with `prefix`.
fn function<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let (before, after) = line.split_once("fn ")?;
    let keywords = ["pub", "async", "pub(crate)", "const"];
    let alone = before.split_whitespace().all(|word| keywords.contains(&word));
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (alone && name.starts_with(prefix)).then_some(name)
}

fn is_test(lines: &[&str], function: usize) -> bool {
    let above = lines[..function].iter().rev().map(|line| line.trim_start());
    above
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .any(|line| line.contains("test"))
}

fn mentions(tree: &Tree, name: &str) -> usize {
    let in_text = |text: &str| {
        let whole = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let ends = |(start, _): &(usize, &str)| {
            whole(text[..*start].chars().next_back()) && whole(text[start + name.len()..].chars().next())
        };
        text.match_indices(name).filter(ends).count()
    };
    crates(tree).map(|(_, text)| in_text(text)).sum()
}

fn crates(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.rust().filter(|(path, _)| path.starts_with("crates/"))
}

fn snake(id: &str) -> String {
    id.to_ascii_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::{check, clause};
    use crate::defects::Defect;
    use crate::tidy::tree::Tree;
    use crate::workspace::{Package, Workspace};

    const TRAIT: &str =
        "/// **K1** Batches are atomic.\n///\n/// **K-scan** Scans are ordered.\npub trait Kv {}\n";
    const TESTS: &str = "#[test]\nfn k1_atomic() {}\n#[test]\nfn k_scan_is_ordered() {}\n";

    fn workspace() -> Workspace {
        let kv = Package {
            name: "layerstore-kv".into(),
            ..Package::default()
        };
        Workspace {
            root: "/r".into(),
            target: "/r/target".into(),
            packages: vec![kv],
        }
    }

    fn defect(clause: &str, test: &str) -> Defect {
        let (package, test) = ("layerstore-kv".to_owned(), test.to_owned());
        Defect {
            name: "d".into(),
            clauses: vec![clause.to_owned()],
            package,
            test,
            ..Defect::default()
        }
    }

    /// What is found, less the promised clauses that these small trees do not state.
    fn found(tests: &str, defects: &[Defect]) -> Vec<String> {
        let tree = Tree::from([
            ("crates/layerstore-kv/src/lib.rs", TRAIT),
            ("crates/layerstore-kv/tests/c.rs", tests),
        ]);
        let all = check(&workspace(), &tree, defects);
        all.into_iter()
            .filter(|line| !line.contains("stated by no trait"))
            .collect()
    }

    #[test]
    fn clauses_are_told_from_other_bold_text() {
        assert_eq!(clause("/// **D1** A write is fenced."), Some("D1"));
        assert_eq!(clause("    //! - **E-scan**: every key"), Some("E-scan"));
        assert_eq!(clause("/// **S10**"), Some("S10"));
        for other in [
            "/// **Note** that",
            "/// **I** am",
            "/// D1 says",
            "// **D1** no",
            "/// **D1x** no",
            "/// **1** no",
        ] {
            assert_eq!(clause(other), None, "{other}");
        }
    }

    #[test]
    fn clauses_with_tests_and_defects_pass() {
        assert!(
            found(
                TESTS,
                &[defect("K1", "k1_atomic"), defect("K-scan", "k_scan_is_ordered")]
            )
            .is_empty()
        );
    }

    #[test]
    fn a_clause_without_a_test_is_found() {
        let tests = TESTS.replace("fn k1_", "fn k2_");
        let found = found(&tests, &[defect("K1", "k_scan"), defect("K-scan", "k_scan")]);
        assert_eq!(
            found,
            ["crates/layerstore-kv/src/lib.rs:1: clause K1 has no test `k1_…` that runs"]
        );
    }

    #[test]
    fn a_suite_function_counts_only_where_it_is_listed() {
        let defects = [defect("K1", "k1_atomic"), defect("K-scan", "k_scan")];
        let suite = TESTS.replace("#[test]\nfn k1_atomic", "/// Doc.\npub fn k1_atomic");
        assert_eq!(found(&suite, &defects).len(), 1);
        let listed = format!("{suite}macro_rules! suite {{ () => {{ $crate::each!(k1_atomic) }} }}\n");
        assert!(found(&listed, &defects).is_empty());
        let longer = format!("{suite}fn other() {{ k1_atomic_too() }}\n");
        assert_eq!(found(&longer, &defects).len(), 1);
    }

    #[test]
    fn a_clause_without_a_defect_is_found() {
        let found = found(TESTS, &[defect("K-scan", "k_scan")]);
        assert!(found[0].contains("clause K1 has no seeded defect"), "{found:?}");
    }

    #[test]
    fn a_defect_that_names_nothing_is_found() {
        let mut stray = defect("K9", "k9_nowhere");
        stray.package = "layerstore-nowhere".into();
        let found = found(TESTS, &[defect("K1", "k1_a"), defect("K-scan", "k_scan"), stray]).join("\n");
        for part in [
            "no package layerstore-nowhere",
            "no test k9_nowhere",
            "no clause K9",
        ] {
            assert!(found.contains(part), "{part} in {found}");
        }
    }

    #[test]
    fn a_promised_clause_that_vanished_is_found() {
        let found = check(&workspace(), &Tree::default(), &[]);
        assert!(
            found.contains(&"clause E-scan is stated by no trait's docs".to_owned()),
            "{found:?}"
        );
    }
}
