//! What the log owes, by what was told, and what it has.

use std::collections::{BTreeMap, BTreeSet};

use layerstore_write_behind::LogEntry;

use crate::moment::Moment;
use crate::number::Number;
use crate::told::Told;

/// The account of one log over all its cycles.
#[derive(Debug)]
pub(crate) struct Ledger {
    most_bytes: usize,
    cycle: u64,
    /// By sequence: what was acknowledged or found pending, and not told done.
    owed: BTreeMap<u64, Number>,
    /// Told done: such may be pending still.
    released: BTreeMap<u64, Number>,
    /// Acknowledged when the power was gone already, as a real cut would leave nobody to do: such may be pending, or not.
    ///
    /// A sync that is under way when ext4 is shut down may return without an error and have written nothing: the journal ends its
    /// transaction as aborted, and the sync finds none that it had to wait for.
    late: BTreeMap<u64, Number>,
    /// When an entry of this cycle was acknowledged.
    acknowledged: BTreeMap<u64, Moment>,
    /// How many appends of each writer of this cycle were acknowledged.
    appends: BTreeMap<u64, u64>,
}

impl Ledger {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            cycle: 0,
            owed: BTreeMap::new(),
            released: BTreeMap::new(),
            late: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            appends: BTreeMap::new(),
        }
    }

    /// Begins a cycle: its writers count anew.
    pub(crate) fn begin(&mut self, cycle: u64) {
        self.cycle = cycle;
        self.acknowledged.clear();
        self.appends.clear();
    }

    /// Takes note of what was told in a cycle whose power was there until `cut`.
    pub(crate) fn hear(&mut self, told: Told, cut: Moment) {
        match told {
            Told::Appended { first, sequence, at } => self.owe(first, sequence, (at < cut).then_some(at)),
            Told::Done { sequence } => {
                let owed = self.owed.remove(&sequence).or(self.late.remove(&sequence));
                let number = owed.unwrap_or_else(|| panic!("{sequence} is done, and was never acknowledged"));
                self.released.insert(sequence, number);
            }
            Told::Opening | Told::Opened | Told::Synced { .. } | Told::Ended => {}
        }
    }

    fn owe(&mut self, first: Number, sequence: u64, at: Option<Moment>) {
        let (writer, append) = (first.writer(), self.next_append(first.writer()));
        let numbers = Number::of_append(self.cycle, writer, append);
        assert_eq!(numbers[0], first, "a writer's appends are acknowledged in order");
        for (number, sequence) in numbers.into_iter().zip(sequence..) {
            let taken = match at {
                Some(at) => {
                    self.acknowledged.insert(sequence, at);
                    self.owed.insert(sequence, number)
                }
                None => self.late.insert(sequence, number),
            };
            assert_eq!(taken, None, "sequence {sequence} was given to {number:?} as well");
        }
        *self.appends.entry(writer).or_default() += 1;
    }

    fn next_append(&self, writer: u64) -> u64 {
        self.appends.get(&writer).copied().unwrap_or(0)
    }

    /// How many entries of this cycle were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// Compares with what is pending after a power cut; returns when what is lost was acknowledged. From here on the log owes what
    /// was found.
    pub(crate) fn settle(&mut self, found: &[LogEntry]) -> Vec<Moment> {
        let pending = self.identify(found);
        let lost = self.lost(&pending);
        self.owed = pending;
        self.released.clear();
        self.late.clear();
        lost
    }

    /// Finds out which entries are pending. None may be another than was submitted, or twice, or out of order.
    fn identify(&self, found: &[LogEntry]) -> BTreeMap<u64, Number> {
        let mut pending = BTreeMap::new();
        let mut newest = BTreeMap::new();
        for entry in found {
            let (number, sequence) = (Number::of(entry), entry.sequence.0);
            let what = format!("cycle {}: {number:?} at {sequence}", self.cycle);
            assert!(
                number.is(entry, self.most_bytes),
                "{what} is not as submitted: {entry:?}"
            );
            let known = [&self.owed, &self.released, &self.late];
            let known = known.into_iter().find_map(|known| known.get(&sequence));
            match known {
                Some(known) => assert_eq!(*known, number, "{what} was acknowledged as another"),
                None => assert!(self.may_be_under_way(number), "{what} was never submitted"),
            }
            let before = newest.insert(number.writer(), number);
            assert!(before < Some(number), "{what} stands after {before:?}");
            let twice = pending.insert(sequence, number).is_some();
            assert!(!twice, "{what}: another has the same sequence");
        }
        self.check_whole(&pending);
        pending
    }

    /// Each writer waits for one append at a time.
    fn may_be_under_way(&self, number: Number) -> bool {
        number.cycle() == self.cycle
            && number.append() == self.next_append(number.writer())
            && number.index() < number.together()
    }

    /// An append is all or nothing.
    fn check_whole(&self, pending: &BTreeMap<u64, Number>) {
        let has = |sequence: u64, number: Number| {
            let is_here = pending.get(&sequence) == Some(&number);
            is_here || self.released.get(&sequence) == Some(&number)
        };
        for (sequence, number) in pending {
            // What was done in earlier cycles is not known any more.
            if number.cycle() != self.cycle {
                continue;
            }
            let first = sequence - number.index();
            for index in 0..number.together() {
                let whole = has(first + index, Number(number.0 - number.index() + index));
                assert!(whole, "cycle {}: half of the append of {number:?}", self.cycle);
            }
        }
    }

    /// Finds what is owed and not there: it must be of this cycle, and nothing that was appended later may be there.
    fn lost(&self, pending: &BTreeMap<u64, Number>) -> Vec<Moment> {
        let missing: BTreeSet<u64> = self
            .owed
            .keys()
            .filter(|sequence| !pending.contains_key(sequence))
            .copied()
            .collect();
        if let (Some(first), Some((last, _))) = (missing.first(), pending.last_key_value()) {
            assert!(
                first > last,
                "cycle {}: {first} is lost, and {last} is not: not a prefix of the appends",
                self.cycle
            );
        }
        let moments = missing.iter().map(|sequence| {
            let moment = self.acknowledged.get(sequence);
            *moment.unwrap_or_else(|| {
                panic!(
                    "cycle {}: {sequence} was there after an earlier cut, and is lost",
                    self.cycle
                )
            })
        });
        moments.collect()
    }
}
