use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_record::codec::CodecError;
use thiserror::Error;

use crate::storage::StorageError;

/// Why the log could not do something. Holds no value and no key. Cheap to clone.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum LogError {
    /// What was synced is not what it was: the log is not opened. [`salvage`](crate::salvage) takes over what can be read.
    #[error(
        "{file} is damaged at byte {offset}, below what was synced: {what}; `salvage` takes over what can be read into a new log"
    )]
    Corrupt {
        /// Which file, with its folder.
        file: String,
        /// Its segment; 0 for the sidecar.
        segment: u64,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A later version of Layerstore wrote the log. This is no corruption; nothing was changed.
    #[error("{file} has format version {found}, the newest known here is {newest}: use a later Layerstore")]
    UnknownFormat {
        /// Which file, with its folder.
        file: String,
        /// The version that it names.
        found: u8,
        /// The newest version that is understood.
        newest: u8,
    },
    /// Somebody has the log.
    #[error("{} is open{}: close it there first", path.display(), pid.map_or_else(String::new, |pid| format!(" in process {pid}")))]
    AlreadyOpen {
        /// The directory.
        path: PathBuf,
        /// The process that has it, where it says so.
        pid: Option<u32>,
    },
    /// The disk is full. Nothing of the append is in the log; what is there stays readable, and appending goes on when there is room.
    #[error("no space is left for {file}: free some, the log goes on by itself")]
    DiskFull {
        /// Which file, with its folder.
        file: String,
    },
    /// What is pending fills the log. Appending goes on when some of it is done.
    #[error(
        "the log is full: {pending} bytes are pending of {limit} that may be, and the append needs {needed}; it goes on when some are done"
    )]
    Full {
        /// Bytes of entries that are not done.
        pending: u64,
        /// How many there may be.
        limit: u64,
        /// How many were to be added.
        needed: u64,
    },
    /// An append is larger than a segment.
    #[error(
        "an append of {bytes} bytes does not fit into a segment of {limit}: raise the segment size or split it"
    )]
    TooLarge {
        /// What it would take.
        bytes: u64,
        /// What there may be.
        limit: u64,
    },
    /// A record cannot become bytes.
    #[error("the record cannot be written to the log")]
    Record(#[source] CodecError),
    /// A write or a sync failed: what is on disk is unknown, and nothing is acknowledged until the log is opened again.
    #[error("{operation} {file} failed: the log takes nothing more and must be opened again")]
    Failed {
        /// "write", "sync", "rename", …
        operation: &'static str,
        /// Which file, with its folder.
        file: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// Reading failed.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which file, with its folder.
        file: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed.
    #[error("the log takes nothing more since a write or sync failed, and must be opened again")]
    Poisoned(#[source] Arc<LogError>),
    /// A setting is unknown or contradicts another.
    #[error("{0}")]
    Setting(String),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// There was no answer in time. What was to be appended may be in the log.
    #[error("no answer of the log within {0:?}")]
    Timeout(Duration),
    /// There was no room in the queue of the log in time. Nothing of the append is in the log.
    #[error("no room in the queue of the log within {0:?}: the disk does not keep up")]
    Busy(Duration),
}

impl LogError {
    /// Tells whether what was to be appended may be in the log all the same.
    #[must_use]
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Timeout(_))
    }

    /// Tells whether space is missing, on the disk or within the bound.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Full { .. })
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::UnknownFormat { .. } => ErrorKind::UnknownFormat,
            Self::AlreadyOpen { .. } => ErrorKind::AlreadyOpen,
            Self::DiskFull { .. } | Self::Full { .. } => ErrorKind::Full,
            Self::TooLarge { .. } | Self::Record(CodecError::TooLarge { .. }) => ErrorKind::TooLarge,
            Self::Record(_) | Self::Setting(_) => ErrorKind::Rejected,
            Self::Failed { .. } | Self::Poisoned(_) | Self::Closed => ErrorKind::Closed,
            Self::Unreadable { .. } => ErrorKind::Unavailable,
            Self::Timeout(_) => ErrorKind::Timeout,
            Self::Busy(_) => ErrorKind::Throttled,
        }
    }

    /// Turns it into an error of the store that the log belongs to.
    #[must_use]
    pub fn into_store_error(self, store: &'static str, operation: &'static str) -> StoreError {
        let error = StoreError::new(self.kind(), store, operation, self.to_string());
        let error = if self.outcome_is_unknown() {
            error.with_unknown_outcome()
        } else {
            error
        };
        error.because(self)
    }
}

impl From<StorageError> for LogError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::AlreadyOpen { path, pid } => Self::AlreadyOpen { path, pid },
            StorageError::Io { path, source } => Self::Unreadable {
                file: path.display().to_string(),
                source,
            },
        }
    }
}

/// Tells whether the disk says that space is missing, in any of its ways.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_becomes_one_of_the_store_that_says_whether_to_retry_and_what_is_known() {
        let source = Arc::new(io::Error::other("broken"));
        let failed = LogError::Failed {
            operation: "sync",
            file: "f".into(),
            source,
        };
        let full = LogError::Full {
            pending: 1,
            limit: 2,
            needed: 3,
        };
        let deadline = Duration::from_secs(1);
        let cases = [
            (failed.clone(), ErrorKind::Closed, true),
            (LogError::Poisoned(Arc::new(failed)), ErrorKind::Closed, false),
            (full, ErrorKind::Full, false),
            (LogError::DiskFull { file: "f".into() }, ErrorKind::Full, false),
            (LogError::Timeout(deadline), ErrorKind::Timeout, true),
            (LogError::Busy(deadline), ErrorKind::Throttled, false),
            (LogError::Closed, ErrorKind::Closed, false),
            (
                LogError::Record(CodecError::TooDeep { limit: 64 }),
                ErrorKind::Rejected,
                false,
            ),
        ];
        for (error, kind, unknown) in cases {
            let text = error.to_string();
            let converted = error.into_store_error("write-behind", "apply");
            assert_eq!(converted.kind(), kind, "{text}");
            let outcome = converted.outcome() == layerstore_data_store::Outcome::Unknown;
            assert_eq!(outcome, unknown, "{text}");
            assert!(converted.to_string().contains(&text));
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        assert!(is_full(&io::ErrorKind::StorageFull.into()));
        assert!(is_full(&io::ErrorKind::QuotaExceeded.into()));
        assert!(!is_full(&io::Error::other("broken")));
    }
}
