//! The process that was started again: what it is to do, and how it tells of it.

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

const DIRECTORY_VARIABLE: &str = "KILLED_DIRECTORY";
const RUN_VARIABLE: &str = "KILLED_RUN";
const SEED_VARIABLE: &str = "KILLED_SEED";

/// What begins and what ends each line that is meant for the test.
const MARKS: (&str, &str) = ("> ", " .");

/// What a process is to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Where its store is.
    pub directory: PathBuf,
    /// A number that tells it from the processes before it.
    pub run: u64,
    /// What its random choices are drawn from.
    pub seed: u64,
}

impl Errand {
    pub(super) fn give(&self, command: &mut Command) {
        command
            .env(DIRECTORY_VARIABLE, &self.directory)
            .env(RUN_VARIABLE, self.run.to_string())
            .env(SEED_VARIABLE, self.seed.to_string());
    }
}

/// Returns what is to be done, in a process that was started again; `None` in the test itself.
#[must_use]
pub fn errand() -> Option<Errand> {
    let number = |variable| std::env::var(variable).ok()?.parse().ok();
    Some(Errand {
        directory: std::env::var_os(DIRECTORY_VARIABLE)?.into(),
        run: number(RUN_VARIABLE)?,
        seed: number(SEED_VARIABLE)?,
    })
}

/// Tells the test one line.
///
/// # Panics
/// When the test is gone.
pub fn tell(line: impl Display) {
    tell_all([line]);
}

/// Tells the test several lines at once, which no line of another thread comes between.
///
/// # Panics
/// When the test is gone.
pub fn tell_all(lines: impl IntoIterator<Item = impl Display>) {
    let (begin, end) = MARKS;
    // The harness of tests may have begun a line of its own.
    let lines = lines.into_iter().map(|line| format!("\n{begin}{line}{end}\n"));
    let lines: String = lines.collect();
    let mut out = std::io::stdout().lock();
    let told = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    told.expect("the test hears what is told");
}

/// Returns what a line tells; nothing where it is another's, or was cut short.
pub(super) fn told(line: &str) -> Option<&str> {
    let (begin, end) = MARKS;
    line.strip_prefix(begin)?.strip_suffix(end)
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_line_that_was_cut_short_is_not_heard() {
        assert_eq!(told("> ACK 7 .5 ."), Some("ACK 7 .5"));
        for other in ["> ACK 7", "> ACK 7 ", "test crashes::r01 ... ok", ""] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
