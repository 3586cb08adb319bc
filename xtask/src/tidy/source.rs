//! Rules about Rust sources: short files, lints switched off only where it shows, nothing left open.

use super::tree::Tree;

/// More than this and a file holds more than one thing.
const MAX_LINES: usize = 500;

/// What may not stand in a source, and what to do instead. Split, so that this file passes itself.
const BANNED: [(&str, &str, &str); 8] = [
    ("#[al", "low(", "use #[expect(lint, reason = \"…\")]"),
    ("#![al", "low(", "use #![expect(lint, reason = \"…\")]"),
    ("TO", "DO", "do it, or file an issue"),
    ("FIX", "ME", "fix it, or file an issue"),
    ("XX", "X", "do it, or file an issue"),
    ("unimpl", "emented!(", "leave out what is not there"),
    ("to", "do!(", "leave out what is not there"),
    (
        "#[ign",
        "ore]",
        "print `SKIPPED what: why` and return; what is no test by itself says so: #[ignore = \"why\"]",
    ),
];

/// Finds files that are too long and lines that may not be there.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    tree.rust()
        .flat_map(|(path, text)| too_long(path, text).into_iter().chain(banned(path, text)))
        .collect()
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .count();
    (lines > MAX_LINES)
        .then(|| format!("{path}: {lines} lines of code, {MAX_LINES} at most: split it by concept"))
}

fn banned(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (head, tail, instead) in BANNED {
            if line.contains(&[head, tail].concat()) {
                found.push(format!(
                    "{path}:{}: {head}{tail} is not for this repository: {instead}",
                    number + 1
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{BANNED, MAX_LINES, check};
    use crate::tidy::tree::Tree;

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let code = "fn f() {}\n".repeat(MAX_LINES);
        let with_tests = format!("{code}#[cfg(test)]\nmod tests {{}}\n");
        assert!(check(&Tree::from([("a.rs", with_tests.as_str())])).is_empty());
        let long = format!("{code}fn g() {{}}\n");
        assert!(check(&Tree::from([("a.rs", long.as_str())]))[0].contains("501 lines"));
        assert!(check(&Tree::from([("a.md", long.as_str())])).is_empty());
    }

    #[test]
    fn every_banned_line_is_found_with_its_place() {
        for (head, tail, instead) in BANNED {
            let text = format!("fn ok() {{}}\n  {head}{tail}x)\n");
            let found = check(&Tree::from([("a.rs", text.as_str())]));
            assert!(
                found[0].starts_with("a.rs:2: ") && found[0].contains(instead),
                "{found:?}"
            );
        }
    }
}
