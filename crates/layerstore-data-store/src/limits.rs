use layerstore_record::{MAX_KEY_BYTES, MAX_MAP_NAME_BYTES};

/// What a data store can hold. Asked before memory, log or acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest map name, in bytes.
    pub map_name_bytes: usize,
    /// The longest key, in bytes.
    pub key_bytes: usize,
    /// The largest encoded record, in bytes.
    pub record_bytes: usize,
    /// The most writes that one call of `apply` is best given; larger batches are split by the store.
    pub batch_records: usize,
    /// Whether conditional writes are atomic against every other writer.
    pub compare_and_set: bool,
}

impl Default for Limits {
    /// Everything that a record may be, in batches of 1,000, with conditional writes.
    fn default() -> Self {
        Self {
            map_name_bytes: MAX_MAP_NAME_BYTES,
            key_bytes: MAX_KEY_BYTES,
            record_bytes: usize::MAX,
            batch_records: 1_000,
            compare_and_set: true,
        }
    }
}
