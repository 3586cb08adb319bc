//! The records that groups write: 20-byte keys, and maps of five small fields.

use layerstore_record::{Fields, Key, Millis, NodeId, Record, RecordValue, Timestamp, Value, Version};

use crate::BenchError;

/// Where versions start, in milliseconds: some day in 2023.
pub const START: u64 = 1_700_000_000_000;

/// Makes a key of 20 bytes.
///
/// # Errors
/// Never, for a number of at most 11 digits.
pub fn key(number: u64) -> Result<Key, BenchError> {
    Ok(Key::new(format!("customer:{number:011}"))?)
}

/// Makes a map of five small fields, about 180 bytes encoded.
///
/// # Errors
/// Never.
pub fn value(number: u64) -> Result<Value, BenchError> {
    let fields = [
        ("address", Value::from(format!("{number} Long Street, Some Town"))),
        ("email", Value::from(format!("customer{number}@example.com"))),
        ("name", Value::from(format!("Customer Number {number}"))),
        ("orders", Value::from(number % 100)),
        ("plan", Value::from("team of up to twenty")),
    ];
    let fields = fields.map(|(name, value)| (name.into(), value)).into();
    let fields = Fields::new(fields).map_err(|name| format!("the field {name} comes twice"))?;
    Ok(Value::Map(fields))
}

/// Makes a record of such a map, whose version is of a millisecond.
///
/// # Errors
/// Never.
pub fn record(number: u64, millis: u64) -> Result<Record, BenchError> {
    let at = Timestamp::new(Millis(millis), 0, NodeId(1));
    Ok(Record::builder(RecordValue::lww(value(number)?, at), Version::new(at)).build())
}
