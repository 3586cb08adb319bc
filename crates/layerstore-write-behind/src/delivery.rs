//! One batch on its way to the store behind, and what becomes of each of its writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use layerstore_data_store::{ErrorKind, StoreError, Write, WriteResult};
use layerstore_record::{MapName, Record};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::failpoints::Failpoint;
use crate::log::{Appended, DurableLog, EncodedEntry, LogEntry, LogError, NewEntry, Sequence};
use crate::metrics;
use crate::queue::{Answer, Batch, Item, Place, Settled};
use crate::shared::Shared;

/// How many writes are settled while writers wait for the queue: some 50 us.
const PORTION: usize = 128;

/// A write of a batch with its record at hand.
struct Ready {
    item: Item,
    map: MapName,
    record: Arc<Record>,
}

impl Shared {
    /// Brings a batch to the store behind, and settles each of its writes.
    pub(crate) async fn deliver(&self, batch: Batch) {
        let began = self.now();
        let count = batch.items.len();
        let ready = match self.reach(Failpoint::BatchTaken, "apply").await {
            Ok(()) => self.claim_maps(batch.items, batch.is_retry).await,
            Err(error) => {
                self.put_off(&batch.items, &error);
                Vec::new()
            }
        };
        let ready = self.fetch(ready).await;
        let writes = ready.iter().map(|ready| {
            // Conditions were judged when the write was accepted.
            Write::new(
                ready.map.clone(),
                ready.item.key.clone(),
                Arc::clone(&ready.record),
            )
        });
        let writes: Vec<Write> = writes.collect();
        if !writes.is_empty() {
            let answers = self.send(writes).await;
            self.heard(batch.is_retry, failure(&answers), self.now());
            self.settle(ready, answers).await;
        }
        let took = self.now().saturating_sub(began);
        metrics::flushed(self.inner.name(), took);
        debug!(
            batch = batch.number,
            writes = count,
            is_retry = batch.is_retry,
            ?took,
            "a batch was written"
        );
        self.moved.notify_waiters();
        self.work.notify_one();
    }

    /// Tries writes again later.
    fn put_off(&self, items: &[Item], error: &StoreError) {
        for item in items {
            self.note_retry(error);
            self.settle_one(item, Answer::Later);
        }
    }

