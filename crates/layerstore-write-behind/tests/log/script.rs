//! A script of operations on a log, and what must be there after a stop at any point of it.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use layerstore_record::Millis;
use layerstore_testkit::disk::SimulatedDisk;
use layerstore_write_behind::{LogEntry, LogError, LogWriter, Sequence, SyncPolicy};

use crate::support::{NOW, contents, encoded, is_of, open, options};

pub(crate) const POLICIES: [SyncPolicy; 3] = [
    SyncPolicy::Always,
    SyncPolicy::Interval(Duration::from_millis(10)),
    SyncPolicy::Os,
];

/// What a client of the log knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// What was appended or may have been: by sequence, the number and size that the entry was made of.
    sent: BTreeMap<u64, (u64, usize)>,
    /// The highest sequence that was acknowledged.
    pub(crate) acknowledged: u64,
    /// The highest that was seen to be synced.
    synced: u64,
    done: Vec<u64>,
    number: u64,
}

/// Runs `operations` of a script; ends with the first error.
pub(crate) fn run(
    disk: &SimulatedDisk,
    policy: SyncPolicy,
    operations: u64,
    seed: u64,
    known: &mut Known,
) -> Result<(), LogError> {
    let (mut log, _) = open(disk, options(policy))?;
    let mut rng = Rng::with_seed(seed);
    for operation in 0..operations {
        let now = Millis(NOW.0 + 3 * operation);
        known.step(&mut log, &mut rng, now)?;
        if !log.is_dirty() {
            known.synced = known.acknowledged;
        }
    }
    log.close(NOW)?;
    known.synced = known.acknowledged;
    Ok(())
}

impl Known {
    fn step(&mut self, log: &mut LogWriter, rng: &mut Rng, now: Millis) -> Result<(), LogError> {
        match rng.u8(0..10) {
            0..=6 => self.append(log, rng, now),
            7 | 8 => self.finish(log, rng),
            _ if rng.bool() => log.tick(now),
            _ => log.sync(now),
        }
    }

    pub(crate) fn append(&mut self, log: &mut LogWriter, rng: &mut Rng, now: Millis) -> Result<(), LogError> {
        let sizes: Vec<usize> = (0..rng.usize(1..=4)).map(|_| rng.usize(0..300)).collect();
        let first = self.acknowledged + 1;
        let mut entries = Vec::new();
        for (sequence, size) in (first..).zip(&sizes) {
            self.number += 1;
            self.sent.insert(sequence, (self.number, *size));
            entries.push(encoded(self.number, *size));
        }
        match log.append(&entries, now) {
            Ok(appended) => {
                assert_eq!(appended.first, Sequence(first));
                self.acknowledged = appended.last.0;
                Ok(())
            }
            Err(error) if error.is_full() => {
                self.sent.split_off(&first);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes about three quarters of the entries for done; the first entry is stuck for long.
    fn finish(&mut self, log: &mut LogWriter, rng: &mut Rng) -> Result<(), LogError> {
        let is_open = |sequence: &u64| !self.done.contains(sequence);
        let open: Vec<u64> = self
            .sent
            .range(..=self.acknowledged)
            .map(|(sequence, _)| *sequence)
            .filter(is_open)
            .collect();
        let stuck = self.acknowledged / 200 * 200 + 1;
        let chosen: Vec<u64> = open
            .into_iter()
            .filter(|sequence| *sequence != stuck && rng.u8(0..4) > 0)
            .collect();
        self.done.extend(&chosen);
        log.done(&chosen.into_iter().map(Sequence).collect::<Vec<_>>())
    }

    /// Checks what a log gives after a stop.
    pub(crate) fn check(&self, found: &[LogEntry], policy: SyncPolicy) -> Result<(), String> {
        for pair in found.windows(2) {
            if pair[0].sequence >= pair[1].sequence {
                return Err(format!("{} comes after {}", pair[1].sequence, pair[0].sequence));
            }
        }
        for entry in found {
            match self.sent.get(&entry.sequence.0) {
                Some((number, size)) if is_of(entry, *number, *size) => {}
                Some(_) => return Err(format!("{} is another entry", entry.sequence)),
                None => return Err(format!("{} was never appended", entry.sequence)),
            }
        }
        let must = match policy {
            SyncPolicy::Always => self.acknowledged,
            _ => self.synced,
        };
        // What is there of later ones must follow without a gap.
        let last = found.last().map_or(0, |entry| entry.sequence.0).max(must);
        let lost = self
            .sent
            .range(..=last)
            .map(|(sequence, _)| *sequence)
            .find(|sequence| {
                let is_there = found
                    .binary_search_by_key(sequence, |entry| entry.sequence.0)
                    .is_ok();
                !is_there && !self.done.contains(sequence)
            });
        lost.map_or(Ok(()), |lost| {
            Err(format!("{lost} is lost, of {must} that must be there"))
        })
    }

    /// Goes on with a log that was opened again: what it gave stands, what it did not give was never acknowledged or is done.
    pub(crate) fn go_on(&mut self, log: &mut LogWriter, last: Sequence) {
        let found = contents(log);
        let is_found = |sequence: &u64| {
            found
                .binary_search_by_key(sequence, |entry| entry.sequence.0)
                .is_ok()
        };
        self.sent.retain(|sequence, _| is_found(sequence));
        self.acknowledged = last.0;
        self.synced = last.0;
    }
}
