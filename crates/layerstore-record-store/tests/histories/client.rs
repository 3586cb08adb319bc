//! A client of a history: calls, and notes what it asked and what it was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use layerstore_record::{Key, Millis, Record, Version};
use layerstore_record_store::{
    Compute, Outcome, RecordErrorKind, RecordStore, RecordStoreError, TryGet, TrySet, WriteOptions,
};
use layerstore_testkit::linearizability::{OpenCall, Recorder, Register};
use layerstore_testkit::records::key;

use crate::facts::Noted;
use crate::model::{Answer, Told, Verb};
use crate::stage::{STAMPS, Stage, number};

/// Few, so that calls of different clients meet.
pub(crate) const KEYS: u64 = 4;

/// The keys from here on have records that end.
const ENDING: u64 = KEYS / 2;

/// The longest time to live, in milliseconds.
const LONGEST: u64 = 6;

/// One task of a history.
pub(crate) struct Client {
    stage: Arc<Stage>,
    rng: Rng,
    id: u64,
    clients: u64,
    /// How many calls were made.
    made: u64,
    pub(crate) recorder: Recorder<'static, u64, Verb, Answer>,
    /// The records that it was shown.
    pub(crate) shown: Vec<Arc<Record>>,
    pub(crate) noted: Vec<Noted>,
    /// The keys and versions of its acknowledged writes but clears.
    pub(crate) acknowledged: Vec<(u64, Version)>,
    pub(crate) clears: usize,
    /// The keys from which an unknown outcome may have removed something.
    pub(crate) maybe_removed: Vec<u64>,
    /// The version of each key that it knows, for `replace`.
    last: HashMap<u64, (u64, Version)>,
}

/// A call that was made, of one of the keys that it concerns.
type Result1 = (Told, Option<Version>);

impl Client {
    pub(crate) fn new(stage: &Arc<Stage>, rng: Rng, id: u64, clients: u64) -> Self {
        Self {
            stage: Arc::clone(stage),
            rng,
            id,
            clients,
            made: 0,
            recorder: Recorder::new(&STAMPS),
            shown: Vec::new(),
            noted: Vec::new(),
            acknowledged: Vec::new(),
            clears: 0,
            maybe_removed: Vec::new(),
            last: HashMap::new(),
        }
    }

    pub(crate) async fn run(mut self, calls: u64) -> Self {
        for _ in 0..calls {
            match self.rng.u16(..300) {
                0 => self.clear().await,
                1..=20 => self.set_all().await,
                21..=30 => self.remove_all().await,
                _ => {
                    let index = self.rng.u64(..KEYS);
                    let verb = self.choose(index);
                    self.one(index, verb).await;
                }
            }
        }
        self
    }

    /// Reads every key: once as it is, once from the data store alone.
    pub(crate) async fn read_all(mut self) -> Self {
        for index in 0..KEYS {
            self.one(index, Verb::Get).await;
            self.stage.store.evict(&key(index)).await.unwrap();
            self.one(index, Verb::Get).await;
        }
        self
    }

    /// A number that no other call of the history has, odd or even.
    fn next(&mut self) -> u64 {
        self.made += 1;
        2 * (self.made * self.clients + self.id) + self.rng.u64(..2)
    }

    fn choose(&mut self, index: u64) -> Verb {
        let put = self.next();
        match (self.rng.u8(..24), self.last.get(&index)) {
            (0..=8, _) => Verb::Get,
            (9, _) => Verb::Contains,
            (10..=12, _) => Verb::Set(put),
            (13..=15, _) => Verb::Put(put),
            (16 | 17, _) => Verb::PutIfAbsent(put),
            (18 | 19, Some(&(expected, _))) => Verb::Replace { expected, put },
            (20 | 21, _) => Verb::Remove,
            _ => Verb::Toggle(put),
        }
    }

    fn options(&mut self, index: u64) -> (WriteOptions, Option<u64>) {
        if index < ENDING {
            return (WriteOptions::unlimited(), None);
        }
        let ttl = self.rng.u64(1..=LONGEST);
        (WriteOptions::new().ttl(Duration::from_millis(ttl)), Some(ttl))
    }

