//! The driver's errors in the words of the data store contract: the one place where they are converted.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, StoreError};
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use thiserror::Error;

/// How errors, spans and metrics name this store.
pub(crate) const STORE: &str = "postgres";

/// What the server said, as far as it can hold no value: details and hints may show whole rows.
#[derive(Debug, Error)]
#[error("the server says {state}{said}")]
struct ServerError {
    state: String,
    said: String,
}

/// Why something that was asked of the server failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no answer in time.
    Late(Duration),
    /// The driver or the server says so.
    Driver(sqlx::Error),
}

impl Failure {
    /// Tells whether a statement that had been sent may have taken effect.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Late(_) => true,
            // The server says that it has undone it; unless it was about to end the session, which says nothing of a
            // commit that had just been made.
            Self::Driver(sqlx::Error::Database(error)) => {
                let state = error.code().unwrap_or_default();
                let ends = error
                    .try_downcast_ref::<PgDatabaseError>()
                    .is_none_or(|error| !matches!(error.severity(), PgSeverity::Error));
                ends || state == "40003" || state.starts_with("08")
            }
            // Nothing was sent.
            Self::Driver(sqlx::Error::Encode(_) | sqlx::Error::Configuration(_)) => false,
            Self::Driver(_) => true,
        }
    }

    /// Tells whether the same may succeed at once on another connection.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Late(_) => false,
            Self::Driver(sqlx::Error::Database(error)) => {
                let state = error.code().unwrap_or_default();
                matches!(
                    &*state,
                    "40001" | "40003" | "40P01" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03"
                ) || state.starts_with("08")
            }
            Self::Driver(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::BeginFailed) => true,
            Self::Driver(_) => false,
        }
    }

    /// Converts it; the outcome is known unless said otherwise.
    pub(crate) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Late(limit) => {
                let what =
                    format!("no answer within {limit:?}: is the server overloaded, or the network cut?");
                StoreError::new(ErrorKind::Timeout, STORE, operation, what)
            }
            Self::Driver(error) => from_driver(operation, error),
        }
    }
}

/// Converts an error of the driver.
pub(crate) fn from_driver(operation: &'static str, error: sqlx::Error) -> StoreError {
    let new = |kind, what: &str| StoreError::new(kind, STORE, operation, what);
    match error {
        sqlx::Error::Database(error) => {
            let state = error.code().unwrap_or_default().into_owned();
            let (kind, what) = of_state(&state);
            let said = if may_be_shown(&state) {
                format!(": {}", error.message().lines().next().unwrap_or_default())
            } else {
                String::new()
            };
            new(kind, &format!("{what} (SQLSTATE {state})")).because(ServerError { state, said })
        }
        sqlx::Error::Io(error) => {
            new(ErrorKind::Unavailable, "the connection failed or was lost").because(error)
        }
        // Not the source: what stands in a certificate or a file is not ours to show.
        sqlx::Error::Tls(_) => new(
            ErrorKind::Unavailable,
            "no encrypted connection could be made: check the TLS mode, the server's certificate and the root certificate",
        ),
        sqlx::Error::Configuration(_) => new(ErrorKind::Rejected, "the driver refuses the configuration"),
        sqlx::Error::Protocol(_) | sqlx::Error::BeginFailed => new(
            ErrorKind::Unavailable,
            "the server does not answer as PostgreSQL does: what listens there, or stands between?",
        ),
        sqlx::Error::Encode(_) => new(ErrorKind::Rejected, "a parameter cannot be sent"),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::RowNotFound => new(
            ErrorKind::Corrupt,
            "the answer has not the shape of the tables: were they changed by hand?",
        ),
        _ => new(ErrorKind::Unavailable, "the driver failed"),
    }
}

/// Says that the store takes no more calls.
pub(crate) fn closed(operation: &'static str) -> StoreError {
    let what = "the store was closed: open it again";
    StoreError::new(ErrorKind::Closed, STORE, operation, what)
}

