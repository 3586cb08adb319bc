use crate::BenchError;

/// The bytes of a request: time (u32), key (u64), size (u32), and when the key comes next (i64), little-endian and without gaps.
const RECORD: usize = 24;

/// Where the key stands.
const KEY: std::ops::Range<usize> = 4..12;

/// Returns the keys of a trace in the oracleGeneral form of libCacheSim.
pub(super) fn keys(bytes: &[u8]) -> Result<Vec<u64>, BenchError> {
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if !rest.is_empty() {
        let length = bytes.len();
        return Err(format!("{length} bytes are no whole number of records of {RECORD}").into());
    }
    let key = |record: &[u8; RECORD]| Ok(u64::from_le_bytes(record[KEY].try_into()?));
    records.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_between_time_and_size() {
        let mut bytes = Vec::new();
        for key in [7_u64, u64::MAX] {
            bytes.extend(1_700_000_000_u32.to_le_bytes());
            bytes.extend(key.to_le_bytes());
            bytes.extend(4_096_u32.to_le_bytes());
            bytes.extend((-2_i64).to_le_bytes());
        }
        assert_eq!(keys(&bytes).unwrap(), [7, u64::MAX]);
        bytes.pop();
        assert_eq!(
            keys(&bytes).unwrap_err().to_string(),
            "47 bytes are no whole number of records of 24"
        );
    }
}
