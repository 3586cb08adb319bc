//! The reading side of an import: a file on a thread of its own, in batches, a few ahead of the writing.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use layerstore::{Key, Value};
use tokio::sync::mpsc;

use super::key::KeyRule;
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::table::Table;
use crate::args::Format;
use crate::failure::Failure;
use crate::json;

/// How many records are written and made durable at once.
pub(super) const BATCH_RECORDS: usize = 1_000;
/// How much of a file a batch may hold, in bytes of JSON or so: a batch of large records is cut short.
const BATCH_BYTES: usize = 8 << 20;
/// How many batches are read ahead.
const READ_AHEAD: usize = 2;

/// A file to be imported.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: PathBuf,
    pub(super) format: Format,
    pub(super) keys: KeyRule,
    pub(super) infer: bool,
    pub(super) strict: bool,
}

/// Some lines of the file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Records with their lines; no key comes twice.
    pub(super) records: Vec<(u64, Key, Value)>,
    /// Lines that are no records, and why.
    pub(super) rejected: Vec<(u64, String)>,
    /// The last line that is in this batch, or was empty.
    pub(super) last_line: u64,
}

/// What the reader says.
#[derive(Debug)]
pub(super) enum Piece {
    /// Some lines.
    Batch(Batch),
    /// A bad line of a strict import: nothing of its batch is given.
    Bad {
        /// The line.
        line: u64,
        /// Why it is bad.
        reason: String,
    },
    /// The file could not be read on.
    Failed(Failure),
}

impl Source {
    /// Starts reading; `done` counts the bytes that were read, for the progress bar.
    pub(super) fn start(self, done: Arc<AtomicU64>) -> mpsc::Receiver<Piece> {
        let (batches, receiver) = mpsc::channel(READ_AHEAD);
        // The thread ends when the file does, or when nobody takes batches any more.
        drop(tokio::task::spawn_blocking(move || {
            let mut collector = Collector::new(&self, batches);
            let read = match open(&self.file) {
                Ok(input) => self.read(Counting { inner: input, done }, &mut collector),
                Err(failure) => Err(Stop::Failed(failure)),
            };
            match read {
                Ok(()) => drop(collector.send()),
                Err(Stop::Failed(failure)) => {
                    // What was read before the failure is good, and is given first.
                    if collector.send().is_ok() {
                        let _ = collector.batches.blocking_send(Piece::Failed(failure));
                    }
                }
                Err(Stop::Enough) => {}
            }
        }));
        receiver
    }

    fn read(&self, input: impl Read, collector: &mut Collector) -> Result<(), Stop> {
        match self.format {
            Format::Jsonl => self.read_lines(input, collector),
            Format::Csv => self.read_table(input, collector),
        }
    }

    fn read_lines(&self, input: impl Read, collector: &mut Collector) -> Result<(), Stop> {
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, input));
        loop {
            let next = lines
                .next()
                .map_err(|error| Failure::file("reading", &self.file, &error))?;
            let Some((number, line)) = next else { return Ok(()) };
            match line {
                Line::Text(text) if text.trim().is_empty() => collector.batch.last_line = number,
                Line::Text(text) => {
                    let value = json::read(text).map_err(|fault| fault.to_string());
                    collector.take(number, text.len(), value)?;
                }
                Line::TooLong => {
                    let reason = format!("the line is longer than {} MiB", MAX_LINE_BYTES >> 20);
                    collector.take(number, 0, Err(reason))?;
                }
                Line::NotUtf8(column) => {
                    collector.take(number, 0, Err(format!("not UTF-8, at column {column}")))?;
                }
            }
        }
    }

    fn read_table(&self, input: impl Read, collector: &mut Collector) -> Result<(), Stop> {
        let failed = |what: String| {
            let what = format!("reading {}: {what}", self.file.display());
            Failure::new(crate::exit::Exit::Failed, what)
        };
        let mut table = Table::open(input, self.infer).map_err(failed)?;
        while let Some((line, value)) = table.next().map_err(failed)? {
            collector.take(line, 256, value)?;
        }
        Ok(())
    }
}

/// Why reading ends before the file does.
enum Stop {
    /// Nobody takes batches any more, or a strict import met a bad line.
    Enough,
    /// It cannot go on.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Fills batches and sends them.
struct Collector<'a> {
    source: &'a Source,
    batches: mpsc::Sender<Piece>,
    batch: Batch,
    keys: HashSet<Key>,
    bytes: usize,
}

impl<'a> Collector<'a> {
    fn new(source: &'a Source, batches: mpsc::Sender<Piece>) -> Self {
        Self {
            source,
            batches,
            batch: Batch::default(),
            keys: HashSet::new(),
            bytes: 0,
        }
    }

    /// Takes a line that is a value or a reason why it is none.
    fn take(&mut self, line: u64, bytes: usize, value: Result<Value, String>) -> Result<(), Stop> {
        let record = value.and_then(|value| Ok((self.source.keys.key(line, &value)?, value)));
        match record {
            Ok((key, value)) => self.take_record(line, bytes, key, value),
            Err(reason) if self.source.strict => {
                let _ = self.batches.blocking_send(Piece::Bad { line, reason });
                Err(Stop::Enough)
            }
            Err(reason) => {
                self.batch.rejected.push((line, reason));
                self.batch.last_line = line;
                // Rejected lines alone must not pile up either.
                if self.batch.rejected.len() >= BATCH_RECORDS {
                    self.send()
                } else {
                    Ok(())
                }
            }
        }
    }

    fn take_record(&mut self, line: u64, bytes: usize, key: Key, value: Value) -> Result<(), Stop> {
        // A key that comes again begins a new batch, so that the later line is compared with the earlier.
        if !self.keys.insert(key.clone()) {
            self.send()?;
            self.keys.insert(key.clone());
        }
        self.batch.records.push((line, key, value));
        self.batch.last_line = line;
        self.bytes += bytes;
        if self.batch.records.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            self.send()
        } else {
            Ok(())
        }
    }

    fn send(&mut self) -> Result<(), Stop> {
        let batch = std::mem::take(&mut self.batch);
        self.keys.clear();
        self.bytes = 0;
        if batch.last_line == 0 {
            return Ok(());
        }
        self.batches
            .blocking_send(Piece::Batch(batch))
            .map_err(|_| Stop::Enough)
    }
}

fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let failed = |error| Failure::file("reading", file, &error);
    let opened = File::open(file).map_err(failed)?;
    if opened.metadata().map_err(failed)?.is_dir() {
        return Err(Failure::usage(format!(
            "{} is a directory: name a file",
            file.display()
        )));
    }
    Ok(Box::new(opened))
}

/// Counts what is read.
struct Counting<R> {
    inner: R,
    done: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done
            .fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}
