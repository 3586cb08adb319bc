use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;

use futures::TryStreamExt;
use layerstore::{Layerstore, ScanRequest};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::scan::PAGE;
use crate::args::Export;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, broken, say};
use crate::record_json;

/// How much is handed to the writer at once, in bytes.
const CHUNK: usize = 64 << 10;
/// How many chunks are ready ahead of the writer.
const CHUNKS_AHEAD: usize = 4;

/// Writes the records of a map as JSON Lines, in key order.
pub(super) async fn run(store: &Layerstore, form: Form, args: Export) -> Result<Exit, Failure> {
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let target = args.file.clone();
    let writer = tokio::task::spawn_blocking(move || match target {
        Some(file) => write_file(&file, receiver),
        None => write_out(receiver),
    });
    let read = read(store, &args.map, chunks).await;
    let written = writer
        .await
        .map_err(|_| Failure::new(Exit::Failed, "the writer of the export ended early"))?;
    // An error of the writer is why the reader had to stop.
    written?;
    let count = read?;
    if let Some(file) = &args.file {
        say(&match form {
            Form::Text => format!(
                "exported {count} records of map {:?} to {}",
                args.map,
                file.display()
            ),
            Form::Json => {
                serde_json::json!({ "map": args.map, "records": count, "file": file.display().to_string() })
                    .to_string()
            }
        })?;
    }
    Ok(Exit::Done)
}

/// What the reader sends.
enum Chunk {
    /// Some lines.
    Lines(String),
    /// All lines were sent. Without it nothing is put in place: a scan that failed leaves no half file.
    End,
}

async fn read(store: &Layerstore, map: &str, chunks: mpsc::Sender<Chunk>) -> Result<u64, Failure> {
    let records = store.records(map)?;
    let mut scan = pin!(records.scan(&ScanRequest::first(PAGE)));
    let mut lines = String::new();
    let mut count = 0;
    while let Some((_, record)) = scan.try_next().await? {
        lines.push_str(&record_json::value(&record));
        lines.push('\n');
        count += 1;
        if lines.len() >= CHUNK
            && chunks
                .send(Chunk::Lines(std::mem::take(&mut lines)))
                .await
                .is_err()
        {
            return Ok(count);
        }
    }
    // A writer that is gone says itself why.
    let _ = chunks.send(Chunk::Lines(lines)).await;
    let _ = chunks.send(Chunk::End).await;
    Ok(count)
}

fn write_out(mut chunks: mpsc::Receiver<Chunk>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    while let Some(Chunk::Lines(lines)) = chunks.blocking_recv() {
        out.write_all(lines.as_bytes()).map_err(|error| broken(&error))?;
    }
    out.flush().map_err(|error| broken(&error))
}

/// Writes beside the file, and puts it in place when it is whole and durable.
fn write_file(file: &Path, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), Failure> {
    let failed = |error: &io::Error| Failure::file("writing", file, error);
    let directory = directory_of(file);
    let mut part = NamedTempFile::new_in(&directory).map_err(|error| failed(&error))?;
    loop {
        match chunks.blocking_recv() {
            Some(Chunk::Lines(lines)) => part.write_all(lines.as_bytes()).map_err(|error| failed(&error))?,
            Some(Chunk::End) => break,
            None => return Ok(()),
        }
    }
    part.as_file().sync_all().map_err(|error| failed(&error))?;
    part.persist(file).map_err(|error| failed(&error.error))?;
    // The name is durable with its directory; a crash before this leaves the old file or the new one, whole.
    File::open(&directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| failed(&error))
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