    async fn one(&mut self, index: u64, verb: Verb) {
        let (options, ttl) = self.options(index);
        let open = self.recorder.start(index, verb);
        let from = self.now();
        let result = self.make(index, verb, &options).await;
        let to = self.now();
        self.end(open, (index, verb), result, ttl, (from, to));
    }

    /// Makes one call that concerns several keys, each of which judges it by itself.
    async fn several(&mut self, verbs: Vec<(u64, Verb)>, how: Several) {
        // One time to live for all of them: a batch has one set of options.
        let (options, ttl) = self.options(verbs[0].0);
        let (keys, opens): (Vec<Key>, Vec<_>) = verbs
            .iter()
            .map(|(index, verb)| (key(*index), self.recorder.start(*index, *verb)))
            .unzip();
        let from = self.now();
        let store = &self.stage.store;
        let results: Vec<Result1> = match how {
            Several::Set => {
                let number = |verb: &Verb| verb.writes().unwrap_or_default();
                let numbers = verbs.iter().map(|(_, verb)| number(verb).into());
                let records = keys.into_iter().zip(numbers).collect();
                let results = store.put_all(records, &options).await;
                results
                    .into_iter()
                    .map(|result| judge(result, |()| Told::Done))
                    .collect()
            }
            Several::Remove => {
                let results = store.remove_all(&keys).await;
                let shown = &mut self.shown;
                results
                    .into_iter()
                    .map(|result| judge(result, |found| look(shown, found)))
                    .collect()
            }
            Several::Clear => {
                let result = judge(store.delete_all().await, |_| Told::Done);
                vec![result; keys.len()]
            }
        };
        let to = self.now();
        for (((index, verb), open), result) in verbs.into_iter().zip(opens).zip(results) {
            self.end(open, (index, verb), result, ttl, (from, to));
        }
    }

    async fn set_all(&mut self) {
        // Records that end do not share a batch with those that do not.
        let first = if self.rng.bool() { 0 } else { ENDING };
        let verbs = (first..first + ENDING).map(|index| (index, Verb::Set(self.next())));
        let verbs = verbs.collect();
        self.several(verbs, Several::Set).await;
    }

    async fn remove_all(&mut self) {
        let first = self.rng.u64(..KEYS - 1);
        let verbs = vec![(first, Verb::Remove), (first + 1, Verb::Remove)];
        self.several(verbs, Several::Remove).await;
    }

    async fn clear(&mut self) {
        let verbs = (0..KEYS).map(|index| (index, Verb::Clear)).collect();
        self.several(verbs, Several::Clear).await;
    }

    async fn make(&mut self, index: u64, verb: Verb, options: &WriteOptions) -> Result1 {
        let (stage, key) = (Arc::clone(&self.stage), key(index));
        let (store, shown) = (&stage.store, &mut self.shown);
        match verb {
            Verb::Get => {
                let read = match self.rng.u8(..8) {
                    0 => store.load(&key).await,
                    1 => {
                        let other = layerstore_testkit::records::key((index + 1) % KEYS);
                        let found = store.get_all(&[other, key]).await;
                        found.map(|mut found| found.pop().flatten())
                    }
                    2 => read_in_place(&stage, &key).await,
                    _ => store.get(&key).await,
                };
                (
                    read.map_or_else(|error| failure(&error), |found| look(shown, found)),
                    None,
                )
            }
            Verb::Contains => {
                let there = store.contains(&key).await;
                (there.map_or_else(|error| failure(&error), Told::Present), None)
            }
            Verb::Set(number) => {
                let set = match self
                    .rng
                    .bool()
                    .then(|| store.try_set(&key, number.into(), options))
                {
                    Some(Ok(TrySet::Done(outcome))) => Ok(outcome),
                    Some(Err(error)) => Err(error),
                    None | Some(Ok(TrySet::NeedsIo(_))) => store.set(&key, number.into(), options).await,
                };
                judge(set, |()| Told::Done)
            }
            Verb::Put(number) => {
                let put = store.put(&key, number.into(), options).await;
                judge(put, |found| look(shown, found))
            }
            Verb::PutIfAbsent(number) => {
                let put = store.put_if_absent(&key, number.into(), options).await;
                judge(put, |found| look(shown, found))
            }
            Verb::Replace { expected, put } => {
                let known = self.last.get(&index).filter(|(number, _)| *number == expected);
                let version = known.map_or(Version::ZERO, |(_, version)| *version);
                judge(store.replace(&key, version, put.into(), options).await, |()| {
                    Told::Done
                })
            }
            Verb::Remove => judge(store.remove(&key).await, |found| look(shown, found)),
            Verb::Toggle(new) => {
                let seen: Arc<Mutex<Option<Arc<Record>>>> = Arc::default();
                let (note, options) = (Arc::clone(&seen), *options);
                let compute = move |found: Option<&Arc<Record>>| {
                    *note.lock().unwrap() = found.cloned();
                    match Register::toggled(found.map(|found| number(found)), new) {
                        Some(new) => Compute::PutWith(new.into(), options),
                        None => Compute::Remove,
                    }
                };
                let computed = store.compute(&key, Box::new(compute)).await;
                judge(computed, |_| look(shown, seen.lock().unwrap().take()))
            }
            Verb::Clear => panic!("a clear concerns every key"),
        }
    }

