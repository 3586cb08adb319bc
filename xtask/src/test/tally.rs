//! Counting tests.

use crate::services::Said;

/// How many tests passed, failed and were skipped, and why the skipped ones were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// The `SKIPPED …` lines that tests printed.
    pub(crate) reasons: Vec<String>,
    /// Where the servers of the tests came from.
    pub(crate) providers: Vec<String>,
}

impl Tally {
    /// Adds the counts of another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.reasons.extend(other.reasons);
        self.providers.extend(other.providers);
    }

    /// Takes what was said of the servers: a way that could not be gone counts as skipped, a server that there is not as failed.
    pub(crate) fn told(&mut self, said: &Said) {
        self.skipped += said.skipped.len();
        self.failed += said.failed.len();
        self.reasons
            .extend(said.skipped.iter().chain(&said.failed).cloned());
        self.providers.extend(said.providers.iter().cloned());
    }

    /// Counts a run that failed without a failing test (it did not build, say) as one failure.
    pub(crate) fn judged(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// The last line of a run.
    pub(crate) fn closing(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Returns the line where a test says that it did not test, and why.
pub(crate) fn skip_line(line: &str) -> Option<&str> {
    let line = line.trim();
    line.starts_with("SKIPPED ").then_some(line)
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::services::Said;

    #[test]
    fn counts_add_up_and_close() {
        let mut all = Tally {
            passed: 2,
            failed: 0,
            skipped: 1,
            reasons: vec!["SKIPPED a: b".into()],
            providers: vec![],
        };
        all.add(Tally {
            passed: 3,
            failed: 1,
            ..Tally::default()
        });
        assert_eq!(all.closing(), "5 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn servers_that_were_passed_over_are_skipped_and_missing_ones_fail() {
        let mut all = Tally::default();
        all.told(&Said {
            providers: vec!["PostgreSQL: native".into()],
            skipped: vec!["SKIPPED PostgreSQL, container: no engine".into()],
            failed: vec!["FAILED no S3 server".into()],
            ..Said::default()
        });
        assert_eq!(all.closing(), "0 passed, 1 failed, 1 skipped");
        assert_eq!((all.reasons.len(), all.providers.len()), (2, 1));
    }

    #[test]
    fn a_run_that_did_not_build_is_a_failure() {
        assert_eq!(Tally::default().judged(false).failed, 1);
        assert_eq!(Tally::default().judged(true).failed, 0);
        assert_eq!(
            Tally {
                failed: 2,
                ..Tally::default()
            }
            .judged(false)
            .failed,
            2
        );
    }
}
