//! The side that asks: sending what differs, and merging what comes.

use layerstore_record::Key;

use crate::error::{SyncError, SyncErrorKind};
use crate::message::{ExchangeAnswer, ReplicaRecord, Request, Response};
use crate::round::Round;

impl Round<'_> {
    /// Exchanges what was noted, while there is enough for a whole message.
    pub(crate) async fn exchange_full(&mut self) -> Result<(), SyncError> {
        let most = self.replica.options.records.max(1);
        while self.send.len() >= most || self.want.len() >= most {
            self.exchange_next().await?;
        }
        Ok(())
    }

    /// Exchanges all that was noted.
    pub(crate) async fn exchange_rest(&mut self) -> Result<(), SyncError> {
        while !(self.send.is_empty() && self.want.is_empty() && self.echo.is_empty()) {
            self.exchange_next().await?;
        }
        Ok(())
    }

    /// Exchanges one message's worth.
    async fn exchange_next(&mut self) -> Result<(), SyncError> {
        let (records, is_echo) = if self.echo.is_empty() {
            (self.next_records().await?, false)
        } else {
            (self.next_echo(), true)
        };
        let wanted = take(&mut self.want, self.replica.options.records.max(1));
        if records.is_empty() && wanted.is_empty() {
            return Ok(());
        }
        self.report.sent += u64::try_from(records.len()).unwrap_or(u64::MAX);
        let asked = records.len() + wanted.len();
        let request = Request::Exchange {
            map: self.replica.map().clone(),
            partition: self.replica.tree.partition(),
            records,
            wanted,
        };
        let Response::Exchanged(answer) = self.call(request).await? else {
            return Err(self.unexpected());
        };
        // What was asked for is answered or left, and something is always answered: else this would not end.
        let is_progress = answer.left.len() < asked || answer.left.is_empty();
        if !is_progress {
            return Err(self.unexpected());
        }
        self.check_owned(
            answer
                .records
                .iter()
                .map(|record| &record.key)
                .chain(&answer.left),
        )?;
        self.take_answer(answer, is_echo).await;
        Ok(())
    }

    async fn take_answer(&mut self, answer: ExchangeAnswer, is_echo: bool) {
        self.report.received += u64::try_from(answer.records.len()).unwrap_or(u64::MAX);
        self.report.merged_there += answer.merged;
        self.report.refused += answer.refused;
        self.report.failed += answer.failed;
        self.want.extend(answer.left);
        let merges = self.replica.merge_all(answer.records).await;
        self.report.merged_here += merges.merged;
        self.report.refused += merges.refused;
        self.report.failed += merges.failed;
        // What we hold besides goes back once: while both go on being written to, that could be answered for ever.
        if !is_echo {
            self.echo.extend(merges.ours);
        }
    }

    /// Makes sure that keys of the peer are of our partition: it may part the map into another number.
    pub(crate) fn check_owned<'k>(&self, mut keys: impl Iterator<Item = &'k Key>) -> Result<(), SyncError> {
        if keys.all(|key| self.replica.store.owns(key)) {
            return Ok(());
        }
        let what =
            "it has keys that are of another partition here: give the map as many partitions on both sides";
        Err(self.replica.error(SyncErrorKind::OtherMap, what))
    }

    /// Reads the next records to send, within the bounds of a message.
    async fn next_records(&mut self) -> Result<Vec<ReplicaRecord>, SyncError> {
        let keys = take(&mut self.send, self.replica.options.records.max(1));
        let held = self.replica.states(&keys).await?;
        let mut held_keys = held.iter().map(|record| &record.key).peekable();
        // What we had has ended, or is lost: the peer may have what came after it.
        let is_gone = |key: &Key| held_keys.next_if(|held| *held == key).is_none();
        let gone: Vec<Key> = keys.into_iter().filter(is_gone).collect();
        self.report.ended += u64::try_from(gone.len()).unwrap_or(u64::MAX);
        self.want.extend(gone);
        let (now, later) = within(held, self.replica.options.bytes);
        self.send.extend(later.into_iter().map(|record| record.key));
        Ok(now)
    }

    fn next_echo(&mut self) -> Vec<ReplicaRecord> {
        let at = self
            .echo
            .len()
            .saturating_sub(self.replica.options.records.max(1));
        let (now, later) = within(self.echo.split_off(at), self.replica.options.bytes);
        self.echo.extend(later);
        now
    }
}

/// Takes up to `most` keys from the end.
fn take(keys: &mut Vec<Key>, most: usize) -> Vec<Key> {
    keys.split_off(keys.len().saturating_sub(most))
}

/// Parts records into those that fit a message, at least one, and the others.
fn within(records: Vec<ReplicaRecord>, room: usize) -> (Vec<ReplicaRecord>, Vec<ReplicaRecord>) {
    let mut bytes = 0_usize;
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for record in records {
        bytes = bytes.saturating_add(record.bytes());
        if now.is_empty() || bytes <= room {
            now.push(record);
        } else {
            later.push(record);
        }
    }
    (now, later)
}
