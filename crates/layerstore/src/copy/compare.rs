//! Two stores side by side, in key order.

use std::cmp::Ordering;

use layerstore_data_store::StoreError;
use layerstore_record::codec::encode_record;
use layerstore_record::{Key, Millis, Record};

use super::pages::Pages;
use super::report::Side;

/// What is known of a key.
pub(super) enum Pair {
    /// The source has it, and the target has not.
    Missing(Key, Record),
    /// The target has an older version.
    Older(Key, Record),
    /// Both have the same.
    Same(Key, Record, Record),
    /// Both have the same version, and not the same content.
    Different(Key, Record, Record),
    /// The target has a newer version.
    Superseded(Key),
    /// The target alone has it.
    Extra,
}

/// Reads both sides on; `None` when both have ended.
pub(super) async fn next(source: &mut Pages<'_>, target: &mut Pages<'_>) -> Result<Option<Pair>, StoreError> {
    let order = match (source.key().await?, target.key().await?) {
        (None, None) => return Ok(None),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(source), Some(target)) => source.cmp(&target),
    };
    let ours = (order != Ordering::Greater).then(|| source.take()).flatten();
    let theirs = (order != Ordering::Less).then(|| target.take()).flatten();
    Ok(match (ours, theirs) {
        (Some((key, record)), None) => Some(Pair::Missing(key, record)),
        (None, Some(_)) => Some(Pair::Extra),
        (Some((key, record)), Some((_, held))) => Some(match held.version().cmp(&record.version()) {
            Ordering::Less => Pair::Older(key, record),
            Ordering::Greater => Pair::Superseded(key),
            Ordering::Equal if is_same(&record, &held) => Pair::Same(key, record, held),
            Ordering::Equal => Pair::Different(key, record, held),
        }),
        (None, None) => None,
    })
}

/// Tells whether two records of a version are the same. When each store wrote its own down is no part of them.
fn is_same(one: &Record, other: &Record) -> bool {
    one.value() == other.value()
        && one.expiry() == other.expiry()
        && one.created() == other.created()
        && one.updated() == other.updated()
}

/// Tells whether a record ends before anybody could read it: that it is missing says nothing.
pub(super) fn has_ended(record: &Record, now: Millis) -> bool {
    record.expiry().persisted_end().is_some_and(|end| end <= now)
}

impl Side {
    /// Counts a record.
    pub(super) fn count(&mut self, key: &Key, record: &Record) {
        if record.is_tombstone() {
            self.tombstones += 1;
        } else {
            self.records += 1;
        }
        // Without the time when it was stored, which is the store's own.
        let bare = Record::builder(record.value().clone(), record.version())
            .created(record.created())
            .updated(record.updated())
            .expiry(record.expiry())
            .build();
        // What could not be encoded could not have been stored either.
        let bytes = encode_record(&bare).unwrap_or_default();
        let length = u64::try_from(key.as_bytes().len())
            .unwrap_or(u64::MAX)
            .to_le_bytes();
        for part in [&length[..], key.as_bytes(), &bytes] {
            self.checksum = crc32c::crc32c_append(self.checksum, part);
        }
    }
}
