use layerstore_record::{
    Expiry, InvalidKey, Key, Millis, Record, RecordValue, Timestamp, ValueError, Version, from_value,
    to_value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::fault::TableFault;
use crate::fence::Floors;
use crate::store::MapClaim;

/// What a table keeps of a record beside its value, in types that every SQL driver knows.
///
/// Enough for last-writer-wins records and their removals, with or without a time to live. A table that is to hold other
/// records, or a maximum idle time, needs columns of its own for them.
///
/// ```
/// use layerstore_data_store::RecordColumns;
/// use layerstore_record::{Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};
///
/// let at = Timestamp::new(Millis(1_700_000_000_000), 0, NodeId(1));
/// let record = Record::builder(RecordValue::lww("Alice", at), Version::new(at)).build();
/// let (name, columns): (String, _) = RecordColumns::split(&record)?;
/// assert_eq!(columns.join("k", &name)?, (Key::new("k")?, record));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Without `non_exhaustive`: a column that a table does not keep must not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordColumns {
    /// The version, whose bytes are in version order (D1).
    pub version: [u8; 16],
    /// When the value was written, by its writer's clock: what merging goes by.
    pub written: [u8; 16],
    /// Whether it is a tombstone, which stays until it is purged (D2).
    pub removed: bool,
    /// When the record ends, in milliseconds since 1970 (D5).
    pub ends_at: Option<i64>,
    /// When the key got its first value, in milliseconds since 1970.
    pub created_at: i64,
    /// When this value was written, in milliseconds since 1970.
    pub updated_at: i64,
}

/// What a table keeps of a map, in types that every SQL driver knows: whose turn it is to write, how far versions go, and
/// the two floors. The default is that of a map which nobody has claimed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterColumns {
    /// The epoch of the last claim (D8).
    pub epoch: i64,
    /// The highest version that was ever applied (D8).
    pub high_water: [u8; 16],
    /// The floor at or below which writes are stale (D2).
    pub cleared: [u8; 16],
    /// The floor at or below which writes to absent keys are refused (D2).
    pub purged: [u8; 16],
}

