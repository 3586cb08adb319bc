//! `layerstore import`: a file becomes the records of a map, batch by batch.
//!
//! **C1**: what is reported as imported, by a line of progress or at the end, is durable; of a batch that failed nothing
//! is reported.
//! **C2**: an import that is run again goes on where the other ended: the same lines give the same keys, and records that are
//! there as the file has them are counted as unchanged.
//! **C3**: a line that is no record is listed with its place and reason and never keeps the others out; a strict import
//! stops at it, with nothing of its batch written.

mod batch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod key;
pub(crate) mod lines;
mod progress;
mod rejects;
mod report;
mod source;
mod table;
mod tally;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use layerstore::{Layerstore, WriteOptions};
use tokio::sync::mpsc;

use batch::Writer;
use key::KeyRule;
use progress::Shown;
use rejects::Rejects;
use report::{End, Report};
use source::{Batch, Piece, Source};
use tally::Tally;

use crate::args::{Format, Import, Place};
use crate::command::map_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::out::Form;
use crate::store::{self, Left, Missing};

/// Imports a file. Ctrl-C ends it after the batch in flight.
pub(crate) async fn run(place: &Place, form: Form, args: Import) -> Result<Exit, Failure> {
    let source = source(&args);
    // A file that is not there, or a map that cannot be, must not leave an empty store behind.
    let size = size(&args.file)?;
    map_name(&args.map)?;
    let store = place.open(Missing::Create).await?;
    let report = match store.records(&args.map) {
        Ok(records) => {
            let writer = Writer {
                options: options(&args),
                renews: args.ttl.is_some() || records.config().ttl.is_some(),
                flushes: !acknowledges_what_is_durable(&store),
                records,
            };
            import(writer, source, form, &args, size).await
        }
        Err(error) => Err(error.into()),
    };
    let was_interrupted = report
        .as_ref()
        .is_ok_and(|report| matches!(report.end, End::Interrupted));
    let closed = match was_interrupted {
        true => store::close_soon(&store).await,
        false => store::close(&store).await,
    };
    let mut report = report?;
    match closed {
        Ok(left) => report.left = left,
        Err(failure) if matches!(report.end, End::Done | End::Interrupted) => {
            report.end = End::Failed(failure);
        }
        Err(_) => {}
    }
    report.say(place, form, &args)
}

/// Tells whether an acknowledged write outlives the process: not where write-behind keeps it in memory alone.
#[cfg(feature = "write-behind")]
fn acknowledges_what_is_durable(store: &Layerstore) -> bool {
    let write_behind = store.write_behind();
    write_behind.is_none_or(|write_behind| write_behind.status().log.is_some())
}

#[cfg(not(feature = "write-behind"))]
fn acknowledges_what_is_durable(_: &Layerstore) -> bool {
    true
}

fn options(args: &Import) -> WriteOptions {
    let options = WriteOptions::new();
    match args.ttl {
        Some(ttl) => options.ttl(ttl),
        None => options,
    }
}

async fn import(
    writer: Writer,
    source: Source,
    form: Form,
    args: &Import,
    size: Option<u64>,
) -> Result<Report, Failure> {
    let list = args
        .rejects
        .clone()
        .unwrap_or_else(|| rejects::default_path(&source.keys.stem));
    let done = Arc::new(AtomicU64::new(0));
    let mut run = Run {
        rejects: Rejects::new(&args.file, list),
        shown: Shown::new(args.progress, form, size, Arc::clone(&done)),
        tally: Tally::default(),
        strict: args.strict,
        writer,
    };
    let end = run.all(source.start(done)).await;
    run.shown.end();
    run.rejects.flush()?;
    Ok(Report {
        end,
        tally: run.tally,
        rejected: run.rejects.count(),
        list: run.rejects.path().map(Path::to_owned),
        left: Left::default(),
    })
}

/// An import under way.
struct Run {
    writer: Writer,
    rejects: Rejects,
    shown: Shown,
    tally: Tally,
    strict: bool,
}

impl Run {
    /// Takes batch after batch until the file ends, something fails or Ctrl-C comes.
    async fn all(&mut self, mut pieces: mpsc::Receiver<Piece>) -> End {
        let mut interrupted = pin!(interrupted());
        loop {
            let piece = tokio::select! {
                biased;
                () = &mut interrupted => return End::Interrupted,
                piece = pieces.recv() => piece,
            };
            // A batch that was begun is finished: its writes have deadlines of their own.
            match piece {
                None => return End::Done,
                Some(Piece::Failed(failure)) => return End::Failed(failure),
                Some(Piece::Bad { line, reason }) => return End::BadLine { line, reason },
                Some(Piece::Batch(batch)) => match self.one(batch).await {
                    Ok(None) => {}
                    Ok(Some(end)) => return end,
                    Err(failure) => return End::Failed(failure),
                },
            }
        }
    }

    async fn one(&mut self, mut batch: Batch) -> Result<Option<End>, Failure> {
        let before = self.tally.clone();
        let written = self.writer.write(&mut batch, &mut self.tally).await?;
        if let Err(failure) = self.writer.flush().await {
            // What is in memory alone is not reported.
            self.tally = before;
            return Ok(Some(End::Failed(failure)));
        }
        if let Some(failure) = written.failed {
            return Ok(Some(End::Failed(failure)));
        }
        if self.strict
            && let Some((line, reason)) = written.refused.first().cloned()
        {
            return Ok(Some(End::BadLine { line, reason }));
        }
        let mut rejected = std::mem::take(&mut batch.rejected);
        rejected.extend(written.refused);
        rejected.sort_unstable_by_key(|(line, _)| *line);
        for (line, reason) in &rejected {
            self.rejects.add(*line, reason)?;
        }
        self.rejects.flush()?;
        self.tally.last_line = batch.last_line;
        self.shown.durable(&self.tally)?;
        Ok(None)
    }
}

fn source(args: &Import) -> Source {
    let is_stdin = args.file == Path::new("-");
    let stem = if is_stdin { None } else { args.file.file_stem() };
    let stem = stem.map_or_else(|| "stdin".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let ending = args
        .file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let by_ending = if ending { Format::Csv } else { Format::Jsonl };
    Source {
        file: args.file.clone(),
        format: args.format.unwrap_or(by_ending),
        keys: KeyRule {
            field: args.key.clone(),
            stem,
        },
        infer: args.infer,
        strict: args.strict,
    }
}

/// Returns the size of the file in bytes, where it has one.
fn size(file: &Path) -> Result<Option<u64>, Failure> {
    if file == Path::new("-") {
        return Ok(None);
    }
    let facts = std::fs::metadata(file).map_err(|error| Failure::file("reading", file, &error))?;
    Ok(facts.is_file().then_some(facts.len()))
}
