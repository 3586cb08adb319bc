//! Keys and records made from numbers, for tests.

use std::sync::Arc;

use layerstore_record::{Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};

/// Makes the key `key:NUMBER`.
///
/// # Panics
/// Never: the text has 5 to 24 bytes.
#[must_use]
#[expect(clippy::expect_used, reason = "the text is neither empty nor too long")]
pub fn key(number: u64) -> Key {
    Key::new(format!("key:{number}")).expect("a short key")
}

/// Makes a record whose value is `number`, with the version of [`version`].
#[must_use]
pub fn record(number: u64) -> Arc<Record> {
    let version = version(number);
    let value = RecordValue::lww(number, version.timestamp());
    Arc::new(Record::builder(value, version).build())
}

/// Makes a version that rises with `number`.
#[must_use]
pub fn version(number: u64) -> Version {
    Version::new(Timestamp::new(Millis(number), 0, NodeId(1)))
}
