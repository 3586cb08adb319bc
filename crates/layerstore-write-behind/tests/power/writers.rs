//! The process that dies with the power: eight writers that append without pause, and tell the test what was acknowledged.

use std::path::Path;
use std::sync::Arc;

use layerstore_record::SystemClock;
use layerstore_write_behind::{DiskStorage, DurableLog, LogError, LogOptions, SEGMENTS_AT_LEAST, Sequence};

use crate::moment::Moment;
use crate::number::{Number, WRITERS};
use crate::told::{Told, say};
use crate::watched::WatchedStorage;

/// What the writers do to a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) sync: &'static str,
    pub(crate) segment_bytes: u64,
    /// The largest value of a record.
    pub(crate) most_bytes: usize,
}

/// One in so many entries is never done in its cycle.
const NEVER_DONE: u64 = 64;

/// Entries of one writer that are acknowledged and not done yet.
const UNDONE: usize = 16;

/// Every eighth cycle nobody writes: what opening has said to be durable must be so without a later sync.
pub(crate) fn is_at_rest(cycle: u64) -> bool {
    cycle % 8 == 7
}

impl Load {
    pub(crate) fn options(&self) -> LogOptions {
        LogOptions::default()
            .sync(self.sync.parse().unwrap())
            .segment_bytes(self.segment_bytes)
            // As few as may be: what is pending is copied forward soon.
            .max_bytes(SEGMENTS_AT_LEAST * self.segment_bytes)
    }

    /// Opens the log and writes to it until the power goes.
    pub(crate) fn run(self, dir: &Path, cycle: u64, seed: u64) {
        // The harness may have begun a line.
        say("");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        let failed = runtime.block_on(self.write(dir, cycle, seed));
        // Shown where it comes before the cut.
        say(&failed);
        Told::Ended.tell();
    }

    /// Returns what ended it.
    async fn write(self, dir: &Path, cycle: u64, seed: u64) -> String {
        Told::Opening.tell();
        let storage = match DiskStorage::open(dir) {
            Ok(storage) => Arc::new(WatchedStorage(storage)),
            Err(failed) => return failed.to_string(),
        };
        let log = match DurableLog::open(storage, self.options(), Arc::new(SystemClock)).await {
            Ok((log, _)) => Arc::new(log),
            Err(failed) => return failed.to_string(),
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        if let Err(failed) = take_over(&log, &mut rng).await {
            return failed.to_string();
        }
        Told::Opened.tell();
        if is_at_rest(cycle) {
            return std::future::pending().await;
        }
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..WRITERS {
            let writer = Writer {
                log: Arc::clone(&log),
                rng: rng.fork(),
                undone: Vec::new(),
            };
            writers.spawn(writer.write(self, cycle, number));
        }
        let failed = writers.join_all().await;
        failed.iter().map(|failed| format!("{failed}\n")).collect()
    }
}

/// Takes most of what earlier cycles left for done.
async fn take_over(log: &DurableLog, rng: &mut fastrand::Rng) -> Result<(), LogError> {
    for entry in log.pending_after(Sequence(0), u64::MAX).await? {
        if rng.u8(..8) > 0 {
            done(log, entry.sequence.0);
        }
    }
    Ok(())
}

struct Writer {
    log: Arc<DurableLog>,
    rng: fastrand::Rng,
    /// Acknowledged, and to be done at some time.
    undone: Vec<u64>,
}

impl Writer {
    async fn write(mut self, load: Load, cycle: u64, writer: u64) -> LogError {
        let mut room = self.log.watch();
        let mut append = 0;
        loop {
            let numbers = Number::of_append(cycle, writer, append);
            let entries = numbers
                .iter()
                .map(|number| number.entry(load.most_bytes).encode().unwrap());
            match self.log.append(entries.collect()).await {
                Ok(appended) => {
                    let (first, sequence) = (numbers[0], appended.first.0);
                    let at = Moment::now();
                    Told::Appended { first, sequence, at }.tell();
                    self.note(sequence..=appended.last.0);
                    append += 1;
                }
                // Nothing of it is in the log: the same is appended again when there is room.
                Err(full) if full.is_full() => {
                    if self.undone.is_empty() && room.changed().await.is_err() {
                        return full;
                    }
                    self.finish(0);
                }
                Err(failed) => return failed,
            }
        }
    }

    fn note(&mut self, sequences: impl Iterator<Item = u64>) {
        for sequence in sequences {
            if self.rng.u64(..NEVER_DONE) > 0 {
                self.undone.push(sequence);
            }
        }
        let most = self.rng.usize(..UNDONE);
        self.finish(most);
    }

    /// Takes entries for done, in any order, until only so many are left.
    fn finish(&mut self, left: usize) {
        while self.undone.len() > left {
            let next = self.rng.usize(..self.undone.len());
            done(&self.log, self.undone.swap_remove(next));
        }
    }
}

/// Says so first: what the test does not know of must be pending.
fn done(log: &DurableLog, sequence: u64) {
    Told::Done { sequence }.tell();
    log.done([Sequence(sequence)]);
}
