//! Group commit: the writes of many callers, judged one after another, in one batch with one sync.

use std::collections::{BTreeMap, HashMap};

use layerstore_data_store::{
    ErrorKind, Expect, Floors, Held, Outcome, StoreError, Verdict, Write, WriteResult, judge,
    judge_restatement,
};
use layerstore_kv::{Batch, Durability, KvBackend, KvError, KvErrorKind};
use layerstore_record::codec::CodecError;
use layerstore_record::{Key, MapName, Millis, Version};

use crate::claims::{Claimed, Claims};
use crate::convert::{STORE, from_kv};
use crate::row;

const OPERATION: &str = "apply";

/// The writes of one call, and how they are judged.
pub(crate) struct Call {
    pub(crate) writes: Vec<Write>,
    pub(crate) judge: Judge,
}

/// How a write is judged, by what is held, the floors, its version and what it expects.
pub(crate) type Judge = fn(Option<Held>, Floors, Version, Option<Expect>) -> Verdict;

/// Judges a write that is one.
pub(crate) const AS_WRITE: Judge = judge;

/// Judges a write that restates a record.
pub(crate) const AS_RESTATEMENT: Judge = |held, floors, version, _| judge_restatement(held, floors, version);

/// Makes the writes of several calls with one sync, and answers for each call in the order given.
pub(crate) fn commit(
    kv: &dyn KvBackend,
    claims: &mut Claims,
    now: Millis,
    calls: &[Call],
) -> Vec<Vec<WriteResult>> {
    loop {
        let mut group = Group::new(kv, claims, now);
        let answers = calls
            .iter()
            .map(|call| {
                call.writes
                    .iter()
                    .map(|write| group.stage(write, call.judge))
                    .collect()
            })
            .collect();
        let Staged {
            batch,
            required,
            high_waters,
        } = group.finish();
        match kv.commit(&batch, durability(&batch)) {
            Ok(_) => {
                for (map, version) in high_waters {
                    claims.raise_high_water(&map, version);
                }
                return answers;
            }
            Err(error) if error.kind() == &KvErrorKind::Fenced => {
                // All of the store has another owner now.
                required.iter().for_each(|map| claims.fence(map));
                return in_vain(fail(answers, calls, &error), calls, claims);
            }
            Err(error) => {
                let Some(lost) = lost_map(&error, &required) else {
                    return fail(answers, calls, &error);
                };
                // Another writer has this map now. The others' writes stand: judge again without it.
                claims.fence(lost);
            }
        }
    }
}

struct Group<'a> {
    kv: &'a dyn KvBackend,
    claims: &'a Claims,
    now: Millis,
    batch: Batch,
    /// Maps whose epoch the batch requires, in that order.
    required: Vec<MapName>,
    high_waters: BTreeMap<MapName, Version>,
    /// What keys hold once the batch is committed.
    staged: HashMap<(MapName, Key), Held>,
}

struct Staged {
    batch: Batch,
    required: Vec<MapName>,
    high_waters: BTreeMap<MapName, Version>,
}

impl<'a> Group<'a> {
    fn new(kv: &'a dyn KvBackend, claims: &'a Claims, now: Millis) -> Self {
        Self {
            kv,
            claims,
            now,
            batch: Batch::new(),
            required: Vec::new(),
            high_waters: BTreeMap::new(),
            staged: HashMap::new(),
        }
    }

    fn stage(&mut self, write: &Write, judge: Judge) -> WriteResult {
        match self.try_stage(write, judge) {
            Ok(verdict) => verdict.into_result(write, STORE),
            Err(error) => WriteResult::Rejected(error.in_map(&write.map).at_key(&write.key)),
        }
    }

    fn try_stage(&mut self, write: &Write, judge: Judge) -> Result<Verdict, StoreError> {
        let claimed = self.claims.get(OPERATION, &write.map)?;
        // Also where the verdict is to do nothing: a fenced-out writer must be told so, not that it is stale.
        if !self.required.contains(&write.map) {
            claimed.require(&mut self.batch, &write.map);
            self.required.push(write.map.clone());
        }
        let held = self.held(claimed, write)?;
        let verdict = judge(held, claimed.floors, write.version(), write.expect);
        if verdict.is_apply() {
            self.put(claimed, write)?;
        }
        Ok(verdict)
    }

