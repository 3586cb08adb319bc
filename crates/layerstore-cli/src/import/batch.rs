//! The writing side of an import: one batch, made durable as a whole.

use layerstore::data_store::ErrorKind;
use layerstore::{
    Error, Key, NewValue, Record, RecordErrorKind, RecordStoreError, Records, Value, WriteOptions,
};

use super::source::Batch;
use super::tally::{Change, Tally};
use crate::exit::Exit;
use crate::failure::Failure;

/// Writes batches to a map.
pub(super) struct Writer {
    pub(super) records: Records,
    pub(super) options: WriteOptions,
    /// Whether the time to live of records that are there is to begin anew.
    pub(super) renews: bool,
    /// Whether what was acknowledged is durable only after a flush.
    pub(super) flushes: bool,
}

/// What became of a batch.
pub(super) struct Written {
    /// Records that the store refuses for what they are, and why.
    pub(super) refused: Vec<(u64, String)>,
    /// Why the import cannot go on. What was counted is durable even so.
    pub(super) failed: Option<Failure>,
}

impl Writer {
    /// Writes what the map does not hold already, and counts what is durable. The tally's line is the caller's to move.
    pub(super) async fn write(&self, batch: &mut Batch, tally: &mut Tally) -> Result<Written, Failure> {
        let records = std::mem::take(&mut batch.records);
        let keys: Vec<Key> = records.iter().map(|(_, key, _)| key.clone()).collect();
        let held = self.records.get_all(&keys).await?;
        if tally.first_key.is_none() {
            tally.first_key = keys.first().map(ToString::to_string);
        }
        let mut plan = Vec::new();
        let mut writes = Vec::new();
        for ((line, key, value), held) in records.into_iter().zip(held) {
            let change = self.change(&value, held.as_deref());
            if change == Change::Unchanged && !self.renews {
                tally.count(change);
                continue;
            }
            plan.push((line, change));
            writes.push((key, NewValue::from(value)));
        }
        let mut outcome = Written {
            refused: Vec::new(),
            failed: None,
        };
        if writes.is_empty() {
            return Ok(outcome);
        }
        let written = self.records.put_all(writes, &self.options).await?;
        for ((line, change), result) in plan.into_iter().zip(written) {
            match result {
                Ok(_) => tally.count(change),
                Err(error) if is_the_records_own(&error) => {
                    outcome
                        .refused
                        .push((line, Failure::from(Error::from(error)).what().to_owned()));
                }
                Err(error) => {
                    outcome.failed.get_or_insert_with(|| Error::from(error).into());
                }
            }
        }
        Ok(outcome)
    }

    /// Makes durable what was written, where writing alone does not.
    pub(super) async fn flush(&self) -> Result<(), Failure> {
        if !self.flushes {
            return Ok(());
        }
        self.records.hard_flush().await.map_err(|flushed| {
            let what = flushed.to_string();
            match flushed.source {
                Some(error) => Failure::from(error).during(&what),
                None => Failure::new(Exit::Failed, what),
            }
        })
    }

    fn change(&self, value: &Value, held: Option<&Record>) -> Change {
        let Some(held) = held else { return Change::New };
        // A record that will end, where the file's would not, is not the file's record.
        let ends = held.expiry().deadline.is_some() && !self.renews;
        match held.value().value() {
            Some(same) if **same == *value && !ends => Change::Unchanged,
            _ => Change::Changed,
        }
    }
}

/// Tells whether an error is about one record and not about the store: the others can go on.
fn is_the_records_own(error: &RecordStoreError) -> bool {
    match error.kind() {
        RecordErrorKind::TooLarge | RecordErrorKind::TooDeep => true,
        RecordErrorKind::Store => error
            .store_error()
            .is_some_and(|store| store.kind() == ErrorKind::Rejected),
        _ => false,
    }
}