/// The columns of a record are not what was written: were they changed by hand?
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidColumns {
    /// The key is empty or too long.
    #[error("the key of a record cannot be a key")]
    Key(#[from] InvalidKey),
    /// The value cannot be one, or is too deep.
    #[error("the columns of a record do not make a value")]
    Value(#[from] ValueError),
    /// A time lies before 1970.
    #[error("a column of a record holds a time before 1970")]
    Time,
}

impl RecordColumns {
    /// Splits a record into its value, as the type that has the table's own columns, and the columns beside it. A removed
    /// record has the default for a value, since the columns may have to hold something.
    ///
    /// # Errors
    /// A [`TableFault`] of kind [`Rejected`](crate::ErrorKind::Rejected) for a record that would not come back as it is: its
    /// value has another shape than `V`, or more in it; or it is one that [`of`](Self::of) refuses.
    pub fn split<V>(record: &Record) -> Result<(V, Self), TableFault>
    where
        V: Serialize + DeserializeOwned + Default,
    {
        let columns = Self::of(record)?;
        let Some(value) = record.value().value() else {
            return Ok((V::default(), columns));
        };
        let split = from_value(value).ok();
        // What `V` would leave out, or change, is found by making the value again.
        let split = split.filter(|split| to_value(split).is_ok_and(|again| again == **value));
        let what = "the value has another shape than the table's columns";
        split.map(|split| (split, columns)).ok_or_else(|| what.into())
    }

    /// Joins a record and its key together again. The value of a removed one is not looked at.
    ///
    /// # Errors
    /// [`InvalidColumns`] for what no record was split into.
    pub fn join<V: Serialize>(self, key: &str, value: &V) -> Result<(Key, Record), InvalidColumns> {
        let key = Key::new(key)?;
        let timestamp = Timestamp::from_bytes(self.written);
        let value = match self.removed {
            true => RecordValue::Tombstone { timestamp },
            false => RecordValue::lww(to_value(value)?, timestamp),
        };
        Ok((key, self.into_record(value)?))
    }

    /// Takes the columns off a record.
    ///
    /// # Errors
    /// A [`TableFault`] of kind [`Rejected`](crate::ErrorKind::Rejected) for a record that they do not hold: one that is
    /// neither last-writer-wins nor a tombstone, has a maximum idle time, or a time 292 million years ahead.
    pub fn of(record: &Record) -> Result<Self, TableFault> {
        let (value, expiry) = (record.value(), record.expiry());
        if !matches!(value, RecordValue::Lww { .. } | RecordValue::Tombstone { .. }) {
            return Err("the columns hold last-writer-wins records alone".into());
        }
        if expiry.max_idle.is_some() || expiry.idle_deadline.is_some() {
            return Err("no column holds a maximum idle time: use a time to live".into());
        }
        let column = |at: Millis| i64::try_from(at.0).map_err(|_| "a time is too far ahead for its column");
        Ok(Self {
            version: record.version().to_bytes(),
            written: value.timestamp().to_bytes(),
            removed: record.is_tombstone(),
            ends_at: expiry.deadline.map(column).transpose()?,
            created_at: column(record.created())?,
            updated_at: column(record.updated())?,
        })
    }

    fn into_record(self, value: RecordValue) -> Result<Record, InvalidColumns> {
        let millis = |column| {
            u64::try_from(column)
                .map(Millis)
                .map_err(|_| InvalidColumns::Time)
        };
        let expiry = Expiry {
            deadline: self.ends_at.map(millis).transpose()?,
            ..Expiry::NEVER
        };
        Ok(Record::builder(value, Version::from_bytes(self.version))
            .created(millis(self.created_at)?)
            .updated(millis(self.updated_at)?)
            .expiry(expiry)
            .build())
    }
}

impl From<(i64, [u8; 16], [u8; 16], [u8; 16])> for WriterColumns {
    /// Takes epoch, high-water mark, cleared floor and purged floor, in this order.
    fn from((epoch, high_water, cleared, purged): (i64, [u8; 16], [u8; 16], [u8; 16])) -> Self {
        Self {
            epoch,
            high_water,
            cleared,
            purged,
        }
    }
}

impl WriterColumns {
    pub(super) fn floors(&self) -> Floors {
        Floors {
            cleared: Version::from_bytes(self.cleared),
            purged: Version::from_bytes(self.purged),
        }
    }

    /// Notes that this version was applied.
    pub(super) fn reach(&mut self, version: Version) {
        raise(&mut self.high_water, version);
    }

    pub(super) fn raise_cleared(&mut self, floor: Version) {
        raise(&mut self.cleared, floor);
    }

    pub(super) fn raise_purged(&mut self, floor: Version) {
        raise(&mut self.purged, floor);
    }

    pub(super) fn claim(&self) -> MapClaim {
        let Floors { cleared, purged } = self.floors();
        let high_water = Version::from_bytes(self.high_water).max(cleared).max(purged);
        MapClaim::new(self.epoch.unsigned_abs(), high_water, cleared, purged)
    }
}

/// Marks and floors only rise.
fn raise(column: &mut [u8; 16], version: Version) {
    *column = Version::from_bytes(*column).max(version).to_bytes();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use layerstore_record::{NodeId, OrEntries, Tags};
    use serde::Deserialize;

    use super::*;
    use crate::error::ErrorKind;

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(Millis(millis), 3, NodeId(7))
    }

    fn record(value: RecordValue, expiry: Expiry) -> Record {
        Record::builder(value, Version::new(at(9)))
            .created(Millis(4))
            .updated(Millis(8))
            .expiry(expiry)
            .build()
    }

    #[test]
    fn what_the_columns_hold_comes_back_as_it_was() {
        let ending = Expiry::starting(Millis(9), Some(Duration::from_secs(1)), None).unwrap();
        for expiry in [Expiry::NEVER, ending] {
            for value in [
                RecordValue::lww("v", at(5)),
                RecordValue::Tombstone { timestamp: at(5) },
            ] {
                let record = record(value, expiry);
                let (value, columns): (String, _) = RecordColumns::split(&record).unwrap();
                assert_eq!(columns.join("k", &value), Ok((Key::new("k").unwrap(), record)));
            }
        }
    }

    #[test]
    fn what_the_columns_do_not_hold_is_refused() {
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Customer {
            plan: String,
        }

        let entries = OrEntries::new(vec![(at(1), "v".into())]);
        let merging = RecordValue::or_map(entries, Tags::default());
        let idle = Expiry::starting(Millis(9), None, Some(Duration::from_secs(1))).unwrap();
        let far = Expiry {
            deadline: Some(Millis(u64::MAX)),
            ..Expiry::NEVER
        };
        let value = |fields: &[(&str, &str)]| {
            let fields: BTreeMap<&str, &str> = fields.iter().copied().collect();
            RecordValue::lww(to_value(&fields).unwrap(), at(5))
        };
        let customer = value(&[("plan", "team")]);
        for refused in [
            record(merging, Expiry::NEVER),
            record(customer.clone(), idle),
            record(customer.clone(), far),
            record(value(&[]), Expiry::NEVER),
            record(value(&[("plan", "team"), ("since", "2020")]), Expiry::NEVER),
            record(RecordValue::lww(7_u64, at(5)), Expiry::NEVER),
        ] {
            let fault = RecordColumns::split::<Customer>(&refused).unwrap_err();
            assert_eq!(fault.kind, ErrorKind::Rejected, "{refused:?}");
        }
        let held = record(customer, Expiry::NEVER);
        assert_eq!(RecordColumns::split::<Customer>(&held).unwrap().0.plan, "team");
    }

    #[test]
    fn columns_that_were_changed_by_hand_are_an_error() {
        let held = record(RecordValue::lww("v", at(5)), Expiry::NEVER);
        let columns = RecordColumns::of(&held).unwrap();
        let changed = RecordColumns {
            created_at: -1,
            ..columns
        };
        assert_eq!(changed.join("k", &"v"), Err(InvalidColumns::Time));
        assert!(matches!(columns.join("", &"v"), Err(InvalidColumns::Key(_))));
    }

    #[test]
    fn the_mark_and_the_floors_of_a_writer_only_rise() {
        let version = |millis| Version::new(at(millis));
        let mut writer = WriterColumns::default();
        writer.raise_cleared(version(5));
        writer.raise_cleared(version(4));
        writer.raise_purged(version(7));
        writer.reach(version(6));
        writer.reach(version(2));
        assert_eq!(
            writer.claim(),
            MapClaim::new(0, version(7), version(5), version(7))
        );
        let bytes = |millis| version(millis).to_bytes();
        assert_eq!(writer, WriterColumns::from((0, bytes(6), bytes(5), bytes(7))));
    }
}