    /// Makes sure that the store behind takes writes of the maps from us: what the log gave back may be of maps that nobody has claimed yet.
    async fn claim_maps(&self, items: Vec<Item>, is_retry: bool) -> Vec<(Item, MapName)> {
        let places: BTreeSet<Place> = items.iter().map(|item| item.place).collect();
        let places: Vec<(Place, MapName, bool)> = {
            let queue = self.queue();
            let named = places.into_iter();
            named
                .map(|place| (place, queue.name(place).clone(), queue.is_writable(place)))
                .collect()
        };
        let mut maps: Vec<(Place, MapName)> = Vec::new();
        let mut refused: Vec<(Place, StoreError)> = Vec::new();
        for (place, map, is_writable) in places {
            maps.push((place, map.clone()));
            if is_writable {
                continue;
            }
            let claimed = timeout(self.options.call_timeout, self.claim(&map, false)).await;
            let claimed = claimed.unwrap_or_else(|_| Err(self.no_answer("claim").in_map(&map)));
            if let Err(error) = claimed {
                self.heard(is_retry, Some(&error), self.now());
                refused.push((place, error));
            }
        }
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            if let Some((_, error)) = refused.iter().find(|(place, _)| *place == item.place) {
                self.put_off(std::slice::from_ref(&item), error);
            } else if let Some((_, map)) = maps.iter().find(|(place, _)| *place == item.place) {
                kept.push((item, map.clone()));
            }
        }
        kept
    }

    /// Reads what was spilled.
    async fn fetch(&self, items: Vec<(Item, MapName)>) -> Vec<Ready> {
        let spilled: Vec<u64> = items
            .iter()
            .filter_map(|(item, _)| item.sequence.filter(|_| item.record.is_none()))
            .collect();
        let mut read = match self.read_back(&spilled).await {
            Ok(read) => read,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "what was spilled to the log cannot be read now, and is tried again"
                );
                Vec::new()
            }
        };
        let mut ready = Vec::with_capacity(items.len());
        for (item, map) in items {
            let record = item.record.clone().or_else(|| {
                let at = read
                    .iter()
                    .position(|entry| Some(entry.sequence.0) == item.sequence)?;
                Some(read.swap_remove(at).record)
            });
            match record {
                Some(record) => ready.push(Ready { item, map, record }),
                None => {
                    self.settle_one(&item, Answer::Later);
                }
            }
        }
        ready
    }

    async fn settle(&self, ready: Vec<Ready>, answers: Vec<WriteResult>) {
        let mut dead = Vec::new();
        let mut answered = ready.into_iter().zip(answers);
        loop {
            let portion = answered.by_ref().take(PORTION);
            let portion = portion.map(|(ready, result)| (ready, self.understand(result)));
            let portion: Vec<_> = portion.collect();
            if portion.is_empty() {
                break;
            }
            let answers = portion
                .iter()
                .map(|(ready, (answer, _))| (&ready.item, answer.clone()));
            let buried = self.settle_all(answers);
            let settled = portion.into_iter().zip(buried);
            let refused = settled.filter(|(_, is_buried)| *is_buried);
            dead.extend(refused.filter_map(|((ready, (_, error)), _)| Some((ready, error?))));
        }
        for (ready, error) in dead {
            self.bury(ready, &error).await;
        }
    }

    /// Tells what an answer of the store behind means for a write of ours.
    fn understand(&self, result: WriteResult) -> (Answer, Option<StoreError>) {
        let error = match result {
            WriteResult::Applied | WriteResult::Stale { .. } | WriteResult::Conflict { .. } => {
                return (Answer::Stored, None);
            }
            WriteResult::Rejected(error) => error,
        };
        let answer = match error.kind() {
            ErrorKind::Fenced => Answer::Fenced(error.clone()),
            ErrorKind::NotClaimed => Answer::Unclaimed,
            // The store must be reopened: nothing is wrong with the write.
            ErrorKind::Closed | ErrorKind::AlreadyOpen => Answer::Later,
            kind if kind.is_retryable() => Answer::Later,
            _ => Answer::Never,
        };
        if matches!(answer, Answer::Later) {
            self.note_retry(&error);
        }
        (answer, Some(error))
    }

    fn note_retry(&self, error: &StoreError) {
        metrics::retried(self.inner.name(), error.kind());
        self.sending().last_error = Some(error.clone());
    }

    fn settle_one(&self, item: &Item, answer: Answer) {
        self.settle_all([(item, answer)].into_iter());
    }

    /// Settles writes while nobody comes between; tells of each whether it is to be made a dead letter.
    fn settle_all<'a>(&self, answers: impl Iterator<Item = (&'a Item, Answer)>) -> Vec<bool> {
        let now = self.now();
        let mut done = Vec::new();
        let buried = {
            let mut sending = self.sending();
            let mut queue = self.queue();
            let settled = answers.map(|(item, answer)| {
                match queue.settle(item, answer, now, &mut sending.rng) {
                    Settled::Done(sequences) => done.extend(sequences),
                    Settled::Again => {}
                    Settled::Bury => return true,
                }
                false
            });
            settled.collect()
        };
        self.done(done);
        buried
    }

    /// Makes a dead letter of a write: first in the log, so that the watermark never passes what exists nowhere.
    async fn bury(&self, ready: Ready, error: &StoreError) {
        let Ready { item, map, record } = ready;
        let reason = error.to_string();
        let mut sequence = None;
        if let Some(log) = &self.log {
            let letter =
                NewEntry::dead_letter(map.clone(), item.key.clone(), record, reason.clone()).encode();
            let appended = match letter {
                Ok(letter) => self.append_letter(log, letter).await,
                Err(error) => Err(error),
            };
            match appended {
                Ok(appended) => sequence = Some(appended.first.0),
                // The write itself is still in the log, and is tried once more after a restart.
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "a dead letter is not in the log"
                ),
            }
        }
        warn!(%map, error = %error, "the store behind refuses a write for good: it is a dead letter now");
        let done = self.queue().bury(&item, reason, sequence);
        self.done(done);
        metrics::buried(self.inner.name());
    }

    async fn append_letter(&self, log: &DurableLog, letter: EncodedEntry) -> Result<Appended, LogError> {
        let patience = self.options.patience;
        let passed = self.failpoints.reach(Failpoint::Bury).await;
        passed.map_err(|_| LogError::Busy(patience))?;
        let appended = log.append(vec![letter]).await?;
        let passed = self.failpoints.reach(Failpoint::Buried).await;
        passed.map(|()| appended).map_err(|_| LogError::Timeout(patience))
    }

    /// Reads entries of the log by their places, given in any order.
    pub(crate) async fn read_back(&self, sequences: &[u64]) -> Result<Vec<LogEntry>, LogError> {
        let mut wanted: BTreeSet<u64> = sequences.iter().copied().collect();
        let mut read = Vec::with_capacity(wanted.len());
        let Some(log) = self.log.as_ref().filter(|_| !wanted.is_empty()) else {
            return Ok(read);
        };
        let passed = self.failpoints.reach(Failpoint::SpillRead).await;
        passed.map_err(|_| LogError::Busy(self.options.call_timeout))?;
        while let Some(first) = wanted.first().copied() {
            // What is done meanwhile is not there any more, and not needed.
            wanted.remove(&first);
            let most = if wanted.is_empty() {
                1
            } else {
                self.options.batch_bytes
            };
            for entry in log.pending_after(Sequence(first - 1), most).await? {
                if entry.sequence.0 == first || wanted.remove(&entry.sequence.0) {
                    read.push(entry);
                }
            }
        }
        Ok(read)
    }
}

/// Returns why nothing of a batch was taken; none where anything was, or was judged.
fn failure(answers: &[WriteResult]) -> Option<&StoreError> {
    let mut failed = None;
    for answer in answers {
        match answer {
            WriteResult::Rejected(error) => failed = failed.or(Some(error)),
            _ => return None,
        }
    }
    failed
}
