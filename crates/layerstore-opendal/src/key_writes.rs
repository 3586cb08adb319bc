//! The writes of one key in a group: judged one after another, made as one object on the condition of what was judged.

use std::sync::Arc;

use layerstore_data_store::{
    ErrorKind, Floors, Held, StoreError, Verdict, Write, WriteResult, judge, judge_restatement,
};
use layerstore_record::codec::{self, CodecError};
use layerstore_record::{Key, MapName};

use crate::bucket::{Condition, Found, Put, Tag};
use crate::convert::{STORE, from_opendal};
use crate::held::{Known, Place};
use crate::object::{Stamp, decode_at, encode, stamp_of};
use crate::path::record_path;
use crate::shared::Shared;
use crate::turn::fenced;

pub(crate) const OPERATION: &str = "apply";

/// How often a key is judged anew when its object was not what it was taken for.
const TRIES: usize = 16;

/// By which rules writes are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// As new versions.
    Write,
    /// As other forms of the versions that are held.
    Restatement,
}

/// The writes of one key, in their order.
pub(crate) struct KeyWrites {
    pub(crate) rules: Rules,
    pub(crate) map: MapName,
    pub(crate) key: Key,
    /// Each with the place of its answer.
    pub(crate) writes: Vec<(usize, Write)>,
    /// What the object is taken to hold.
    pub(crate) known: Option<Known>,
    /// Whether that is a guess: nobody has looked.
    pub(crate) is_guess: bool,
}

/// What became of them.
pub(crate) struct KeyAnswers {
    pub(crate) key: Key,
    pub(crate) answers: Vec<(usize, WriteResult)>,
    pub(crate) after: After,
    /// Whether the key was new, where that had to be found out.
    pub(crate) was_new: Option<bool>,
}

/// What is known of the key's object afterwards.
pub(crate) enum After {
    /// It was looked at, and left as it was.
    Seen(Known),
    /// It was written: nothing that was under way before can arrive any more.
    Written(Known),
    Unknown,
    /// A write may still arrive.
    Unresolved,
    /// An object of a later claim is there.
    Fenced,
}

/// How an attempt to make a key's object ended.
enum Made {
    Done(Option<Tag>),
    /// Something else is there.
    Other(Known),
    Fenced,
    Unresolved(StoreError),
}

impl KeyWrites {
    /// Judges and makes them.
    pub(crate) async fn run(mut self, shared: Arc<Shared>, stamp: Stamp, floors: Floors) -> KeyAnswers {
        let mut answers = Vec::with_capacity(self.writes.len());
        let bodies = self.encode(&mut answers);
        let mut was_new = None;
        let after = self
            .attempt(&shared, (stamp, floors), &bodies, &mut answers, &mut was_new)
            .await;
        KeyAnswers {
            key: self.key,
            answers,
            after,
            was_new,
        }
    }

    /// Encodes what can be; the others are answered at once.
    fn encode(&mut self, answers: &mut Vec<(usize, WriteResult)>) -> Vec<Vec<u8>> {
        let mut bodies = Vec::with_capacity(self.writes.len());
        self.writes
            .retain(|(place, write)| match codec::encode_record(&write.record) {
                Ok(body) => {
                    bodies.push(body);
                    true
                }
                Err(error) => {
                    answers.push((*place, WriteResult::Rejected(refuse(write, error))));
                    false
                }
            });
        bodies
    }

    async fn attempt(
        &mut self,
        shared: &Shared,
        (stamp, floors): (Stamp, Floors),
        bodies: &[Vec<u8>],
        answers: &mut Vec<(usize, WriteResult)>,
        was_new: &mut Option<bool>,
    ) -> After {
        let path = record_path(&self.map, &self.key);
        for _ in 0..TRIES {
            let known = match self.known.take() {
                Some(known) => known,
                None => match self.look(shared, &path, stamp).await {
                    Ok(known) => {
                        *was_new = Some(known.is_empty());
                        known
                    }
                    Err(error) => {
                        let after = self.fail(&error, answers);
                        let is_fenced = error.kind() == ErrorKind::Fenced;
                        return if is_fenced { After::Fenced } else { after };
                    }
                },
            };
            let (verdicts, last) = self.judge(shared, floors, &known);
            if self.is_guess && !verdicts.iter().all(|verdict| verdict.is_apply()) {
                // A refusal is told only by what is known.
                self.is_guess = false;
                continue;
            }
            let Some((last, body)) = last.and_then(|last| Some((last, bodies.get(last)?))) else {
                self.answer(verdicts, answers);
                return After::Seen(known);
            };
            match self.make(shared, stamp, &path, &known, encode(stamp, body)).await {
                Made::Done(tag) => {
                    if self.is_guess {
                        *was_new = Some(true);
                    }
                    let written = self.writes.get(last);
                    let after = written.map_or(After::Unknown, |(_, write)| {
                        After::Written(Known::written(tag, &write.record))
                    });
                    self.answer(verdicts, answers);
                    return after;
                }
                Made::Other(found) => {
                    if std::mem::take(&mut self.is_guess) {
                        *was_new = Some(found.is_empty());
                    }
                    self.known = Some(found);
                }
                Made::Fenced => {
                    self.fail(&fenced(OPERATION, &self.map), answers);
                    return After::Fenced;
                }
                Made::Unresolved(error) => {
                    self.leave_open(&verdicts, &error, answers);
                    return After::Unresolved;
                }
            }
        }
        let what = "a key keeps changing: is another writer at work that knows no claims?";
        self.fail(
            &StoreError::new(ErrorKind::Unavailable, STORE, OPERATION, what),
            answers,
        )
    }

