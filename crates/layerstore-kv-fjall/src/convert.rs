//! fjall's errors in the words of the contract: the one place where they are converted.

use std::io;

use fjall::{Error as Fjall, LsmError};
use layerstore_kv::{KvError, KvErrorKind, KvOperation};

/// Converts an error of a read, or of a write that surely did not happen.
pub(crate) fn convert(operation: KvOperation, error: Fjall) -> KvError {
    KvError::new(kind(&error), operation).caused_by(error)
}

/// Converts an error of a write or sync. fjall refuses a poisoned write before it touches anything; any other failure
/// comes after the journal may have been written, so only the next open can tell.
pub(crate) fn convert_write(operation: KvOperation, error: Fjall) -> KvError {
    let refused = matches!(error, Fjall::Poisoned | Fjall::KeyspaceDeleted);
    let converted = convert(operation, error);
    if refused {
        converted
    } else {
        converted.outcome_unknown()
    }
}

/// Converts an error of a file operation of our own.
pub(crate) fn convert_io(operation: KvOperation, error: io::Error) -> KvError {
    KvError::new(io_kind(&error), operation).caused_by(error)
}

fn kind(error: &Fjall) -> KvErrorKind {
    match error {
        Fjall::Io(error) | Fjall::Storage(LsmError::Io(error)) => io_kind(error),
        Fjall::InvalidVersion(_) | Fjall::Storage(LsmError::InvalidVersion(_)) => KvErrorKind::UnknownFormat,
        Fjall::Poisoned => KvErrorKind::Poisoned,
        Fjall::KeyspaceDeleted => KvErrorKind::UnknownKeyspace,
        Fjall::Locked => KvErrorKind::AlreadyOpen {
            path: std::path::PathBuf::new(),
            pid: None,
        },
        // What remains is what decoding can find: checksums, tags, trailers, missing parts.
        _ => KvErrorKind::Corrupt,
    }
}

fn io_kind(error: &io::Error) -> KvErrorKind {
    match error.kind() {
        // A limit on the size of a file is a disk that is full for this process.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            KvErrorKind::DiskFull
        }
        // A file that ends before what it should hold.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => KvErrorKind::Corrupt,
        _ => KvErrorKind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use layerstore_kv::Outcome;

    #[test]
    fn every_error_has_its_kind() {
        let io = |kind| Fjall::Io(io::Error::from(kind));
        let table = [
            (io(io::ErrorKind::StorageFull), KvErrorKind::DiskFull),
            (io(io::ErrorKind::FileTooLarge), KvErrorKind::DiskFull),
            (io(io::ErrorKind::PermissionDenied), KvErrorKind::Io),
            (io(io::ErrorKind::UnexpectedEof), KvErrorKind::Corrupt),
            (
                Fjall::Storage(LsmError::Io(io::ErrorKind::StorageFull.into())),
                KvErrorKind::DiskFull,
            ),
            (Fjall::Storage(LsmError::Unrecoverable), KvErrorKind::Corrupt),
            (
                Fjall::Storage(LsmError::InvalidVersion(9)),
                KvErrorKind::UnknownFormat,
            ),
            (Fjall::InvalidVersion(None), KvErrorKind::UnknownFormat),
            (Fjall::InvalidTrailer, KvErrorKind::Corrupt),
            (Fjall::InvalidTag(("x", 1)), KvErrorKind::Corrupt),
            (Fjall::Unrecoverable, KvErrorKind::Corrupt),
            (Fjall::Poisoned, KvErrorKind::Poisoned),
            (Fjall::KeyspaceDeleted, KvErrorKind::UnknownKeyspace),
        ];
        for (error, expected) in table {
            let shown = error.to_string();
            assert_eq!(convert(KvOperation::Get, error).kind(), &expected, "{shown}");
        }
    }

    #[test]
    fn a_failed_write_has_an_unknown_outcome_and_a_refused_one_has_none() {
        let failed = convert_write(KvOperation::Commit, Fjall::Io(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.outcome(), Outcome::Unknown);
        let refused = convert_write(KvOperation::Commit, Fjall::Poisoned);
        assert_eq!(refused.outcome(), Outcome::NotApplied);
    }
}
