//! From a verb to its outcome: synchronously where nothing waits, else in a task of the store's own (clauses S1 to S3).

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use layerstore_data_store::TryApply;
use layerstore_record::{Key, Record, codec};
use tokio::task::JoinHandle;

use crate::core::Core;
use crate::counters::count;
use crate::entry::{Entry, Judged, Looked, Written};
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::eviction_run::Room;
use crate::job::{Job, Result1};
use crate::op::Op;
use crate::patience::Patience;
use crate::telling::Ancestry;

/// What became of a try without waiting.
pub(crate) enum Attempt {
    /// It is done.
    Done(Result1),
    /// It has to wait for something: the write goes on from here.
    Waits(Box<Entry>),
}

impl Core {
    /// Makes one write.
    pub(crate) async fn write(self: &Arc<Self>, key: &Key, op: Op) -> Result1 {
        let operation = op.name();
        self.check(key, &op)?;
        let pass = self.pass(key, operation).await?;
        match self.attempt(Entry::new(pass, op)) {
            Attempt::Done(result) => result,
            Attempt::Waits(entry) => {
                let mut results = self
                    .run_apart(vec![(0, *entry)], operation, Arc::new(self.patience()))
                    .await?;
                let result = results.pop().map(|(_, result)| result);
                result.unwrap_or_else(|| Err(self.error(RecordErrorKind::Closed, operation)))
            }
        }
    }

    /// Makes several writes with one call of the data store; a result a write, in the order given.
    ///
    /// A key that comes twice is written twice, in the order given.
    pub(crate) async fn write_all(self: &Arc<Self>, mut ops: Vec<(Key, Op)>) -> Vec<Result1> {
        let mut results: Vec<Option<Result1>> = Vec::new();
        results.resize_with(ops.len(), || None);
        let mut places: Vec<usize> = (0..ops.len()).collect();
        let patience = Arc::new(self.patience());
        while !ops.is_empty() {
            let mut seen = HashSet::with_hasher(RandomState::default());
            let (mut round, mut later) = (Vec::new(), Vec::new());
            for (place, (key, op)) in places.into_iter().zip(ops) {
                if seen.insert(key.clone()) {
                    round.push((place, key, op));
                } else {
                    later.push((place, (key, op)));
                }
            }
            for (place, result) in self.write_round(round, &patience).await {
                results[place] = Some(result);
            }
            (places, ops) = later.into_iter().unzip();
        }
        let lost = || Err(self.error(RecordErrorKind::Closed, "write_all"));
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect()
    }

    /// Makes writes to different keys.
    async fn write_round(
        self: &Arc<Self>,
        round: Vec<(usize, Key, Op)>,
        patience: &Arc<Patience>,
    ) -> Vec<(usize, Result1)> {
        let mut results = Vec::with_capacity(round.len());
        let mut admitted = Vec::with_capacity(round.len());
        for (place, key, op) in round {
            match self.check(&key, &op) {
                Ok(()) => admitted.push((place, key, op)),
                Err(error) => results.push((place, Err(error))),
            }
        }
        let Some(operation) = admitted.first().map(|(_, _, op)| op.name()) else {
            return results;
        };
        let keys: Vec<_> = admitted.iter().map(|(_, key, _)| key.clone()).collect();
        let places: Vec<_> = admitted.iter().map(|(place, ..)| *place).collect();
        let ran = match self.pass_all(&keys, operation, patience).await {
            Err(error) => Err(error),
            Ok(passes) => {
                let entries = passes.into_iter().zip(admitted);
                let entries = entries.map(|(pass, (place, _, op))| (place, Entry::new(pass, op)));
                self.run_apart(entries.collect(), operation, Arc::clone(patience))
                    .await
            }
        };
        match ran {
            Ok(ran) => results.extend(ran),
            Err(error) => results.extend(places.into_iter().map(|place| (place, Err(error.clone())))),
        }
        results
    }

    /// Tries a write without waiting for anything.
    pub(crate) fn attempt(&self, mut entry: Entry) -> Attempt {
        match self.attempt_steps(&mut entry) {
            Step::Waits => Attempt::Waits(Box::new(entry)),
            Step::Commit => Attempt::Done(Ok(self.commit(entry, &Ancestry::here()))),
            Step::Kept => Attempt::Done(Ok(self.finish_kept(entry))),
            Step::Failed(error) => {
                count(&self.counters.rejected);
                Attempt::Done(Err(error.at_key(entry.pass.key())))
            }
            Step::Unknown(error) => {
                self.drop_unknown(&entry);
                Attempt::Done(Err(error))
            }
        }
    }