    async fn look(&self, shared: &Shared, path: &str, stamp: Stamp) -> Result<Known, StoreError> {
        let found = shared.bucket.get(path).await;
        let found = found.map_err(|error| from_opendal(OPERATION, error))?;
        self.known_by(found, stamp)
    }

    fn known_by(&self, found: Option<Found>, stamp: Stamp) -> Result<Known, StoreError> {
        let Some(found) = found else {
            return Ok(Known::EMPTY);
        };
        let object = decode_at(OPERATION, &self.map, &self.key, &found.bytes)?;
        // A later claim has settled the key already: a write on the condition of what it left would be made.
        if object.stamp.epoch > stamp.epoch {
            return Err(fenced(OPERATION, &self.map));
        }
        Ok(Known::of(found.into_tag(), &object))
    }

    /// Judges the writes one after another; tells which of them the key holds in the end, if any.
    fn judge(&self, shared: &Shared, floors: Floors, known: &Known) -> (Vec<Verdict>, Option<usize>) {
        let now = shared.now();
        let (mut held, mut last) = (known.held(now), None);
        let judged = self.writes.iter().enumerate().map(|(at, (_, write))| {
            let verdict = match self.rules {
                Rules::Write => judge(held, floors, write.version(), write.expect),
                Rules::Restatement => judge_restatement(held, floors, write.version()),
            };
            if verdict.is_apply() {
                held = Some(Held::of(&write.record, now));
                last = Some(at);
            }
            verdict
        });
        let verdicts = judged.collect();
        (verdicts, last)
    }

    async fn make(&self, shared: &Shared, stamp: Stamp, path: &str, known: &Known, bytes: Vec<u8>) -> Made {
        let condition = match &known.place {
            Place::Empty => Condition::Absent,
            Place::Taken(tag) => Condition::Unchanged(tag.as_ref()),
        };
        let put = shared.bucket.put(path, bytes.clone(), condition).await;
        let failure = match put {
            Ok(Put::Done(tag)) => return Made::Done(tag),
            Ok(Put::Refused) => None,
            Err(error) => Some(from_opendal(OPERATION, error)),
        };
        // An earlier try of this very write may have been made: what is there tells.
        match (shared.bucket.get(path).await, failure) {
            (Ok(Some(found)), _) if found.bytes == bytes => Made::Done(found.into_tag()),
            (Ok(Some(found)), _) if stamp_of(&found.bytes).is_ok_and(|by| by.epoch > stamp.epoch) => {
                Made::Fenced
            }
            // It did not arrive, and never will: its condition does not hold.
            (Ok(found), None) => match self.known_by(found, stamp) {
                Ok(known) => Made::Other(known),
                Err(error) => Made::Unresolved(error),
            },
            // It did not arrive yet.
            (Ok(_), Some(error)) => Made::Unresolved(error),
            (Err(error), _) => Made::Unresolved(from_opendal(OPERATION, error)),
        }
    }

    fn answer(&self, verdicts: Vec<Verdict>, answers: &mut Vec<(usize, WriteResult)>) {
        let judged = self.writes.iter().zip(verdicts);
        answers.extend(judged.map(|((place, write), verdict)| (*place, verdict.into_result(write, STORE))));
    }

    /// Answers that nothing was done.
    fn fail(&self, error: &StoreError, answers: &mut Vec<(usize, WriteResult)>) -> After {
        let failed = self.writes.iter().map(|(place, write)| {
            let error = error.clone().in_map(&write.map).at_key(&write.key);
            (*place, WriteResult::Rejected(error))
        });
        answers.extend(failed);
        After::Unknown
    }

    /// Answers where nobody knows whether the object arrives: what was judged before it stands, the rest is open.
    fn leave_open(&self, verdicts: &[Verdict], error: &StoreError, answers: &mut Vec<(usize, WriteResult)>) {
        let first = verdicts
            .iter()
            .position(|verdict| verdict.is_apply())
            .unwrap_or(0);
        let judged = self.writes.iter().zip(verdicts).enumerate();
        answers.extend(judged.map(|(at, ((place, write), verdict))| {
            let answer = if at < first {
                verdict.into_result(write, STORE)
            } else {
                let error = error.clone().with_unknown_outcome();
                WriteResult::Rejected(error.in_map(&write.map).at_key(&write.key))
            };
            (*place, answer)
        }));
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