    fn held(&self, claimed: &Claimed, write: &Write) -> Result<Option<Held>, StoreError> {
        let place = (write.map.clone(), write.key.clone());
        if let Some(held) = self.staged.get(&place) {
            return Ok(Some(*held));
        }
        let row = self.kv.get(&claimed.keyspace, write.key.as_bytes());
        let row = row.map_err(|error| from_kv(OPERATION, error).in_map(&write.map).at_key(&write.key))?;
        let Some(row) = row else { return Ok(None) };
        let record = row::decode(OPERATION, &write.map, &write.key, &row)?;
        Ok(Some(Held::of(&record, self.now)))
    }

    fn put(&mut self, claimed: &Claimed, write: &Write) -> Result<(), StoreError> {
        let row = row::encode(&write.record).map_err(|error| refuse(write, error))?;
        self.batch.put(&claimed.keyspace, write.key.as_bytes(), row);
        self.staged.insert(
            (write.map.clone(), write.key.clone()),
            Held::of(&write.record, self.now),
        );
        let high_water = self
            .high_waters
            .entry(write.map.clone())
            .or_insert(claimed.high_water);
        *high_water = (*high_water).max(write.version());
        Ok(())
    }

    fn finish(mut self) -> Staged {
        for (map, version) in &self.high_waters {
            Claimed::put_high_water(&mut self.batch, map, *version);
        }
        Staged {
            batch: self.batch,
            required: self.required,
            high_waters: self.high_waters,
        }
    }
}

fn refuse(write: &Write, error: CodecError) -> StoreError {
    let kind = match error {
        CodecError::TooLarge { .. } => ErrorKind::TooLarge,
        _ => ErrorKind::Rejected,
    };
    let refused =
        StoreError::new(kind, STORE, OPERATION, "the record cannot be stored as it is").because(error);
    refused.in_map(&write.map).at_key(&write.key)
}

/// A batch that writes nothing is there to check the epochs; what its answers speak of is durable already.
fn durability(batch: &Batch) -> Durability {
    if batch.is_empty() {
        Durability::Buffered
    } else {
        Durability::Sync
    }
}

fn lost_map<'a>(error: &KvError, required: &'a [MapName]) -> Option<&'a MapName> {
    match error.kind() {
        KvErrorKind::PreconditionFailed { index } => required.get(*index),
        _ => None,
    }
}

/// Nothing of the batch is acknowledged: each answer that rests on it becomes the error.
fn fail(answers: Vec<Vec<WriteResult>>, calls: &[Call], error: &KvError) -> Vec<Vec<WriteResult>> {
    let fail_one = |(answer, write): (WriteResult, &Write)| match answer {
        WriteResult::Rejected(_) => answer,
        _ => WriteResult::Rejected(commit_error(error).in_map(&write.map).at_key(&write.key)),
    };
    answers
        .into_iter()
        .zip(calls)
        .map(|(answers, call)| answers.into_iter().zip(&call.writes).map(fail_one).collect())
        .collect()
}

/// What was refused for a reason of its own is refused as a write of a fenced writer, which it is.
fn in_vain(answers: Vec<Vec<WriteResult>>, calls: &[Call], claims: &Claims) -> Vec<Vec<WriteResult>> {
    let tell = |(answer, write): (WriteResult, &Write)| match answer {
        WriteResult::Rejected(error) if error.outcome() == Outcome::NotApplied => {
            let known = claims.get(OPERATION, &write.map).map(drop);
            let why = known.err().map_or(error, |error| error.at_key(&write.key));
            WriteResult::Rejected(why)
        }
        answer => answer,
    };
    answers
        .into_iter()
        .zip(calls)
        .map(|(answers, call)| answers.into_iter().zip(&call.writes).map(tell).collect())
        .collect()
}

/// A copy of a commit's error for each of its writes. The cause is shown in the text: it cannot be shared.
fn commit_error(error: &KvError) -> StoreError {
    let mut copy = KvError::new(error.kind().clone(), error.operation());
    if error.outcome() == layerstore_kv::Outcome::Unknown {
        copy = copy.outcome_unknown();
    }
    if let Some(cause) = std::error::Error::source(error) {
        copy = copy.caused_by(cause.to_string());
    }
    from_kv(OPERATION, copy)
}