    /// Ends a call that was made between two times: notes what it says, here and in the history.
    fn end(
        &mut self,
        open: OpenCall,
        (index, verb): (u64, Verb),
        (told, version): Result1,
        ttl: Option<u64>,
        (from, to): (Millis, Millis),
    ) {
        let is_unknown = told == Told::Unknown;
        if is_unknown && verb.may_remove() {
            self.maybe_removed.push(index);
        }
        match version {
            Some(_) if verb == Verb::Clear => self.clears += usize::from(index == 0),
            Some(version) => self.acknowledged.push((index, version)),
            None => {}
        }
        // A toggle of an odd number writes none: its version is a removal's.
        let removed = matches!((verb, told), (Verb::Toggle(_), Told::Found(Some(odd))) if odd % 2 == 1);
        if let Some(number) = verb.writes() {
            let version = version.filter(|_| !removed);
            let ends = ttl.map(|ttl| (from.plus(ttl), to.plus(ttl)));
            self.noted.push(Noted {
                key: index,
                number,
                ends,
                version,
                is_unknown,
            });
            if let Some(version) = version {
                self.last.insert(index, (number, version));
            }
        }
        if let (Told::Found(Some(found)), Some(shown)) = (told, self.shown.last())
            && verb == Verb::Get
            && number(shown) == found
        {
            self.last.insert(index, (found, shown.version()));
        }
        let answer = Answer {
            told,
            version,
            from,
            to,
        };
        self.recorder.end(open, answer);
    }

    fn now(&self) -> Millis {
        layerstore_record::Clock::now(&self.stage.clock)
    }
}

/// What a call of several keys does.
enum Several {
    Set,
    Remove,
    Clear,
}

/// Keeps the record that an answer shows.
fn look(shown: &mut Vec<Arc<Record>>, found: Option<Arc<Record>>) -> Told {
    let seen = found.as_ref().map(|record| number(record));
    shown.extend(found);
    Told::Found(seen)
}

fn judge<T>(result: Result<Outcome<T>, RecordStoreError>, told: impl FnOnce(T) -> Told) -> Result1 {
    match result {
        Ok(outcome) => (told(outcome.value), outcome.version),
        Err(error) => (failure(&error), None),
    }
}

fn failure(error: &RecordStoreError) -> Told {
    match error.kind() {
        RecordErrorKind::OutcomeUnknown => Told::Unknown,
        RecordErrorKind::Conflict => Told::Refused,
        RecordErrorKind::Store => Told::Failed,
        // Nothing else is due: a deadline would be a wait that nobody ended.
        _ => panic!("{error}"),
    }
}

async fn read_in_place(stage: &Stage, key: &Key) -> Result<Option<Arc<Record>>, RecordStoreError> {
    let mut found = None;
    match stage
        .store
        .read(key, &mut |record| found = Some(Arc::clone(record)))
    {
        TryGet::Hit(()) => Ok(found),
        TryGet::Absent => Ok(None),
        TryGet::NeedsLoad => stage.store.get(key).await,
    }
}
