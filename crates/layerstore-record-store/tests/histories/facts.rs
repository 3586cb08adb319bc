//! What is known of the writes of a history: when each ends, and its version.

use std::collections::HashMap;

use layerstore_record::{Millis, Record, Version};

use crate::stage::number;

/// The writes of a history, by the number that each wrote.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    writes: HashMap<u64, Fact>,
}

#[derive(Debug)]
struct Fact {
    key: u64,
    /// The earliest and the latest that it may end: its time to live after some moment of the call. `None` if it never does.
    ends: Option<(Millis, Millis)>,
    version: Option<Version>,
    is_unknown: bool,
}

/// A write as its caller knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) key: u64,
    pub(crate) number: u64,
    pub(crate) ends: Option<(Millis, Millis)>,
    /// The version that was acknowledged.
    pub(crate) version: Option<Version>,
    /// Whether the outcome is unknown.
    pub(crate) is_unknown: bool,
}

impl Facts {
    pub(crate) fn note(&mut self, noted: Noted) {
        let fact = Fact {
            key: noted.key,
            ends: noted.ends,
            version: noted.version,
            is_unknown: noted.is_unknown,
        };
        let before = self.writes.insert(noted.number, fact);
        assert!(before.is_none(), "{} was written twice", noted.number);
    }

    /// Takes note of a record that somebody was shown, which must be one of the writes as it was made.
    pub(crate) fn show(&mut self, record: &Record) {
        let number = number(record);
        let Some(fact) = self.writes.get_mut(&number) else {
            panic!("{number} was shown, and nobody wrote it");
        };
        let version = *fact.version.get_or_insert(record.version());
        assert_eq!(
            version,
            record.version(),
            "{number} was shown with another version"
        );
        match (fact.ends, record.expiry().deadline) {
            (None, None) => {}
            (Some((earliest, latest)), Some(end)) if earliest <= end && end <= latest => {
                fact.ends = Some((end, end));
            }
            (due, end) => panic!("{number} ends at {end:?}, due is {due:?}"),
        }
    }

    pub(crate) fn ends(&self, number: u64) -> Option<(Millis, Millis)> {
        self.writes.get(&number).and_then(|fact| fact.ends)
    }

    pub(crate) fn version(&self, number: u64) -> Option<Version> {
        self.writes.get(&number).and_then(|fact| fact.version)
    }

    /// Tells whether nobody was told what became of the write.
    pub(crate) fn is_unknown(&self, number: u64) -> bool {
        self.writes.get(&number).is_some_and(|fact| fact.is_unknown)
    }

    /// Tells whether nobody was told what became of some write.
    pub(crate) fn has_unknown(&self) -> bool {
        self.writes.values().any(|fact| fact.is_unknown)
    }

    /// Tells whether a write of a key that nobody was told of may have replaced what was there, and have ended.
    pub(crate) fn may_have_come_and_gone(&self, key: u64, by: Millis) -> bool {
        let ended = |ends: (Millis, Millis)| ends.0 <= by;
        let unknown = self.writes.values().filter(|fact| fact.is_unknown);
        unknown
            .filter(|fact| fact.key == key)
            .any(|fact| fact.ends.is_some_and(ended))
    }
}
