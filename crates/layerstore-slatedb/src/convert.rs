//! SlateDB's errors in the words of the byte store's contract: the one place where they are converted.

use layerstore_kv::{KvError, KvErrorKind, KvOperation};
use slatedb::{CloseReason, Error, ErrorKind};

use crate::driver::Late;

/// Converts an error of a read, or of a write that surely did not happen.
pub(crate) fn convert(operation: KvOperation, error: Error) -> KvError {
    KvError::new(kind(error.kind()), operation).caused_by(error)
}

/// Converts an error of a write that SlateDB had taken: it is in the log, or on its way there, or neither.
pub(crate) fn convert_write(operation: KvOperation, error: Error) -> KvError {
    convert(operation, error).outcome_unknown()
}

/// Says that no answer came in time.
pub(crate) fn late(operation: KvOperation, _: Late) -> KvError {
    KvError::new(KvErrorKind::TimedOut, operation)
}

fn kind(kind: ErrorKind) -> KvErrorKind {
    match kind {
        ErrorKind::Closed(CloseReason::Fenced) => KvErrorKind::Fenced,
        ErrorKind::Closed(_) => KvErrorKind::Poisoned,
        ErrorKind::Data => KvErrorKind::Corrupt,
        _ => KvErrorKind::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_opener_damage_and_an_end_are_told_apart() {
        let table = [
            (ErrorKind::Closed(CloseReason::Fenced), KvErrorKind::Fenced),
            (ErrorKind::Closed(CloseReason::Clean), KvErrorKind::Poisoned),
            (ErrorKind::Closed(CloseReason::Panic), KvErrorKind::Poisoned),
            (ErrorKind::Data, KvErrorKind::Corrupt),
            (ErrorKind::Unavailable, KvErrorKind::Unreachable),
            (ErrorKind::Internal, KvErrorKind::Unreachable),
        ];
        for (theirs, ours) in table {
            assert_eq!(kind(theirs), ours);
        }
    }
}
