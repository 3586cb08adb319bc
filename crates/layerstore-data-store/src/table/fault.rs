use std::error::Error;
use std::fmt;

use crate::error::ErrorKind;

/// Why a table cannot do what it was asked: what to branch on, and what to do about it.
///
/// The words are fixed when the program is compiled, so that no value and no credential gets into an error by way of them.
///
/// ```
/// use layerstore_data_store::{ErrorKind, TableFault};
///
/// let full = TableFault::new(ErrorKind::Full, "the server's disk is full");
/// assert!(full.kind.is_retryable());
/// // Words alone refuse a write for what it is.
/// assert_eq!(TableFault::from("no column holds this").kind, ErrorKind::Rejected);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableFault {
    /// What went wrong.
    pub kind: ErrorKind,
    /// What of it is worth knowing, on one line.
    pub what: &'static str,
}

impl TableFault {
    /// What was read is not what was written.
    pub const CHANGED_BY_HAND: Self = Self::new(
        ErrorKind::Corrupt,
        "a record is not what was written: was it changed by hand?",
    );

    /// Puts a fault together.
    #[must_use]
    pub const fn new(kind: ErrorKind, what: &'static str) -> Self {
        Self { kind, what }
    }

    /// Says what a SQLSTATE means: the class, its first two characters, as the SQL standard and PostgreSQL have it, and
    /// what is finer where it matters for what to do.
    #[must_use]
    pub fn of_sqlstate(state: &str) -> Self {
        use ErrorKind::{Corrupt, Forbidden, Full, Rejected, Throttled, Timeout, TooLarge, Unavailable};
        let (kind, what) = match (state, state.get(..2).unwrap_or_default()) {
            ("42501", _) => (Forbidden, "grant the rights to the table"),
            ("42P01" | "42703", _) => (
                Rejected,
                "a table or a column is missing: add those that the clauses need",
            ),
            ("53100", _) => (Full, "the server's disk is full"),
            ("53300" | "53400", _) => (Throttled, "the server has too many connections"),
            ("55P03", _) => (Timeout, "a lock was not to be had in time"),
            ("57014", _) => (Timeout, "the server cancelled the statement: it took too long"),
            ("XX001" | "XX002", _) => (
                Corrupt,
                "the server finds its data damaged: restore from a backup",
            ),
            (_, "08") => (Unavailable, "the connection failed or was lost"),
            (_, "25" | "40") => (Unavailable, "the transaction was undone"),
            (_, "28") => (Forbidden, "the server refuses the user"),
            (_, "54") => (TooLarge, "beyond a limit of the server"),
            (_, "53" | "55" | "57" | "58" | "XX") => (Unavailable, "the server cannot do this now"),
            _ => (Rejected, "the server refuses it"),
        };
        Self::new(kind, what)
    }
}

impl From<&'static str> for TableFault {
    /// Refuses a write for what it is: [`ErrorKind::Rejected`].
    fn from(what: &'static str) -> Self {
        Self::new(ErrorKind::Rejected, what)
    }
}

impl Error for TableFault {}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_kind() {
        use ErrorKind::{Corrupt, Forbidden, Full, Rejected, Throttled, Timeout, TooLarge, Unavailable};
        let table = [
            ("08006", Unavailable),
            ("22021", Rejected),
            ("23505", Rejected),
            ("25P03", Unavailable),
            ("28P01", Forbidden),
            ("40001", Unavailable),
            ("42501", Forbidden),
            ("42601", Rejected),
            ("42703", Rejected),
            ("42P01", Rejected),
            ("53100", Full),
            ("53200", Unavailable),
            ("53300", Throttled),
            ("54000", TooLarge),
            ("55P03", Timeout),
            ("57014", Timeout),
            ("57P01", Unavailable),
            ("XX000", Unavailable),
            ("XX001", Corrupt),
            ("HY000", Rejected),
            ("", Rejected),
            ("é", Rejected),
        ];
        for (state, kind) in table {
            assert_eq!(TableFault::of_sqlstate(state).kind, kind, "{state}");
        }
    }
}
