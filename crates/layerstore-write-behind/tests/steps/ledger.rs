//! What a client knows of its writes: on paper where the client may be killed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use layerstore_data_store::{Outcome, Write, WriteResult};
use layerstore_record::{Key, MapName, Record, RecordValue, Value};
use layerstore_testkit::records::version;

pub(crate) const KEYS: u64 = 10;

/// The key that the store behind refuses for good.
pub(crate) const REFUSED_KEY: u64 = 9;

/// A value takes this; six fill a segment.
const VALUE_BYTES: usize = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody said: it may have been made.
    Unknown,
    Acknowledged,
    /// It was not made, and never shall be.
    Refused,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    key: u64,
    is_removal: bool,
    fate: Fate,
}

/// Writes by version, and clears by what they clear.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    attempts: BTreeMap<u64, Attempt>,
    clears: BTreeMap<u64, Fate>,
    last: u64,
    paper: Option<File>,
}

impl Ledger {
    /// Goes on with what is on paper.
    pub(crate) fn on_paper(path: &Path) -> Self {
        let mut ledger = Self::default();
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            ledger.read(line);
        }
        let paper = OpenOptions::new().create(true).append(true).open(path);
        ledger.paper = Some(paper.unwrap());
        ledger
    }

    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let at = words[1].parse().unwrap();
        match words[0] {
            "put" | "remove" => {
                let attempt = Attempt {
                    key: words[2].parse().unwrap(),
                    is_removal: words[0] == "remove",
                    fate: Fate::Unknown,
                };
                self.attempts.insert(at, attempt);
                self.last = self.last.max(at);
            }
            "acknowledged" => self.attempts.get_mut(&at).unwrap().fate = Fate::Acknowledged,
            "refused" => self.attempts.get_mut(&at).unwrap().fate = Fate::Refused,
            "clear" => drop(self.clears.insert(at, Fate::Unknown)),
            "cleared" => drop(self.clears.insert(at, Fate::Acknowledged)),
            _ => panic!("{line}"),
        }
    }

    fn note(&mut self, line: &str) {
        self.read(line);
        if let Some(paper) = &mut self.paper {
            paper.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Makes a write that is about to be tried.
    pub(crate) fn attempt(&mut self, key: u64, is_removal: bool) -> Write {
        let at = self.last + 1;
        let verb = if is_removal { "remove" } else { "put" };
        self.note(&format!("{verb} {at} {key}"));
        write(key, at, is_removal)
    }

    pub(crate) fn answered(&mut self, write: &Write, answer: &WriteResult) {
        let at = write.version().millis().0;
        match answer {
            WriteResult::Applied => self.note(&format!("acknowledged {at}")),
            WriteResult::Rejected(error) if error.outcome() == Outcome::Unknown => {}
            _ => self.note(&format!("refused {at}")),
        }
    }

    pub(crate) fn clear(&mut self) -> u64 {
        self.note(&format!("clear {}", self.last));
        self.last
    }

    pub(crate) fn cleared(&mut self, up_to: u64) {
        self.note(&format!("cleared {up_to}"));
    }

    /// Returns the version that was acknowledged last of a key, unless it was cleared or removes.
    pub(crate) fn newest(&self, key: u64) -> Option<u64> {
        let (at, attempt) = self.acknowledged(key)?;
        (at > self.cleared_up_to(Fate::Acknowledged) && !attempt.is_removal).then_some(at)
    }

    fn acknowledged(&self, key: u64) -> Option<(u64, Attempt)> {
        let mut of_key = self.attempts.iter().rev();
        let found = of_key.find(|(_, attempt)| attempt.key == key && attempt.fate == Fate::Acknowledged);
        found.map(|(at, attempt)| (*at, *attempt))
    }

    fn cleared_up_to(&self, least: Fate) -> u64 {
        let clears = self.clears.iter();
        let clears = clears.filter(|(_, fate)| least == Fate::Unknown || **fate == least);
        clears.map(|(up_to, _)| *up_to).max().unwrap_or(0)
    }

    /// Tells what is wrong with what a key holds: a version, or nothing.
    pub(crate) fn check(&self, key: u64, found: Option<&Record>) -> Result<(), String> {
        let found = found.filter(|record| !record.is_tombstone());
        let at = found.map(|record| record.version().millis().0);
        let acknowledged = self.acknowledged(key);
        let floor = acknowledged.map_or(0, |(at, _)| at);
        let (cleared, maybe) = (
            self.cleared_up_to(Fate::Acknowledged),
            self.cleared_up_to(Fate::Unknown),
        );
        let unknown = self.attempts.iter().filter(|(at, attempt)| {
            attempt.key == key && attempt.fate == Fate::Unknown && **at > floor.max(cleared)
        });
        let states = unknown.map(|(at, attempt)| (*at, attempt.is_removal));
        let newest = acknowledged.map(|(at, attempt)| (at, attempt.is_removal || at <= cleared));
        let mut states: Vec<Option<u64>> = states
            .chain(newest)
            .map(|(at, is_gone)| (!is_gone).then_some(at))
            .collect();
        if acknowledged.is_none() || floor <= maybe {
            states.push(None);
        }
        if !states.contains(&at) {
            return Err(format!("key {key} holds {at:?}, which may be {states:?}"));
        }
        match (found, at) {
            (Some(record), Some(at)) if *record.value() != value(at, false) => {
                Err(format!("key {key} holds another value than {at} had"))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn map() -> MapName {
    MapName::new("steps").expect("a short name")
}

pub(crate) fn key(number: u64) -> Key {
    layerstore_testkit::records::key(number)
}

pub(crate) fn write(number: u64, at: u64, is_removal: bool) -> Write {
    let record = Record::builder(value(at, is_removal), version(at)).build();
    Write::new(map(), key(number), Arc::new(record))
}

fn value(at: u64, is_removal: bool) -> RecordValue {
    let timestamp = version(at).timestamp();
    if is_removal {
        return RecordValue::Tombstone { timestamp };
    }
    let fill = u8::try_from(at % 251).expect("a small number");
    RecordValue::lww(Value::Bytes(vec![fill; VALUE_BYTES].into()), timestamp)
}
