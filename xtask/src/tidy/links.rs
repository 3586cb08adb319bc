//! Every relative link of a page leads somewhere, and every decision can be found.

use super::tree::Tree;

/// Where the decisions are, and the page that lists them.
const DECISIONS: (&str, &str) = ("docs/adr/", "README.md");

/// Finds links of Markdown pages to files that are not in the repository, and decisions that no list has.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let pages = tree.files().filter(|(path, _)| path.ends_with(".md"));
    let broken = pages.flat_map(|(path, text)| broken(tree, path, text));
    broken.chain(unlisted(tree)).collect()
}

fn unlisted(tree: &Tree) -> Vec<String> {
    let (folder, list) = DECISIONS;
    let listed = tree.text(&[folder, list].concat()).unwrap_or_default();
    let decisions = tree
        .files()
        .filter_map(|(path, _)| path.strip_prefix(folder))
        .filter(|name| *name != list);
    let unlisted = decisions.filter(|name| !listed.contains(&format!("({name})")));
    unlisted
        .map(|name| format!("{folder}{list}: the decision {name} is not listed"))
        .collect()
}

fn broken(tree: &Tree, page: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let targets = if fenced { vec![] } else { targets(line) };
        let dead = targets
            .into_iter()
            .filter(|target| !leads_somewhere(tree, page, target));
        found.extend(dead.map(|target| format!("{page}:{}: the link to {target} leads nowhere", number + 1)));
    }
    found
}

/// The targets of a line's links, without titles, fragments and what is in backticks.
fn targets(line: &str) -> Vec<&str> {
    let prose = line.split('`').step_by(2);
    let links = prose.flat_map(|part| part.split("](").skip(1));
    let targets = links.filter_map(|rest| rest.split([')', ' ', '#']).next());
    targets
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .collect()
}

fn leads_somewhere(tree: &Tree, page: &str, target: &str) -> bool {
    let mut folders: Vec<&str> = page.split('/').collect();
    folders.pop();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                if folders.pop().is_none() {
                    return false;
                }
            }
            name => folders.push(name),
        }
    }
    tree.holds(&folders.join("/"))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn found(page: &str) -> Vec<String> {
        let adr = ("docs/adr/README.md", "[b](b.md)");
        check(&Tree::from([
            ("docs/a.md", page),
            ("docs/adr/b.md", ""),
            adr,
            ("README.md", ""),
        ]))
    }

    #[test]
    fn an_unlisted_decision_is_found() {
        let tree = Tree::from([("docs/adr/README.md", "none"), ("docs/adr/0009-x.md", "")]);
        assert_eq!(
            check(&tree),
            ["docs/adr/README.md: the decision 0009-x.md is not listed"]
        );
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for page in [
            "[up](../README.md) and [b](adr/b.md#part) and [folder](adr) and [top](..)",
            "[web](https://example.org/x) [mail](mailto:a@b) [here](#part) [titled](adr/b.md \"B\")",
            "`[code](nowhere.md)`\n```\n[code](nowhere.md)\n```",
        ] {
            assert_eq!(found(page), [""; 0], "{page}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for page in [
            "[b](b.md)",
            "x\n[b](adr/c.md)",
            "[out](../../README.md)",
            "`code` [b](b.md)",
        ] {
            let found = found(page);
            assert_eq!(found.len(), 1, "{page}");
            assert!(found[0].starts_with("docs/a.md:"), "{found:?}");
        }
    }
}
