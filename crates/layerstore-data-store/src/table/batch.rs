use std::collections::BTreeMap;

use layerstore_record::{MapName, Record, RecordValue, Value};

use super::record_table::RecordTable;
use super::store::TableDataStore;
use super::turn::Turn;
use crate::error::{ErrorKind, StoreError};
use crate::store_ext::unanswered;
use crate::write::{Write, WriteResult};

/// A write whose columns are made, and its place among the writes of the call.
pub(super) struct Ready<'a, C> {
    pub(super) place: usize,
    pub(super) write: &'a Write,
    pub(super) columns: C,
}

impl<T: RecordTable> TableDataStore<T> {
    /// Makes writes in batches, each in a transaction of one map, and answers in the order given.
    pub(super) async fn write_all(&self, writes: &[Write]) -> Vec<WriteResult> {
        let mut by_map: BTreeMap<&MapName, Vec<usize>> = BTreeMap::new();
        for (place, write) in writes.iter().enumerate() {
            by_map.entry(&write.map).or_default().push(place);
        }
        let mut answers: Vec<Option<WriteResult>> = writes.iter().map(|_| None).collect();
        for (map, places) in by_map {
            for places in places.chunks(self.batch_records()) {
                let mut batch = Vec::with_capacity(places.len());
                for place in places.iter().copied() {
                    let write = &writes[place];
                    // D6: what cannot be stored is refused before there is a transaction that it could take with it.
                    match self.columns(write) {
                        Ok(columns) => batch.push(Ready {
                            place,
                            write,
                            columns,
                        }),
                        Err(refused) => answers[place] = Some(WriteResult::Rejected(refused)),
                    }
                }
                for (place, answer) in self.write_batch(map, batch).await {
                    answers[place] = Some(answer);
                }
            }
        }
        let answered = answers.into_iter().zip(writes);
        answered
            .map(|(answer, write)| answer.unwrap_or_else(|| unanswered(write, T::NAME)))
            .collect()
    }

    /// Makes what a write stores, or refuses it for what it is (D4).
    fn columns(&self, write: &Write) -> Result<T::Columns, StoreError> {
        let refuse = |error: StoreError| error.in_map(&write.map).at_key(&write.key);
        let check = || {
            self.check_map("apply", &write.map)?;
            self.check_key("apply", &write.key)?;
            if !T::HOLDS_NUL && has_nul(&write.record) {
                return Err(self.error(ErrorKind::Rejected, "apply", "text in the table holds no NUL"));
            }
            let columns = self.table().columns(&write.key, &write.record);
            columns.map_err(|fault| self.error(fault.kind, "apply", fault.what))
        };
        check().map_err(refuse)
    }

    async fn write_batch(
        &self,
        map: &MapName,
        batch: Vec<Ready<'_, T::Columns>>,
    ) -> Vec<(usize, WriteResult)> {
        if batch.is_empty() {
            return Vec::new();
        }
        let writes: Vec<(usize, &Write)> = batch.iter().map(|ready| (ready.place, ready.write)).collect();
        let made = async {
            let turn = Turn::take(self.call("apply", Some(map)).await?, map, self.epoch(map)).await?;
            turn.write(batch, self.now()).await
        };
        match made.await {
            Ok(answers) => writes.into_iter().map(|(place, _)| place).zip(answers).collect(),
            // The transaction is one: if it fails, so has every write in it.
            Err(error) => {
                let failed =
                    |write: &Write| WriteResult::Rejected(error.clone().in_map(map).at_key(&write.key));
                writes
                    .into_iter()
                    .map(|(place, write)| (place, failed(write)))
                    .collect()
            }
        }
    }
}

/// Tells whether any text of a record has a NUL in it.
fn has_nul(record: &Record) -> bool {
    match record.value() {
        RecordValue::Lww { value, .. } => text_has_nul(value),
        RecordValue::OrMap { entries, .. } => entries.iter().any(|(_, value)| text_has_nul(value)),
        _ => false,
    }
}

fn text_has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(text_has_nul),
        Value::Map(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || text_has_nul(value)),
        _ => false,
    }
}
