//! Reading what `cargo test` prints.

use super::tally::{Tally, skip_line};

/// Adds up the result lines of test binaries, fed line by line.
#[derive(Debug, Default)]
pub(crate) struct Libtest {
    passed: usize,
    failed: usize,
    ignored: usize,
    skips: Vec<String>,
}

impl Libtest {
    /// Takes one line of output.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(skip) = skip_line(line) {
            self.skips.push(skip.to_owned());
        }
        let Some(result) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split("; ") {
            let Some((count, what)) = part.split_once(' ') else {
                continue;
            };
            let count = count.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    /// How many tests ran.
    pub(crate) fn ran(&self) -> usize {
        self.passed + self.failed
    }

    /// What they said that they could not do.
    pub(crate) fn skips(&self) -> &[String] {
        &self.skips
    }

    /// The counts; a passing test that printed `SKIPPED …` counts as skipped.
    pub(crate) fn tally(self) -> Tally {
        Tally {
            passed: self.passed.saturating_sub(self.skips.len()),
            failed: self.failed,
            skipped: self.ignored + self.skips.len(),
            reasons: self.skips,
            ..Tally::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Libtest;

    #[test]
    fn result_lines_of_all_binaries_are_added() {
        let mut libtest = Libtest::default();
        let output = "running 3 tests\n\
            SKIPPED power cut: needs root\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.2s\n";
        output.lines().for_each(|line| libtest.read(line));
        assert_eq!(libtest.ran(), 6);
        let tally = libtest.tally();
        assert_eq!(tally.closing(), "3 passed, 2 failed, 2 skipped");
        assert_eq!(tally.reasons, ["SKIPPED power cut: needs root"]);
    }
}
