//! What one key of a record store does when calls come one after the other.
//!
//! A record may end between any two calls: whether a call finds it depends on what the clock showed between the call's
//! start and its end, which the call notes. A call of unknown outcome leaves two possibilities, of which later calls drop
//! the one that they contradict. The versions of writes rise in the order of the calls.

use std::collections::BTreeSet;

use layerstore_record::{Millis, Version};
use layerstore_testkit::linearizability::{Model, Register};

use crate::facts::Facts;

/// The sequential record store, for histories of these writes.
pub(crate) struct RecordModel {
    pub(crate) facts: Facts,
}

/// What is asked of a key. Every write has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `get`, `get_all`, `load`, `read`
    Get,
    Contains,
    /// `set`, `try_set`, `put_all`
    Set(u64),
    Put(u64),
    PutIfAbsent(u64),
    /// Replaces the version with which `expected` was written.
    Replace {
        expected: u64,
        put: u64,
    },
    /// `remove`, `remove_all`
    Remove,
    /// `compute`: as [`Register::toggled`]
    Toggle(u64),
    /// `delete_all`
    Clear,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// What is there, or was there before the write.
    Found(Option<u64>),
    Present(bool),
    /// It is done.
    Done,
    /// Another version is there.
    Refused,
    /// An error that says that nothing was done.
    Failed,
    /// An error that says that nobody knows.
    Unknown,
}

/// An answer, and what the clock showed when the call began and when it had ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) told: Told,
    pub(crate) version: Option<Version>,
    pub(crate) from: Millis,
    pub(crate) to: Millis,
}

/// What a key may hold, ended or not, and the highest version that it is known to have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    number: Option<u64>,
    version: Version,
}

/// What a verb does to a key in which it sees something.
enum Effect {
    Keep,
    Write(Option<u64>),
}

impl Verb {
    /// The number that the verb may write.
    pub(crate) fn writes(self) -> Option<u64> {
        match self {
            Self::Set(number) | Self::Put(number) | Self::PutIfAbsent(number) | Self::Toggle(number) => {
                Some(number)
            }
            Self::Replace { put, .. } => Some(put),
            Self::Get | Self::Contains | Self::Remove | Self::Clear => None,
        }
    }

    /// Tells whether the verb may leave nothing behind.
    pub(crate) fn may_remove(self) -> bool {
        matches!(self, Self::Remove | Self::Toggle(_) | Self::Clear)
    }

    fn answer(self, seen: Option<u64>) -> (Told, Effect) {
        let found = Told::Found(seen);
        match self {
            Self::Get => (found, Effect::Keep),
            Self::Contains => (Told::Present(seen.is_some()), Effect::Keep),
            Self::Set(number) => (Told::Done, Effect::Write(Some(number))),
            Self::Put(number) => (found, Effect::Write(Some(number))),
            Self::PutIfAbsent(number) if seen.is_none() => (found, Effect::Write(Some(number))),
            Self::PutIfAbsent(_) => (found, Effect::Keep),
            Self::Replace { expected, put } if seen == Some(expected) => {
                (Told::Done, Effect::Write(Some(put)))
            }
            Self::Replace { .. } => (Told::Refused, Effect::Keep),
            Self::Remove if seen.is_none() => (found, Effect::Keep),
            Self::Remove => (found, Effect::Write(None)),
            Self::Toggle(number) => (found, Effect::Write(Register::toggled(seen, number))),
            Self::Clear => (Told::Done, Effect::Write(None)),
        }
    }
}

impl RecordModel {
    /// What a call may see of what is held, by what the clock showed during the call.
    fn views(&self, held: Held, answer: &Answer) -> impl Iterator<Item = Option<u64>> {
        let ends = held.number.and_then(|number| self.facts.ends(number));
        let lives = ends.is_none_or(|(_, latest)| answer.from < latest);
        let ended = ends.is_some_and(|(earliest, _)| earliest <= answer.to);
        let live = lives.then_some(held.number);
        let gone = ended.then_some(None);
        live.into_iter().chain(gone)
    }

    /// What is held after a call that saw `seen`; nothing if the answer does not fit.
    fn follow(&self, held: Held, seen: Option<u64>, verb: Verb, answer: &Answer) -> Vec<Held> {
        let (told, effect) = match (verb, verb.answer(seen)) {
            // A removal that finds nothing leaves a tombstone where a write of unknown outcome may still land.
            (Verb::Remove, (told, Effect::Keep)) if answer.version.is_some() => (told, Effect::Write(None)),
            (_, answered) => answered,
        };
        match (answer.told, effect) {
            (Told::Failed, _) => vec![held],
            (Told::Unknown, Effect::Keep) => vec![held],
            (Told::Unknown, Effect::Write(number)) => {
                let known = number.and_then(|number| self.facts.version(number));
                let version = known.unwrap_or(held.version);
                let rises = known.is_none_or(|known| known > held.version);
                let written = rises.then_some(Held { number, version });
                [Some(held), written].into_iter().flatten().collect()
            }
            (answered, Effect::Keep) if answered == told && answer.version.is_none() => vec![held],
            // Where a write of unknown outcome may be on its way, a removal that finds nothing leaves a tombstone.
            (answered, Effect::Keep) if answered == told && self.may_fence(verb, seen) => {
                self.written(held, None, answer)
            }
            (answered, Effect::Write(number)) if answered == told => self.written(held, number, answer),
            _ => Vec::new(),
        }
    }

    fn may_fence(&self, verb: Verb, seen: Option<u64>) -> bool {
        verb == Verb::Remove && seen.is_none() && self.facts.has_unknown()
    }

    /// What is held after an acknowledged write, whose version must be above the one before.
    fn written(&self, held: Held, number: Option<u64>, answer: &Answer) -> Vec<Held> {
        let rises = answer.version.filter(|version| *version > held.version);
        let written = rises.map(|version| Held { number, version });
        written.into_iter().collect()
    }
}

impl Model for RecordModel {
    type State = BTreeSet<Held>;
    type Op = Verb;
    type Output = Answer;

    fn initial(&self) -> BTreeSet<Held> {
        let nothing = Held {
            number: None,
            version: Version::ZERO,
        };
        BTreeSet::from([nothing])
    }

    fn apply(&self, state: &BTreeSet<Held>, verb: &Verb, answer: Option<&Answer>) -> Option<BTreeSet<Held>> {
        // Every call of these histories is ended, those of unknown outcome included.
        let answer = answer?;
        let mut next = BTreeSet::new();
        for held in state {
            for seen in self.views(*held, answer) {
                next.extend(self.follow(*held, seen, *verb, answer));
            }
        }
        (!next.is_empty()).then_some(next)
    }
}
