//! Which targets of a package have a test: the others need not be built again for each defect.

use crate::process::Captured;
use crate::test::Libtest;

/// Targets of one package, as flags of `cargo test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Targets {
    flags: Vec<String>,
}

impl Targets {
    /// Every target with tests.
    pub(crate) fn all() -> Self {
        Self {
            flags: vec!["--tests".to_owned()],
        }
    }

    /// Reads off the output of `cargo test` which targets ran a test: cargo names them on one stream, in the order in
    /// which the tests write their results to the other.
    pub(crate) fn of(run: &Captured) -> Self {
        let names = run.stderr.lines().filter_map(flags_of);
        let results = run
            .stdout
            .lines()
            .filter(|line| line.trim().starts_with("test result: "));
        let mut flags: Vec<String> = names
            .zip(results)
            .filter(|(_, result)| has_run(result))
            .flat_map(|(flags, _)| flags)
            .collect();
        if flags.is_empty() {
            return Self::all();
        }
        flags.dedup();
        Self { flags }
    }

    pub(crate) fn flags(&self) -> Vec<String> {
        self.flags.clone()
    }
}

fn has_run(result: &str) -> bool {
    let mut libtest = Libtest::default();
    libtest.read(result);
    libtest.ran() > 0
}

/// The flags that choose the target of a line `Running tests/name.rs (…)`.
fn flags_of(line: &str) -> Option<Vec<String>> {
    let (path, _) = line.trim().strip_prefix("Running ")?.split_once(" (")?;
    if let Some(source) = path.strip_prefix("unittests ") {
        let flag = if source == "src/lib.rs" { "--lib" } else { "--bins" };
        return Some(vec![flag.to_owned()]);
    }
    let path = path.strip_prefix("tests/")?;
    let name = path
        .strip_suffix("/main.rs")
        .or_else(|| path.strip_suffix(".rs"))?;
    Some(vec!["--test".to_owned(), name.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::{Captured, Targets};
    use crate::process::Ended;

    fn result(ran: usize) -> String {
        format!(
            "test result: ok. {ran} passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0s"
        )
    }

    fn targets(names: &[&str], ran: &[usize]) -> Vec<String> {
        let stderr: Vec<String> = names
            .iter()
            .map(|name| format!("     Running {name} (target/debug/deps/x-1)"))
            .collect();
        let stdout: Vec<String> = ran.iter().map(|&ran| result(ran)).collect();
        let run = Captured {
            ended: Ended::Success,
            stdout: stdout.join("\n"),
            stderr: stderr.join("\n"),
        };
        Targets::of(&run).flags()
    }

    #[test]
    fn only_targets_that_ran_a_test_are_kept() {
        let names = [
            "unittests src/lib.rs",
            "tests/conformance.rs",
            "tests/files/main.rs",
        ];
        assert_eq!(targets(&names, &[0, 1, 0]), ["--test", "conformance"]);
        assert_eq!(targets(&names, &[1, 0, 2]), ["--lib", "--test", "files"]);
    }

    #[test]
    fn what_cannot_be_told_is_every_target() {
        assert_eq!(targets(&[], &[1]), ["--tests"]);
        assert_eq!(targets(&["tests/conformance.rs"], &[0]), ["--tests"]);
    }
}
