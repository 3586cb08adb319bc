//! D6: the driver's errors in the words of the contract, in one place.

use layerstore_data_store::{ErrorKind, StoreError};

use super::store::NAME;

pub(crate) trait At<T> {
    /// Says in which operation it failed.
    fn at(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> At<T> for Result<T, sqlx::Error> {
    fn at(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| {
            let (kind, what) = meaning(&error);
            // Not the source: what the server says may show a value.
            StoreError::new(kind, NAME, operation, what)
        })
    }
}

fn meaning(error: &sqlx::Error) -> (ErrorKind, &'static str) {
    match error {
        sqlx::Error::PoolClosed => (ErrorKind::Closed, "open the store again"),
        sqlx::Error::PoolTimedOut => (ErrorKind::Timeout, "no connection was free in time"),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => (
            ErrorKind::Corrupt,
            "a row is not what was written: was it changed by hand?",
        ),
        sqlx::Error::Database(error) => match error.code().as_deref().unwrap_or_default() {
            "57014" => (ErrorKind::Timeout, "the statement took too long"),
            "42501" => (ErrorKind::Forbidden, "grant the rights to the table"),
            "42P01" | "42703" => (ErrorKind::Rejected, "columns are missing: run columns.sql"),
            "53100" => (ErrorKind::Full, "the server's disk is full"),
            state if matches!(state.get(..2), Some("08" | "40" | "53" | "57")) => {
                (ErrorKind::Unavailable, "the server cannot do this now")
            }
            _ => (ErrorKind::Rejected, "the server refuses it"),
        },
        _ => (ErrorKind::Unavailable, "the connection failed"),
    }
}
