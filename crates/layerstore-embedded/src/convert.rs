//! The key-value store's errors in the words of the data store contract: the one place where they are converted.

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_kv::{KvError, KvErrorKind, KvOperation, Outcome};

/// How errors, spans and metrics name this store.
pub(crate) const STORE: &str = "embedded";

/// Converts an error of an operation of ours.
pub fn from_kv(operation: &'static str, error: KvError) -> StoreError {
    let what = error.kind().to_string();
    let converted = StoreError::new(kind(&error), STORE, operation, what);
    let converted = match error.outcome() {
        Outcome::NotApplied => converted,
        Outcome::Unknown => converted.with_unknown_outcome(),
    };
    converted.because(error)
}

/// Says that the store takes no more calls.
pub(crate) fn closed(operation: &'static str) -> StoreError {
    StoreError::new(
        ErrorKind::Closed,
        STORE,
        operation,
        "the store was closed: open it again",
    )
}

/// Says that no answer came in time.
pub(crate) fn late(operation: &'static str, seconds: u64) -> StoreError {
    let what = format!("no answer within {seconds} s: is the disk or the service overloaded?");
    StoreError::new(ErrorKind::Timeout, STORE, operation, what)
}

fn kind(error: &KvError) -> ErrorKind {
    match error.kind() {
        KvErrorKind::Empty { .. } => ErrorKind::Rejected,
        KvErrorKind::TooLong { .. } => ErrorKind::TooLarge,
        // The only preconditions of this store are writer epochs.
        KvErrorKind::PreconditionFailed { .. } | KvErrorKind::Fenced => ErrorKind::Fenced,
        KvErrorKind::AlreadyOpen { .. } => ErrorKind::AlreadyOpen,
        KvErrorKind::DiskFull => ErrorKind::Full,
        KvErrorKind::Corrupt => ErrorKind::Corrupt,
        KvErrorKind::UnknownFormat => ErrorKind::UnknownFormat,
        KvErrorKind::Poisoned => ErrorKind::Closed,
        KvErrorKind::TimedOut => ErrorKind::Timeout,
        // Opening a directory that we may not read does not get better by trying again.
        KvErrorKind::Io if error.operation() == KvOperation::Open => ErrorKind::Forbidden,
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_outcome_is_kept() {
        let table = [
            (KvErrorKind::DiskFull, ErrorKind::Full),
            (KvErrorKind::Corrupt, ErrorKind::Corrupt),
            (KvErrorKind::UnknownFormat, ErrorKind::UnknownFormat),
            (KvErrorKind::Poisoned, ErrorKind::Closed),
            (KvErrorKind::Io, ErrorKind::Unavailable),
            (KvErrorKind::Unreachable, ErrorKind::Unavailable),
            (KvErrorKind::TimedOut, ErrorKind::Timeout),
            (KvErrorKind::Fenced, ErrorKind::Fenced),
            (KvErrorKind::PreconditionFailed { index: 0 }, ErrorKind::Fenced),
            (
                KvErrorKind::TooLong {
                    what: "value",
                    actual: 2,
                    max: 1,
                },
                ErrorKind::TooLarge,
            ),
            (
                KvErrorKind::AlreadyOpen {
                    path: "d".into(),
                    pid: Some(1),
                },
                ErrorKind::AlreadyOpen,
            ),
        ];
        for (kv, expected) in table {
            let known = from_kv("apply", KvError::new(kv.clone(), KvOperation::Commit));
            assert_eq!(
                (known.kind(), known.outcome()),
                (expected, layerstore_data_store::Outcome::NotApplied)
            );
            let unknown = from_kv("apply", KvError::new(kv, KvOperation::Commit).outcome_unknown());
            assert_eq!(unknown.outcome(), layerstore_data_store::Outcome::Unknown);
        }
    }

    #[test]
    fn an_error_of_a_busy_directory_names_path_and_process() {
        let kind = KvErrorKind::AlreadyOpen {
            path: "/srv/data".into(),
            pid: Some(4_711),
        };
        let shown = from_kv("open", KvError::new(kind, KvOperation::Open)).to_string();
        assert!(shown.contains("/srv/data") && shown.contains("4711"), "{shown}");
    }
}
