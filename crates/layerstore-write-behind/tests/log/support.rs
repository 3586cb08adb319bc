//! Entries that can be told apart, and logs that are opened, filled and read.

use std::sync::Arc;

use layerstore_record::{Key, MapName, Millis, Record, RecordValue, Timestamp, Value, Version};
use layerstore_testkit::disk::SimulatedDisk;
use layerstore_testkit::records::version;
use layerstore_write_behind::{
    EncodedEntry, LogEntry, LogError, LogOptions, LogWriter, NewEntry, Recovered, Sequence, Storage,
    SyncPolicy,
};

pub(crate) const NOW: Millis = Millis(1_000_000);

/// A log of small segments, with an identity that makes its bytes the same in every run.
pub(crate) fn options(sync: SyncPolicy) -> LogOptions {
    LogOptions::default()
        .sync(sync)
        .segment_bytes(4096)
        .max_bytes(8 * 4096)
        .identity(42)
}

pub(crate) fn map() -> MapName {
    MapName::new("m").unwrap()
}

/// The key and record that belong to a number; one in five is a removal, and every fifth number has the same key.
pub(crate) fn entry(number: u64, bytes: usize) -> NewEntry {
    let key = Key::new(format!("key:{}", number % 5)).unwrap();
    NewEntry::write(map(), key, record(number, bytes))
}

pub(crate) fn record(number: u64, bytes: usize) -> Arc<Record> {
    let version: Version = version(number);
    let now: Timestamp = version.timestamp();
    let value = if number % 5 == 4 {
        RecordValue::Tombstone { timestamp: now }
    } else {
        let fill = u8::try_from(number % 251).unwrap();
        RecordValue::lww(Value::Bytes(vec![fill; bytes].into()), now)
    };
    Arc::new(Record::builder(value, version).build())
}

pub(crate) fn encoded(number: u64, bytes: usize) -> EncodedEntry {
    entry(number, bytes).encode().unwrap()
}

pub(crate) fn open(disk: &SimulatedDisk, options: LogOptions) -> Result<(LogWriter, Recovered), LogError> {
    open_over(Arc::new(disk.clone()), options)
}

pub(crate) fn open_over(
    storage: Arc<dyn Storage>,
    options: LogOptions,
) -> Result<(LogWriter, Recovered), LogError> {
    LogWriter::open(storage, options, NOW)
}

/// Everything that is pending.
pub(crate) fn contents(log: &mut LogWriter) -> Vec<LogEntry> {
    log.pending_after(Sequence(0), u64::MAX).unwrap()
}

/// Tells whether an entry is the one that was made of a number.
pub(crate) fn is_of(entry: &LogEntry, number: u64, bytes: usize) -> bool {
    let key = format!("key:{}", number % 5);
    entry.map == map()
        && entry.key.as_str() == key
        && *entry.record == *record(number, bytes)
        && entry.dead.is_none()
}