    fn attempt_steps(&self, entry: &mut Entry) -> Step {
        loop {
            if !matches!(entry.look(self), Looked::Ready) {
                return Step::Waits;
            }
            match entry.decide(self) {
                Ok(Some(())) => {}
                Ok(None) => return Step::Kept,
                Err(error) => return Step::Failed(error),
            }
            if !entry.stamp(self) {
                return Step::Waits;
            }
            if entry.reservation.is_none() {
                match entry.growth(self) {
                    Ok(growth) => entry.reservation = self.make_room(growth, Room::Make),
                    Err(error) => return Step::Failed(error),
                }
            }
            if entry.reservation.is_none() {
                return Step::Waits;
            }
            if self.is_null {
                return Step::Commit;
            }
            let writes = entry.to_write(self).into_iter().collect();
            let TryApply::Done(results) = self.store.try_apply(writes) else {
                return Step::Waits;
            };
            let Some(result) = results.into_iter().next() else {
                return Step::Waits;
            };
            match entry.judge(self, result) {
                Judged::Applied => return Step::Commit,
                Judged::Again => {}
                Judged::Failed(error) => return Step::Failed(error),
                Judged::Unknown(error) => return Step::Unknown(error),
            }
        }
    }

    /// Runs writes in a task of the store's own, and waits for it.
    async fn run_apart(
        self: &Arc<Self>,
        entries: Vec<(usize, Entry)>,
        operation: &'static str,
        patience: Arc<Patience>,
    ) -> Result<Vec<(usize, Result1)>, RecordStoreError> {
        let permit = Arc::clone(&self.writes).acquire_owned();
        let late = || {
            self.late(
                operation,
                self.config.put_deadline,
                "other writes to the data store",
            )
        };
        let permit = self
            .tasks
            .inside(patience.wait(permit))
            .await
            .ok_or_else(late)?
            .map_err(|_| self.error(RecordErrorKind::Closed, operation))?;
        let job = Job::new(Arc::clone(self), Ancestry::here(), entries).waiting(patience);
        let task: JoinHandle<_> = self.tasks.spawn(async move {
            let results = job.run().await;
            drop(permit);
            results
        });
        // Who goes away here leaves a task behind that ends the write by itself.
        task.await.map_err(|error| {
            let what = "the task that made the write did not end";
            RecordStoreError::new(RecordErrorKind::OutcomeUnknown, operation, &self.map, what).because(error)
        })
    }

    /// Refuses what cannot be, before anything is done.
    pub(crate) fn check(&self, key: &Key, op: &Op) -> Result<(), RecordStoreError> {
        self.check_open(op.name())?;
        self.check_depth(op).map_err(|error| error.at_key(key))?;
        let most = self.limits.key_bytes;
        if key.as_bytes().len() > most {
            let what = format!("the data store holds keys of up to {most} bytes");
            let kind = RecordErrorKind::TooLarge;
            return Err(RecordStoreError::new(kind, op.name(), &self.map, what).at_key(key));
        }
        Ok(())
    }

    /// Refuses a record that the data store cannot hold, before memory is set aside or the data store is asked.
    pub(crate) fn check_stored_size(
        &self,
        key: &Key,
        record: &Record,
        operation: &'static str,
    ) -> Result<(), RecordStoreError> {
        if self.is_null {
            return Ok(());
        }
        let most = self.limits.record_bytes;
        // What a record takes in memory is counted faster than its bytes.
        let in_memory = usize::try_from(record.cost(key).0).unwrap_or(usize::MAX);
        if codec::most_encoded(in_memory) <= most {
            return Ok(());
        }
        let too_large = |what: String| {
            let kind = RecordErrorKind::TooLarge;
            RecordStoreError::new(kind, operation, &self.map, what).at_key(key)
        };
        match codec::encoded_len(record) {
            Ok(bytes) if bytes <= most => Ok(()),
            Ok(bytes) => Err(too_large(format!(
                "the record takes {bytes} bytes, and the data store holds records of up to {most}: make it smaller"
            ))),
            Err(error) => Err(too_large("the record cannot be encoded".to_owned()).because(error)),
        }
    }
}

enum Step {
    Waits,
    Commit,
    Kept,
    Failed(RecordStoreError),
    Unknown(RecordStoreError),
}

/// Takes what a verb answers out of what was written.
pub(crate) fn outcome<T>(
    written: Written,
    answer: impl FnOnce(&mut Written) -> T,
) -> crate::outcome::Outcome<T> {
    let mut written = written;
    let value = answer(&mut written);
    crate::outcome::Outcome {
        value,
        version: written.version,
        observer_error: written.observer_error,
    }
}