/// What a SQLSTATE comes to: the table of <https://www.postgresql.org/docs/current/errcodes-appendix.html>, by code and
/// then by class.
fn of_state(state: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Corrupt, Forbidden, Full, Rejected, Throttled, Timeout, TooLarge, Unavailable};
    match state {
        "25006" => (Unavailable, "the server is read-only: is it a standby?"),
        "42501" => (
            Forbidden,
            "the user may not do this: grant the rights, or have the tables made by another user",
        ),
        "42P01" | "3F000" => (
            Rejected,
            "the tables are missing: open the store with migrations, or name their schema",
        ),
        "42P07" | "42710" => (
            Rejected,
            "something of this name is there already: give the store a schema of its own",
        ),
        "3D000" => (Rejected, "the database does not exist: create it"),
        "53100" => (Full, "the server's disk is full"),
        "53300" | "53400" => (
            Throttled,
            "the server has too many connections: use fewer, or a pooler",
        ),
        "55P03" => (Timeout, "a lock was not to be had in time"),
        "57014" => (
            Timeout,
            "the server cancelled the statement: its statement_timeout, or an operator",
        ),
        "57P01" | "57P02" | "57P03" => (Unavailable, "the server stops or starts"),
        "58P01" | "58P02" => (Unavailable, "the server has trouble with its files"),
        "XX001" | "XX002" => (
            Corrupt,
            "the server finds its data damaged: restore from a backup",
        ),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => (Unavailable, "the connection failed or was lost"),
            "25" | "40" => (Unavailable, "the transaction was undone"),
            "28" => (
                Forbidden,
                "the server refuses the user: check name, password and pg_hba.conf",
            ),
            "53" => (Unavailable, "the server is short of resources"),
            "54" => (TooLarge, "beyond a limit of the server"),
            "55" | "57" | "58" | "XX" => (Unavailable, "the server cannot do this now"),
            _ => (Rejected, "the server refuses it"),
        },
    }
}

/// Tells whether a message of this class speaks of the server and the session alone, never of data.
fn may_be_shown(state: &str) -> bool {
    let class = state.get(..2).unwrap_or_default();
    matches!(
        class,
        "08" | "25" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58"
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn every_state_has_its_kind() {
        use ErrorKind::{Corrupt, Forbidden, Full, Rejected, Throttled, Timeout, TooLarge, Unavailable};
        let table = [
            ("08006", Unavailable),
            ("08P01", Unavailable),
            ("0A000", Rejected),
            ("22021", Rejected),
            ("22P02", Rejected),
            ("22P05", Rejected),
            ("23502", Rejected),
            ("23505", Rejected),
            ("25006", Unavailable),
            ("25P02", Unavailable),
            ("25P03", Unavailable),
            ("28000", Forbidden),
            ("28P01", Forbidden),
            ("3D000", Rejected),
            ("3F000", Rejected),
            ("40001", Unavailable),
            ("40003", Unavailable),
            ("40P01", Unavailable),
            ("42501", Forbidden),
            ("42601", Rejected),
            ("42P01", Rejected),
            ("42P07", Rejected),
            ("53000", Unavailable),
            ("53100", Full),
            ("53200", Unavailable),
            ("53300", Throttled),
            ("54000", TooLarge),
            ("55006", Unavailable),
            ("55P03", Timeout),
            ("57014", Timeout),
            ("57P01", Unavailable),
            ("57P02", Unavailable),
            ("57P03", Unavailable),
            ("58030", Unavailable),
            ("58P01", Unavailable),
            ("P0001", Rejected),
            ("XX000", Unavailable),
            ("XX001", Corrupt),
            ("XX002", Corrupt),
            ("", Rejected),
            ("é", Rejected),
        ];
        for (state, kind) in table {
            assert_eq!(of_state(state).0, kind, "{state}");
        }
    }

    #[test]
    fn a_message_about_data_is_not_shown() {
        for state in ["22001", "22P02", "23502", "23505", "54000", "P0001", "XX000", ""] {
            assert!(!may_be_shown(state), "{state}");
        }
    }

    #[test]
    fn a_lost_connection_leaves_the_outcome_unknown_and_another_may_do() {
        let lost = Failure::Driver(sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()));
        assert!(lost.is_unknown() && lost.is_passing());
        let late = Failure::Late(Duration::from_secs(3));
        assert!(late.is_unknown() && !late.is_passing());
        let error = late.into_error("apply");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true));
        let unsent = Failure::Driver(sqlx::Error::Encode("hunter2".into()));
        assert!(!unsent.is_unknown() && !unsent.is_passing());
        assert!(!format!("{:?}", unsent.into_error("apply")).contains("hunter2"));
    }
}
