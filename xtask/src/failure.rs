//! The one error of the tasks: a sentence for the person at the terminal.

use std::fmt;

/// Says what failed, where, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

/// What a task returns.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// Builds a failure from a sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds what was being done to an error that does not say so itself.
pub(crate) trait Context<T> {
    /// Prefixes the error with `doing`.
    fn context(self, doing: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{}: {error}", doing())))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, doing: impl FnOnce() -> String) -> Outcome<T> {
        self.ok_or_else(|| Failure(doing()))
    }
}
