use std::collections::{BTreeSet, HashMap};

use layerstore_record::{Key, MapName, Millis, Version};

use super::batch::Ready;
use super::call::Call;
use super::columns::WriterColumns;
use super::record_table::RecordTable;
use crate::error::{ErrorKind, StoreError};
use crate::fence::{Floors, Held, judge};
use crate::store::MapClaim;
use crate::write::WriteResult;

/// A turn at writing a map: a call with a transaction that has the map to itself. Dropped, it leaves nothing behind.
pub(super) struct Turn<'a, T: RecordTable> {
    call: Call<'a, T>,
    map: &'a MapName,
    transaction: T::Transaction,
    writer: WriterColumns,
}

impl<'a, T: RecordTable> Turn<'a, T> {
    /// Takes the map over, from whoever has it.
    pub(super) async fn claim(call: Call<'a, T>, map: &'a MapName) -> Result<MapClaim, StoreError> {
        let mut turn = Self::begin(call, map).await?;
        turn.writer.epoch = turn.writer.epoch.saturating_add(1);
        let claim = turn.writer.claim();
        turn.commit().await?;
        Ok(claim)
    }

    /// Tells whether either floor was ever raised.
    pub(super) async fn has_floors(call: Call<'a, T>, map: &'a MapName) -> Result<bool, StoreError> {
        let turn = Self::begin(call, map).await?;
        Ok(turn.writer.floors() != Floors::default())
    }

    /// Takes a turn, if no claim came after that of `epoch` (D8).
    pub(super) async fn take(
        call: Call<'a, T>,
        map: &'a MapName,
        epoch: Option<u64>,
    ) -> Result<Self, StoreError> {
        let Some(epoch) = epoch else {
            return Err(call.error(ErrorKind::NotClaimed, "claim the map first"));
        };
        let turn = Self::begin(call, map).await?;
        let current = turn.writer.epoch.unsigned_abs();
        if current == epoch {
            return Ok(turn);
        }
        let what = format!("epoch {epoch} was followed by {current}: another writer claimed it");
        Err(turn.call.error(ErrorKind::Fenced, what))
    }

    async fn begin(call: Call<'a, T>, map: &'a MapName) -> Result<Self, StoreError> {
        let (transaction, writer) = call.wait(call.table.begin(map)).await?;
        Ok(Self {
            call,
            map,
            transaction,
            writer,
        })
    }

    /// Judges the writes one after another by the rule book that every store follows (D1, D2, D5), and does what it says.
    pub(super) async fn write(
        mut self,
        batch: Vec<Ready<'_, T::Columns>>,
        now: Millis,
    ) -> Result<Vec<WriteResult>, StoreError> {
        let keys: BTreeSet<&Key> = batch.iter().map(|ready| &ready.write.key).collect();
        let keys: Vec<Key> = keys.into_iter().cloned().collect();
        let table = self.call.table;
        let found = table.load(Some(&mut self.transaction), self.map, &keys);
        let found = self.call.wait(found).await?.into_iter();
        let mut held: HashMap<Key, Held> = found.map(|(key, record)| (key, Held::of(&record, now))).collect();
        let (floors, mut has_put) = (self.writer.floors(), false);
        let mut answers = Vec::with_capacity(batch.len());
        for Ready { write, columns, .. } in batch {
            let verdict = judge(
                held.get(&write.key).copied(),
                floors,
                write.version(),
                write.expect,
            );
            if verdict.is_apply() {
                let put = table.put(&mut self.transaction, &write.key, columns);
                self.call.wait(put).await?;
                // A later write of the batch to this key is judged by this one.
                held.insert(write.key.clone(), Held::of(&write.record, now));
                self.writer.reach(write.version());
                has_put = true;
            }
            answers.push(verdict.into_result(write, T::NAME));
        }
        if has_put {
            self.commit().await?;
        }
        Ok(answers)
    }

    /// Deletes what is not newer, in the transaction that raises the floor: no record is ever below it (D2).
    pub(super) async fn clear(mut self, up_to: Version) -> Result<(), StoreError> {
        self.writer.raise_cleared(up_to);
        self.delete(up_to, None).await?;
        self.commit().await
    }

    /// Deletes what is over, in the transaction that raises the floor (D2).
    pub(super) async fn purge(mut self, horizon: Version, now: Millis) -> Result<u64, StoreError> {
        self.writer.raise_purged(horizon);
        let purged = self.delete(horizon, Some(now)).await?;
        self.commit().await?;
        Ok(purged)
    }

    async fn delete(&mut self, up_to: Version, ended_at: Option<Millis>) -> Result<u64, StoreError> {
        // A clock beyond its column is some 292 million years fast.
        let ended_at = ended_at.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX));
        let delete = self
            .call
            .table
            .delete(&mut self.transaction, up_to.to_bytes(), ended_at);
        self.call.wait(delete).await
    }

    /// A commit that fails or is not answered may have been made all the same (D6).
    async fn commit(self) -> Result<(), StoreError> {
        let commit = self.call.table.commit(self.transaction, self.writer);
        let committed = self.call.wait(commit).await;
        committed.map_err(StoreError::with_unknown_outcome)
    }
}
