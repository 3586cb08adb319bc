//! OpenDAL's errors in the words of the data store contract: the one place where they are converted.

use layerstore_data_store::{ErrorKind, StoreError};
use opendal::ErrorKind as OpendalKind;

/// How errors, spans and metrics name this store.
pub(crate) const STORE: &str = "object";

/// Converts the error of a request that changes nothing, or whose outcome is known.
pub(crate) fn from_opendal(operation: &'static str, error: opendal::Error) -> StoreError {
    let (kind, what) = class(&error);
    StoreError::new(kind, STORE, operation, what).because(error)
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
pub(crate) fn late(operation: &'static str, deadline: std::time::Duration) -> StoreError {
    let what = format!("no answer within {deadline:?}: is the service reachable?");
    StoreError::new(ErrorKind::Timeout, STORE, operation, what)
}

fn class(error: &opendal::Error) -> (ErrorKind, &'static str) {
    match error.kind() {
        OpendalKind::RateLimited => (ErrorKind::Throttled, "the service asks to slow down"),
        OpendalKind::PermissionDenied => (
            ErrorKind::Forbidden,
            "the service does not let us: check credentials and rights",
        ),
        OpendalKind::ConfigInvalid => (
            ErrorKind::Rejected,
            "the configuration is not right: check bucket, region, endpoint and options",
        ),
        OpendalKind::Unsupported => (ErrorKind::Rejected, "the service cannot do this"),
        OpendalKind::NotFound => (ErrorKind::Unavailable, "the service does not find the place"),
        OpendalKind::IsADirectory | OpendalKind::NotADirectory => (
            ErrorKind::Corrupt,
            "a directory stands where an object belongs, or the other way round",
        ),
        OpendalKind::Conflict | OpendalKind::ConditionNotMatch => (
            ErrorKind::Unavailable,
            "others changed the same object again and again",
        ),
        OpendalKind::Unexpected if is_timeout(error) => {
            (ErrorKind::Timeout, "the service does not answer in time")
        }
        OpendalKind::Unexpected if is_full(error) => (ErrorKind::Full, "there is no room left"),
        _ => (ErrorKind::Unavailable, "the service fails or is not reachable"),
    }
}

/// OpenDAL says so in the text alone.
fn is_timeout(error: &opendal::Error) -> bool {
    error.message().contains("timeout reached")
}

fn is_full(error: &opendal::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::StorageFull;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_kinds() {
        let table = [
            (OpendalKind::RateLimited, ErrorKind::Throttled),
            (OpendalKind::PermissionDenied, ErrorKind::Forbidden),
            (OpendalKind::ConfigInvalid, ErrorKind::Rejected),
            (OpendalKind::Unsupported, ErrorKind::Rejected),
            (OpendalKind::NotFound, ErrorKind::Unavailable),
            (OpendalKind::IsADirectory, ErrorKind::Corrupt),
            (OpendalKind::NotADirectory, ErrorKind::Corrupt),
            (OpendalKind::Conflict, ErrorKind::Unavailable),
            (OpendalKind::ConditionNotMatch, ErrorKind::Unavailable),
            (OpendalKind::Unexpected, ErrorKind::Unavailable),
        ];
        for (kind, expected) in table {
            let converted = from_opendal("load", opendal::Error::new(kind, "x"));
            assert_eq!(converted.kind(), expected, "{kind}");
        }
    }

    #[test]
    fn timeouts_and_full_disks_are_told_apart() {
        let timeout = opendal::Error::new(OpendalKind::Unexpected, "io operation timeout reached");
        assert_eq!(from_opendal("load", timeout).kind(), ErrorKind::Timeout);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let full = opendal::Error::new(OpendalKind::Unexpected, "write").set_source(full);
        assert_eq!(from_opendal("apply", full).kind(), ErrorKind::Full);
    }

    #[test]
    fn the_text_is_one_line_of_ours() {
        let error =
            opendal::Error::new(OpendalKind::Unexpected, "line\nline").with_context("secret", "hunter2");
        let shown = from_opendal("load", error).to_string();
        assert!(!shown.contains('\n') && !shown.contains("hunter2"), "{shown}");
    }
}
