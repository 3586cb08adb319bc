//! What is in the service's own columns, and a record as a row of its table.

use std::error::Error;

use layerstore_data_store::{ErrorKind, StoreError, Write};
use layerstore_record::{
    Expiry, Key, Millis, Record, RecordValue, Timestamp, Value, ValueError, Version, from_value, to_value,
};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::store::NAME;

/// The value of a record: what the service kept, and keeps.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Customer {
    pub(crate) email: String,
    pub(crate) plan: String,
}

impl Customer {
    pub(crate) fn to_value(&self) -> Result<Value, ValueError> {
        to_value(self)
    }

    /// D4: takes the customer of a write; whatever the columns cannot hold is refused, and nothing is cut to fit.
    pub(crate) fn of(write: &Write) -> Result<Self, StoreError> {
        let refuse = |what: &str| {
            let error = StoreError::new(ErrorKind::Rejected, NAME, "apply", what);
            Err(error.in_map(&write.map).at_key(&write.key))
        };
        if write.key.as_str().contains('\0') {
            return refuse("a column of text holds no NUL: use other keys, or a column of bytes");
        }
        if write.record.expiry().max_idle.is_some() {
            return refuse("no column holds a maximum idle time: use a time to live");
        }
        match write.record.value() {
            RecordValue::Tombstone { .. } => Ok(Self::default()),
            RecordValue::Lww { value, .. } => match from_value::<Self>(value) {
                Ok(customer) if !customer.email.contains('\0') && !customer.plan.contains('\0') => {
                    Ok(customer)
                }
                _ => refuse(
                    "the value is no customer: text without NUL in `email` and `plan`, and nothing else",
                ),
            },
            _ => refuse("the columns hold last-writer-wins records alone"),
        }
    }
}

/// The columns that [`record`] reads, in this order.
pub(crate) const COLUMNS: &str =
    "id, email, plan, version, written, removed, ends_at, created_at, updated_at";

/// Puts a record together from its row: version, times and end come back as they were (D5).
pub(crate) fn record(row: &PgRow) -> Result<Record, sqlx::Error> {
    let timestamp = stamp(row, 4)?;
    let customer = Customer {
        email: row.try_get(1)?,
        plan: row.try_get(2)?,
    };
    let value = match row.try_get(5)? {
        true => RecordValue::Tombstone { timestamp },
        false => RecordValue::lww(customer.to_value().map_err(decode)?, timestamp),
    };
    let millis = |at: i64| Millis(at.unsigned_abs());
    let expiry = Expiry {
        deadline: row.try_get::<Option<i64>, _>(6)?.map(millis),
        ..Expiry::NEVER
    };
    Ok(Record::builder(value, version(row, 3)?)
        .created(millis(row.try_get(7)?))
        .updated(millis(row.try_get(8)?))
        .expiry(expiry)
        .build())
}

/// Reads the key of a row.
pub(crate) fn key(row: &PgRow) -> Result<Key, sqlx::Error> {
    Key::new(row.try_get::<&str, _>(0)?).map_err(decode)
}

/// Reads a version.
pub(crate) fn version(row: &PgRow, column: usize) -> Result<Version, sqlx::Error> {
    stamp(row, column).map(Version::new)
}

/// Turns a time into its column; what does not fit is some 292 million years away.
pub(crate) fn column(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn stamp(row: &PgRow, column: usize) -> Result<Timestamp, sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map(Timestamp::from_bytes).map_err(decode)
}

fn decode(error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
