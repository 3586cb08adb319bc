//! An observer of your own: an index of which keys hold a word. Run it: `cargo run --example own_observer`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_observer::{CompositeObserver, Mutation, MutationEvent, MutationObserver, ObserverError};
use layerstore_record::{
    Key, MapName, Millis, NodeId, Provenance, Record, RecordValue, Timestamp, Value, Version,
};

/// Knows the keys of one map by the words of their values.
#[derive(Debug)]
pub(crate) struct WordIndex {
    map: MapName,
    /// Guards both sides, which always agree. Held for the words of one value at a time.
    words: Mutex<Words>,
}

#[derive(Debug, Default)]
struct Words {
    keys: BTreeMap<String, BTreeSet<Key>>,
    of_key: BTreeMap<Key, Vec<String>>,
}

impl WordIndex {
    /// Makes an index of a map that has no records in memory yet.
    pub(crate) fn new(map: MapName) -> Self {
        Self {
            map,
            words: Mutex::default(),
        }
    }

    /// Returns the keys whose values hold the word, in order.
    pub(crate) fn keys(&self, word: &str) -> Vec<Key> {
        let words = self.lock();
        words.keys.get(word).into_iter().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MutationObserver for WordIndex {
    fn name(&self) -> &str {
        "word-index"
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        if *mutation.map != self.map {
            return Ok(());
        }
        match mutation.event {
            MutationEvent::Put { key, record }
            | MutationEvent::Load { key, record }
            | MutationEvent::Update { key, record, .. }
            | MutationEvent::ReplicationPut { key, record, .. } => self.lock().set(key, words_of(record)),
            MutationEvent::Remove { key, .. } => self.lock().set(key, Vec::new()),
            MutationEvent::Clear { .. } | MutationEvent::Destroy { .. } => *self.lock() = Words::default(),
            // What leaves memory alone is still in the data store, and stays in the index. Events to come end up here too.
            _ => {}
        }
        Ok(())
    }
}

impl Words {
    /// Forgets the words that the key had, and notes the new ones: right whatever the event knew of the previous value.
    fn set(&mut self, key: &Key, words: Vec<String>) {
        for old in self.of_key.remove(key).unwrap_or_default() {
            if let Some(keys) = self.keys.get_mut(&old) {
                keys.remove(key);
                if keys.is_empty() {
                    self.keys.remove(&old);
                }
            }
        }
        if !words.is_empty() {
            for word in &words {
                self.keys.entry(word.clone()).or_default().insert(key.clone());
            }
            self.of_key.insert(key.clone(), words);
        }
    }
}

fn words_of(record: &Record) -> Vec<String> {
    match record.value().value().map(|value| &**value) {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_lowercase).collect(),
        _ => Vec::new(),
    }
}

/// Tells the index of two records, as a record store would, and asks it.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let map = MapName::new("notes")?;
    let index = Arc::new(WordIndex::new(map.clone()));
    let observers = CompositeObserver::new("observers");
    observers.add(index.clone())?;
    for (millis, key, text) in [(1, "a", "buy milk"), (2, "b", "drink milk")] {
        let at = Timestamp::new(Millis(millis), 0, NodeId(1));
        let record = Arc::new(Record::builder(RecordValue::lww(text, at), Version::new(at)).build());
        let event = MutationEvent::Put {
            key: &Key::new(key)?,
            record: &record,
        };
        observers.on_mutation(&Mutation::new(&map, Provenance::Client, event))?;
    }
    println!(
        "milk is in {:?}, buy in {:?}",
        index.keys("milk"),
        index.keys("buy")
    );
    Ok(())
}
