//! Counting tests.

/// How many tests passed, failed and were skipped, and why the skipped ones were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// The `SKIPPED …` lines that tests printed.
    pub(crate) reasons: Vec<String>,
}

impl Tally {
    /// Adds the counts of another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.reasons.extend(other.reasons);
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

    #[test]
    fn counts_add_up_and_close() {
        let mut all = Tally {
            passed: 2,
            failed: 0,
            skipped: 1,
            reasons: vec!["SKIPPED a: b".into()],
        };
        all.add(Tally {
            passed: 3,
            failed: 1,
            ..Tally::default()
        });
        assert_eq!(all.closing(), "5 passed, 1 failed, 1 skipped");
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
