//! What can go wrong, told so that a caller can decide what to do.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// The result of an operation on a backend.
pub type KvResult<T> = Result<T, KvError>;

/// A failed operation: what kind of failure, of which operation, in which keyspace, and why.
///
/// Shows names and lengths, never a value.
#[derive(Debug)]
pub struct KvError {
    kind: KvErrorKind,
    operation: KvOperation,
    keyspace: Option<Vec<u8>>,
    outcome: Outcome,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvErrorKind {
    /// The keyspace does not exist: it was never created, or was dropped.
    UnknownKeyspace,
    /// A key or a keyspace name is empty.
    Empty {
        /// Which of the two.
        what: &'static str,
    },
    /// A key, value or keyspace name is longer than the backend holds.
    TooLong {
        /// Which of the three.
        what: &'static str,
        /// Its length in bytes.
        actual: usize,
        /// The longest that fits, in bytes.
        max: usize,
    },
    /// A precondition of a batch did not hold; nothing of the batch was applied.
    PreconditionFailed {
        /// Which of the batch's preconditions, counted from 0.
        index: usize,
    },
    /// Another opener has the directory.
    AlreadyOpen {
        /// The directory.
        path: PathBuf,
        /// The process that has it, where it is known.
        pid: Option<u32>,
    },
    /// The medium has no room left.
    DiskFull,
    /// Stored bytes are damaged.
    Corrupt,
    /// The directory was written in a format that this version does not know.
    UnknownFormat,
    /// An earlier write or sync failed; nothing is accepted until the store is opened anew.
    Poisoned,
    /// The operating system refused.
    Io,
    /// The service that holds the bytes cannot be reached, or refuses.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// A later opener has taken the store over: this one must stop.
    Fenced,
}

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KvOperation {
    /// Opening the store.
    Open,
    /// Creating a keyspace.
    CreateKeyspace,
    /// Dropping a keyspace.
    DropKeyspace,
    /// Listing the keyspaces.
    Keyspaces,
    /// Reading one key.
    Get,
    /// Reading a range.
    Scan,
    /// Taking a snapshot.
    Snapshot,
    /// Committing a batch.
    Commit,
    /// Making earlier commits durable.
    Persist,
    /// Taking figures.
    Stats,
}

/// Whether a failed operation may have happened all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did not happen.
    NotApplied,
    /// It may or may not be there when the store is opened next.
    Unknown,
}

impl KvError {
    /// Makes an error of an operation that did not happen.
    #[must_use]
    pub fn new(kind: KvErrorKind, operation: KvOperation) -> Self {
        Self {
            kind,
            operation,
            keyspace: None,
            outcome: Outcome::NotApplied,
            source: None,
        }
    }

    /// Names the keyspace.
    #[must_use]
    pub fn in_keyspace(mut self, keyspace: &[u8]) -> Self {
        self.keyspace = Some(keyspace.to_vec());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that the operation may have happened all the same.
    #[must_use]
    pub fn outcome_unknown(mut self) -> Self {
        self.outcome = Outcome::Unknown;
        self
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> &KvErrorKind {
        &self.kind
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> KvOperation {
        self.operation
    }

    /// Returns the keyspace, where one is concerned.
    #[must_use]
    pub fn keyspace(&self) -> Option<&[u8]> {
        self.keyspace.as_deref()
    }

    /// Tells whether the operation may have happened all the same.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Tells whether the same call may succeed later without anything else being done.
    ///
    /// Not for a poisoned or fenced store (open it anew), a failed precondition (read again first), damage, or limits.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            KvErrorKind::AlreadyOpen { .. }
            | KvErrorKind::Io
            | KvErrorKind::Unreachable
            | KvErrorKind::TimedOut => self.outcome == Outcome::NotApplied,
            KvErrorKind::DiskFull => self.operation == KvOperation::Open,
            _ => false,
        }
    }
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(keyspace) = &self.keyspace {
            write!(f, " in keyspace \"{}\"", keyspace.escape_ascii())?;
        }
        write!(f, ": {}", self.kind)?;
        if self.outcome == Outcome::Unknown {
            write!(f, " (it may have happened all the same)")?;
        }
        Ok(())
    }
}

impl Error for KvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for KvErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKeyspace => write!(f, "no such keyspace; create it first"),
            Self::Empty { what } => write!(f, "the {what} is empty; it needs at least 1 byte"),
            Self::TooLong { what, actual, max } => {
                write!(f, "the {what} has {actual} bytes; at most {max} fit")
            }
            Self::PreconditionFailed { index } => {
                write!(
                    f,
                    "precondition {index} did not hold, so nothing was applied; read again and retry"
                )
            }
            Self::AlreadyOpen { path, pid: Some(pid) } => {
                write!(f, "{} is open in process {pid}; stop it first", path.display())
            }
            Self::AlreadyOpen { path, pid: None } => {
                write!(f, "{} is open in another process; stop it first", path.display())
            }
            Self::DiskFull => write!(f, "the disk is full; free some space and open the store again"),
            Self::Corrupt => write!(f, "stored bytes are damaged; restore the directory from a copy"),
            Self::UnknownFormat => write!(
                f,
                "the format is not known to this version; use the one that wrote it"
            ),
            Self::Poisoned => write!(
                f,
                "an earlier write failed, so no more are taken; open the store again"
            ),
            Self::Io => write!(f, "the operating system refused"),
            Self::Unreachable => write!(f, "the service cannot be reached, or refuses; see the cause"),
            Self::TimedOut => write!(f, "no answer came in time; is the service overloaded or cut off?"),
            Self::Fenced => write!(f, "a later opener has taken the store over; this one must stop"),
        }
    }
}

impl fmt::Display for KvOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::CreateKeyspace => "create keyspace",
            Self::DropKeyspace => "drop keyspace",
            Self::Keyspaces => "list keyspaces",
            Self::Get => "get",
            Self::Scan => "scan",
            Self::Snapshot => "snapshot",
            Self::Commit => "commit",
            Self::Persist => "persist",
            Self::Stats => "stats",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_what_to_do_on_one_line() {
        let error = KvError::new(KvErrorKind::UnknownKeyspace, KvOperation::Get).in_keyspace(b"users\n");
        assert_eq!(
            error.to_string(),
            "get in keyspace \"users\\n\": no such keyspace; create it first"
        );
    }

    #[test]
    fn an_unknown_outcome_is_said_and_not_retryable() {
        let error = KvError::new(KvErrorKind::Io, KvOperation::Commit);
        assert!(error.is_retryable());
        let error = error.outcome_unknown();
        assert!(!error.is_retryable());
        assert!(error.to_string().ends_with("(it may have happened all the same)"));
    }
}
