//! A client in a process of a history: says what it is about to ask, asks, and says what it was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use layerstore::{
    Compute, Error, Key, NewValue, Outcome, Record, RecordErrorKind, Records, Value, Version, WriteOptions,
};
use layerstore_testkit::killed;
use layerstore_testkit::linearizability::Register;

use crate::line::{Answer, Line, Told, Verb, tick};

/// Few, so that calls of different clients meet.
const KEYS: u64 = 4;

/// Clients beside each other.
pub(crate) const CLIENTS: u64 = 8;

/// More calls than a client makes in a process.
const MOST_CALLS: u64 = 1_000_000;

/// One task of a process.
pub(crate) struct Client {
    records: Records,
    rng: Rng,
    /// Which of the clients of all processes of the history it is.
    id: u64,
    /// How many calls it has made.
    made: u64,
    /// The newest version of each key that it knows, with its number, for `replace`.
    last: HashMap<u64, (u64, Version)>,
}

impl Client {
    pub(crate) fn new(records: &Records, rng: Rng, run: u64, client: u64) -> Self {
        Self {
            records: records.clone(),
            rng,
            id: run * CLIENTS + client,
            made: 0,
            last: HashMap::new(),
        }
    }

    /// Makes so many calls.
    pub(crate) async fn run(mut self, calls: u64) {
        for _ in 0..calls {
            let index = self.rng.u64(..KEYS);
            // What is not in memory is read from what is pending, or from the store.
            if self.rng.u8(..8) == 0 {
                self.records.evict(&key(index)).await.expect("a key's turn");
            }
            let verb = self.choose(index);
            self.call(index, verb).await;
        }
    }

    /// Reads every key: as it is, and without memory.
    pub(crate) async fn read_all(&mut self) {
        for index in 0..KEYS {
            self.call(index, Verb::Get).await;
            self.records.evict(&key(index)).await.expect("a key's turn");
            self.call(index, Verb::Get).await;
        }
    }

    fn choose(&mut self, index: u64) -> Verb {
        let put = 2 * self.next() + self.rng.u64(..2);
        match (self.rng.u8(..24), self.last.get(&index)) {
            (0..=5, _) => Verb::Get,
            (6, _) => Verb::Contains,
            (7..=10, _) => Verb::Set(put),
            (11..=13, _) => Verb::Put(put),
            (14..=16, _) => Verb::PutIfAbsent(put),
            (17..=19, Some(&(expected, _))) => Verb::Replace { expected, put },
            (20 | 21, _) => Verb::Remove,
            _ => Verb::Toggle(put),
        }
    }

    /// A number that no other call of the history has.
    fn next(&mut self) -> u64 {
        self.made += 1;
        self.id * MOST_CALLS + self.made
    }

    async fn call(&mut self, index: u64, verb: Verb) {
        let call = self.next();
        let asked = Line::Asked {
            call,
            key: index,
            verb,
        };
        killed::tell(asked);
        let answer = self.make(index, verb).await;
        killed::tell(Line::Answered { call, answer });
    }

    async fn make(&mut self, index: u64, verb: Verb) -> Answer {
        let (records, key, options) = (self.records.clone(), key(index), WriteOptions::unlimited());
        match verb {
            Verb::Get => {
                let found = records.get(&key).await.expect("a read");
                self.found(index, found.as_deref(), None)
            }
            Verb::Contains => {
                let is_there = records.contains(&key).await.expect("a read");
                answer(Told::Present(is_there), None)
            }
            Verb::Set(number) => {
                let set = records.set(&key, number.into(), &options).await.expect("a write");
                self.done(index, number, &set)
            }
            Verb::Put(number) => {
                let put = records.put(&key, number.into(), &options).await.expect("a write");
                self.found(index, put.value.as_deref(), put.version)
            }
            Verb::PutIfAbsent(number) => {
                let put = records.put_if_absent(&key, number.into(), &options).await;
                let put = put.expect("a write");
                self.found(index, put.value.as_deref(), put.version)
            }
            Verb::Replace { put, .. } => {
                let expected = self.last.get(&index).map_or(Version::ZERO, |(_, at)| *at);
                match records.replace(&key, expected, put.into(), &options).await {
                    Ok(replaced) => self.done(index, put, &replaced),
                    Err(Error::Records(error)) if error.kind() == RecordErrorKind::Conflict => {
                        answer(Told::Refused, None)
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Verb::Remove => {
                let removed = records.remove(&key).await.expect("a removal");
                self.found(index, removed.value.as_deref(), removed.version)
            }
            Verb::Toggle(number) => {
                let seen: Arc<Mutex<Option<Arc<Record>>>> = Arc::default();
                let note = Arc::clone(&seen);
                let toggle = move |found: Option<&Arc<Record>>| {
                    *note.lock().expect("nobody panics with it") = found.cloned();
                    match Register::toggled(found.map(|found| number_of(found)), number) {
                        Some(new) => Compute::Put(NewValue::from(new)),
                        None => Compute::Remove,
                    }
                };
                let computed = records.compute(&key, toggle).await.expect("a write");
                let seen = seen.lock().expect("nobody panics with it").take();
                self.found(index, seen.as_deref(), computed.version)
            }
        }
    }

    fn done(&mut self, index: u64, number: u64, outcome: &Outcome<()>) -> Answer {
        if let Some(version) = outcome.version {
            self.last.insert(index, (number, version));
        }
        answer(Told::Done, outcome.version)
    }

    fn found(&mut self, index: u64, found: Option<&Record>, version: Option<Version>) -> Answer {
        let number = found.map(number_of);
        if let (Some(record), Some(number)) = (found, number) {
            self.last.insert(index, (number, record.version()));
        }
        Answer {
            found_at: found.map(|found| tick(found.version())),
            ..answer(Told::Found(number), version)
        }
    }
}

fn answer(told: Told, version: Option<Version>) -> Answer {
    Answer {
        told,
        found_at: None,
        version: version.map(tick),
    }
}

fn key(index: u64) -> Key {
    Key::new(format!("key:{index}")).expect("a short key")
}

fn number_of(record: &Record) -> u64 {
    match record.value().value().map(|value| &**value) {
        Some(Value::U64(number)) => *number,
        other => panic!("a record holds {other:?}, which nobody wrote"),
    }
}
