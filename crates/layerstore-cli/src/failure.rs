use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::Path;

use layerstore::data_store::{ErrorKind, StoreError};
use layerstore::{Error, RecordErrorKind};

use crate::exit::Exit;

/// Why the command ends without having done its work: what, where, and what to do. Never a value.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    what: String,
    advice: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            advice: None,
        }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Says what to do.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Names what was being done.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// A file that could not be read or written.
    pub(crate) fn file(what: &str, file: &Path, error: &io::Error) -> Self {
        let failure = Self::new(Exit::Failed, format!("{what} {}: {error}", file.display()));
        match error.kind() {
            io::ErrorKind::NotFound => failure.advise("check the path"),
            io::ErrorKind::PermissionDenied => {
                failure.advise("check the permissions of the file and its directory")
            }
            io::ErrorKind::StorageFull => failure.advise("free some space, then run it again"),
            _ => failure,
        }
    }

    /// Returns what went wrong, in one line.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Returns what to do, where that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (exit, advice) = judge(&error);
        Self {
            exit,
            what: chain(&error),
            advice: advice.map(str::to_owned),
        }
    }
}

/// Writes an error and its causes in one line, without repeating what a cause only says again.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

fn judge(error: &Error) -> (Exit, Option<&'static str>) {
    if let Some(store) = error.store_error() {
        return of_store(store);
    }
    match error {
        Error::Config(_) | Error::InvalidKey(_) | Error::InvalidMapName(_) => (Exit::Usage, None),
        Error::Records(records) => match records.kind() {
            RecordErrorKind::InvalidExpiry | RecordErrorKind::TooDeep => (Exit::Usage, None),
            RecordErrorKind::Deadline | RecordErrorKind::Busy => (Exit::Unavailable, Some("run it again")),
            RecordErrorKind::OverBudget => (
                Exit::Failed,
                Some("raise max_cost or max_count in the configuration file"),
            ),
            _ => (Exit::Failed, None),
        },
        _ => (Exit::Failed, None),
    }
}

fn of_store(error: &StoreError) -> (Exit, Option<&'static str>) {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Throttled => {
            (Exit::Unavailable, Some("run it again"))
        }
        ErrorKind::AlreadyOpen => {
            let advice = "end that process, or wait for it; or name another directory with --data";
            (Exit::Unavailable, Some(advice))
        }
        ErrorKind::Corrupt if error.store() == "write-behind" => {
            let advice = "look at it with `layerstore log inspect`; `layerstore log salvage FROM TO` takes over what can be read";
            (Exit::Corrupt, Some(advice))
        }
        ErrorKind::Corrupt if error.operation() == "open" => (
            Exit::Corrupt,
            Some("keep a copy of the directory as it is, and restore it from a backup"),
        ),
        ErrorKind::Corrupt => {
            let advice = "keep a copy of the directory, and run `layerstore verify` to see what can be read";
            (Exit::Corrupt, Some(advice))
        }
        ErrorKind::UnknownFormat => (
            Exit::Failed,
            Some("use the version of layerstore that wrote it, or a newer one"),
        ),
        ErrorKind::Full => (
            Exit::Failed,
            Some("free some space, then run it again: nothing that was reported is lost"),
        ),
        ErrorKind::Forbidden => (Exit::Failed, Some("check the permissions of the data directory")),
        ErrorKind::Fenced => (
            Exit::Failed,
            Some("another process writes this map now: let only one do so"),
        ),
        _ => (Exit::Failed, None),
    }
}
