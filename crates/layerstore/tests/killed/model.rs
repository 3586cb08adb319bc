//! What one key does when calls come one after the other.

use std::collections::BTreeMap;

use layerstore_testkit::linearizability::{Model, Register};

use crate::line::{Answer, Tick, Told, Verb};

/// The sequential store, for a history in which these numbers were shown or acknowledged with these versions.
///
/// A call that a kill cut off has no answer; whether it happened, its number tells if anybody ever saw that.
#[derive(Debug, Default)]
pub(crate) struct StoreModel {
    pub(crate) versions: BTreeMap<u64, Tick>,
}

/// What a key holds, and the highest version that it is known to have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    number: Option<u64>,
    version: Tick,
}

/// What a verb does to a key.
enum Effect {
    Keep,
    Write(Option<u64>),
}

impl Verb {
    fn answer(self, held: Option<u64>) -> (Told, Effect) {
        let found = Told::Found(held);
        match self {
            Self::Get => (found, Effect::Keep),
            Self::Contains => (Told::Present(held.is_some()), Effect::Keep),
            Self::Set(number) => (Told::Done, Effect::Write(Some(number))),
            Self::Put(number) => (found, Effect::Write(Some(number))),
            Self::PutIfAbsent(number) if held.is_none() => (found, Effect::Write(Some(number))),
            Self::PutIfAbsent(_) => (found, Effect::Keep),
            Self::Replace { expected, put } if held == Some(expected) => {
                (Told::Done, Effect::Write(Some(put)))
            }
            Self::Replace { .. } => (Told::Refused, Effect::Keep),
            Self::Remove if held.is_none() => (found, Effect::Keep),
            Self::Remove => (found, Effect::Write(None)),
            Self::Toggle(number) => (found, Effect::Write(Register::toggled(held, number))),
        }
    }
}

impl StoreModel {
    /// What is held after a call that was cut off and that happened.
    fn happened(&self, held: &Held, effect: &Effect) -> Option<Held> {
        let Effect::Write(number) = *effect else {
            return Some(*held);
        };
        let known = number.and_then(|number| self.versions.get(&number));
        let version = *known.unwrap_or(&held.version);
        let rises = known.is_none() || version > held.version;
        rises.then_some(Held { number, version })
    }
}

impl Held {
    /// What is held after an acknowledged write, whose version must be above the one before.
    fn written(&self, number: Option<u64>, version: Option<Tick>) -> Option<Self> {
        let version = version.filter(|version| *version > self.version)?;
        Some(Self { number, version })
    }
}

impl Model for StoreModel {
    type State = Held;
    type Op = Verb;
    type Output = Answer;

    fn initial(&self) -> Held {
        Held {
            number: None,
            version: (0, 0),
        }
    }

    fn apply(&self, held: &Held, verb: &Verb, answer: Option<&Answer>) -> Option<Held> {
        let (told, effect) = verb.answer(held.number);
        let Some(answer) = answer else {
            return self.happened(held, &effect);
        };
        if told != answer.told {
            return None;
        }
        match effect {
            Effect::Write(number) => held.written(number, answer.version),
            Effect::Keep if answer.version.is_none() => Some(*held),
            // A removal that finds nothing may leave a tombstone all the same.
            Effect::Keep if *verb == Verb::Remove => held.written(None, answer.version),
            Effect::Keep => None,
        }
    }
}
