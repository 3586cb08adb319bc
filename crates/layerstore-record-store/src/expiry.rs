//! When and why records end (clause S6).

use layerstore_observer::RemoveReason;
use layerstore_record::{Expiry, ExpiryError, Millis, Record};

use crate::config::RecordStoreConfig;
use crate::request::WriteOptions;

/// Works out the end of a record that is written now.
pub(crate) fn expiry_of(
    options: &WriteOptions,
    config: &RecordStoreConfig,
    now: Millis,
) -> Result<Expiry, ExpiryError> {
    let (ttl, max_idle) = (options.ttl.or(config.ttl), options.max_idle.or(config.max_idle));
    if ttl.is_none() && max_idle.is_none() {
        return Ok(Expiry::NEVER);
    }
    Expiry::starting(now, ttl, max_idle)
}

/// Tells why a record has ended at `now`, `None` if it has not.
pub(crate) fn end_reason(record: &Record, now: Millis) -> Option<RemoveReason> {
    if record.is_tombstone() || !record.is_expired(now) {
        return None;
    }
    let by_deadline = record.expiry().deadline.is_some_and(|deadline| deadline <= now);
    Some(if by_deadline {
        RemoveReason::Expired
    } else {
        RemoveReason::Idle
    })
}

/// Tells whether a record is a value that has not ended.
pub(crate) fn is_live(record: &Record, now: Millis) -> bool {
    !record.is_tombstone() && !record.is_expired(now)
}
