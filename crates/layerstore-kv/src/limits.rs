//! What a backend can hold.

use crate::{Batch, KvError, KvErrorKind, KvOperation, KvResult};

/// Longest keyspace name that every backend must hold, in bytes.
pub const MAX_KEYSPACE_NAME_LEN: usize = 160;

/// The largest things a backend can hold, in bytes. Each smallest is 1, but for values, which may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvLimits {
    /// Longest key.
    pub max_key_len: usize,
    /// Longest value.
    pub max_value_len: usize,
    /// Longest keyspace name; at least [`MAX_KEYSPACE_NAME_LEN`].
    pub max_name_len: usize,
}

impl KvLimits {
    /// Checks a keyspace name.
    ///
    /// # Errors
    /// [`KvErrorKind::Empty`] or [`KvErrorKind::TooLong`].
    pub fn check_name(&self, operation: KvOperation, name: &[u8]) -> KvResult<()> {
        check(operation, name, "keyspace name", 1, name.len(), self.max_name_len)
    }

    /// Checks a key.
    ///
    /// # Errors
    /// [`KvErrorKind::Empty`] or [`KvErrorKind::TooLong`].
    pub fn check_key(&self, operation: KvOperation, keyspace: &[u8], key: &[u8]) -> KvResult<()> {
        check(operation, keyspace, "key", 1, key.len(), self.max_key_len)
    }

    /// Checks every name, key and value of a batch, before any of it is applied.
    ///
    /// # Errors
    /// [`KvErrorKind::Empty`] or [`KvErrorKind::TooLong`] for the first that does not fit.
    pub fn check_batch(&self, batch: &Batch) -> KvResult<()> {
        for required in batch.preconditions() {
            self.check_name(KvOperation::Commit, required.keyspace)?;
            self.check_key(KvOperation::Commit, required.keyspace, required.key)?;
        }
        for operation in batch.operations() {
            self.check_name(KvOperation::Commit, operation.keyspace)?;
            self.check_key(KvOperation::Commit, operation.keyspace, operation.key)?;
            let value_len = operation.value.map_or(0, <[u8]>::len);
            check(
                KvOperation::Commit,
                operation.keyspace,
                "value",
                0,
                value_len,
                self.max_value_len,
            )?;
        }
        Ok(())
    }
}

fn check(
    operation: KvOperation,
    keyspace: &[u8],
    what: &'static str,
    min: usize,
    actual: usize,
    max: usize,
) -> KvResult<()> {
    let kind = if actual < min {
        KvErrorKind::Empty { what }
    } else if actual > max {
        KvErrorKind::TooLong { what, actual, max }
    } else {
        return Ok(());
    };
    Err(KvError::new(kind, operation).in_keyspace(keyspace))
}
