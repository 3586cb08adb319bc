//! The contract once more, in the plainest words: numbers for versions, one step after the other, no sharing of code with
//! the stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_data_store::Expect;
use layerstore_record::{Expiry, Millis, Record, RecordValue};

use super::operation::{Expecting, KEYS, MAPS, Who, Wish};
use crate::records::version;

/// What a store must answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Applied,
    Stale(u64),
    Conflict(Option<u64>),
    BelowHorizon,
    NotClaimed,
    Fenced,
}

#[derive(Default)]
pub(super) struct Reference {
    maps: [ReferenceMap; MAPS],
    /// When the case began: ends of records count from here.
    started: Millis,
}

#[derive(Default)]
struct ReferenceMap {
    rows: BTreeMap<usize, Row>,
    cleared: u64,
    purged: u64,
    highest: u64,
    /// Who claimed the map since the last restart, and who did so last.
    claimed_by_first: bool,
    claimed_by_rival: bool,
    owner_is_rival: bool,
}

#[derive(Clone, Copy)]
struct Row {
    number: u64,
    is_removal: bool,
    ends: Option<u64>,
}

impl Reference {
    pub(super) fn starting(started: Millis) -> Self {
        Self {
            started,
            ..Self::default()
        }
    }

    /// Makes the record that a number stands for: every fourth a removal, every fifth with an end.
    pub(super) fn record(&self, key: usize, number: u64) -> Arc<Record> {
        let row = Row::of(key, number);
        let version = version(number);
        let value = if row.is_removal {
            RecordValue::Tombstone {
                timestamp: version.timestamp(),
            }
        } else {
            RecordValue::lww(format!("{key}-{number}"), version.timestamp())
        };
        let deadline = row.ends.map(|end| self.started.plus(end));
        let record = Record::builder(value, version)
            .created(Millis(number))
            .updated(Millis(number + 1));
        Arc::new(
            record
                .expiry(Expiry {
                    deadline,
                    ..Expiry::NEVER
                })
                .build(),
        )
    }

    /// Turns what a write expects into what is asked of the store.
    pub(super) fn expect(&self, wish: &Wish, now: Millis) -> Option<Expect> {
        match wish.expecting {
            Expecting::Anything => None,
            Expecting::Absent => Some(Expect::Absent),
            Expecting::Number(number) => Some(Expect::Version(version(number))),
            Expecting::WhatIsThere => {
                let there = self.live(wish.map, wish.key, now).unwrap_or(1);
                Some(Expect::Version(version(there)))
            }
        }
    }

    pub(super) fn write(&mut self, who: Who, wish: &Wish, expect: Option<Expect>, now: Millis) -> Answer {
        let live = self.live(wish.map, wish.key, now);
        let map = &mut self.maps[wish.map];
        if let Err(refused) = map.check(who) {
            return refused;
        }
        let held = map.rows.get(&wish.key).map(|row| row.number);
        if wish.number <= map.cleared {
            return Answer::Stale(map.cleared.max(held.unwrap_or(0)));
        }
        if held == Some(wish.number) {
            return Answer::Applied;
        }
        if held.is_some_and(|held| held > wish.number) {
            return Answer::Stale(held.unwrap_or(0));
        }
        if held.is_none() && wish.number <= map.purged {
            return Answer::BelowHorizon;
        }
        let holds = match expect {
            None => true,
            Some(Expect::Absent) => live.is_none(),
            Some(Expect::Version(expected)) => live.is_some_and(|live| version(live) == expected),
        };
        if !holds {
            return Answer::Conflict(live);
        }
        map.rows.insert(wish.key, Row::of(wish.key, wish.number));
        map.highest = map.highest.max(wish.number);
        Answer::Applied
    }

    pub(super) fn clear(&mut self, who: Who, map: usize, number: u64) -> Result<(), Answer> {
        let map = &mut self.maps[map];
        map.check(who)?;
        map.cleared = map.cleared.max(number);
        map.rows.retain(|_, row| row.number > number);
        Ok(())
    }

    pub(super) fn purge(&mut self, who: Who, map: usize, number: u64, now: Millis) -> Result<u64, Answer> {
        let elapsed = now.since(self.started);
        let map = &mut self.maps[map];
        map.check(who)?;
        map.purged = map.purged.max(number);
        let before = map.rows.len();
        map.rows
            .retain(|_, row| row.number > number || (!row.is_removal && !row.has_ended(elapsed)));
        Ok((before - map.rows.len()) as u64)
    }

    pub(super) fn claim(&mut self, who: Who, map: usize) {
        let map = &mut self.maps[map];
        map.owner_is_rival = who == Who::Rival;
        match who {
            Who::First => map.claimed_by_first = true,
            Who::Rival => map.claimed_by_rival = true,
        }
    }

    pub(super) fn restart(&mut self) {
        for map in &mut self.maps {
            (map.claimed_by_first, map.claimed_by_rival) = (false, false);
        }
    }

    /// Returns both floors, and the least that the high-water mark may be.
    pub(super) fn marks(&self, map: usize) -> (u64, u64, u64) {
        let map = &self.maps[map];
        (
            map.cleared,
            map.purged,
            map.highest.max(map.cleared).max(map.purged),
        )
    }

    /// Tells whether the map is to be listed. One that had records alone, all purged, has a floor.
    pub(super) fn is_listed(&self, map: usize) -> bool {
        let map = &self.maps[map];
        !map.rows.is_empty() || map.cleared > 0 || map.purged > 0
    }

    /// Returns what a load must find.
    pub(super) fn visible(&self, map: usize, key: usize, now: Millis) -> Option<Arc<Record>> {
        let row = self.maps[map].rows.get(&key)?;
        let is_there = row.is_removal || !row.has_ended(now.since(self.started));
        is_there.then(|| self.record(key, row.number))
    }

    /// Returns what a whole scan must find.
    pub(super) fn all(&self, map: usize, tombstones: bool, now: Millis) -> Vec<(usize, Arc<Record>)> {
        let found = (0..KEYS).filter_map(|key| Some((key, self.visible(map, key, now)?)));
        found
            .filter(|(_, record)| tombstones || !record.is_tombstone())
            .collect()
    }

    fn live(&self, map: usize, key: usize, now: Millis) -> Option<u64> {
        let row = self.maps[map].rows.get(&key)?;
        (!row.is_removal && !row.has_ended(now.since(self.started))).then_some(row.number)
    }
}

impl ReferenceMap {
    fn check(&self, who: Who) -> Result<(), Answer> {
        let claimed = match who {
            Who::First => self.claimed_by_first,
            Who::Rival => self.claimed_by_rival,
        };
        match (claimed, self.owner_is_rival == (who == Who::Rival)) {
            (false, _) => Err(Answer::NotClaimed),
            (true, false) => Err(Answer::Fenced),
            (true, true) => Ok(()),
        }
    }
}

impl Row {
    fn of(key: usize, number: u64) -> Self {
        let mixed = number.wrapping_mul(31).wrapping_add(key as u64 * 7);
        let is_removal = mixed.is_multiple_of(4);
        // Ends lie 0.2 to 2.2 s after the start of the case; a case takes about 1 s.
        let ends = (mixed.is_multiple_of(5) && !is_removal).then_some(200 + mixed % 50 * 40);
        Self {
            number,
            is_removal,
            ends,
        }
    }

    fn has_ended(&self, elapsed: u64) -> bool {
        self.ends.is_some_and(|end| end <= elapsed)
    }
}
