//! The log of write-behind as files: what they hold, and what can be saved of them. Needs no store.

use std::path::Path;
use std::sync::Arc;

use layerstore::write_behind::{
    DEFAULT_SEGMENT_BYTES, DiskStorage, Inspection, LogError, SalvageReport, SegmentInfo, Storage, inspect,
    salvage,
};
use layerstore::{Clock, LogOptions, SystemClock};

use crate::args::{Log, LogCommand, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, say};

pub(super) async fn run(place: &Place, form: Form, args: Log) -> Result<Exit, Failure> {
    match args.what {
        LogCommand::Inspect { dir } => {
            let dir = match dir {
                Some(dir) => dir,
                None => place.log_directory().await?,
            };
            blocking(move || look(&dir, form)).await
        }
        LogCommand::Salvage { from, to } => blocking(move || save(&from, &to, form)).await,
    }
}

/// Works with files off the runtime's threads.
async fn blocking(work: impl FnOnce() -> Result<Exit, Failure> + Send + 'static) -> Result<Exit, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Failure::new(Exit::Failed, error.to_string())))
}

fn look(dir: &Path, form: Form) -> Result<Exit, Failure> {
    let found = inspected(dir)?;
    match form {
        Form::Text => text(dir, &found)?,
        Form::Json => say(&json(dir, &found))?,
    }
    match found.refusal {
        Some(error) => Err(failure(error)),
        None => Ok(Exit::Done),
    }
}

/// Looks at the files of a log; where there are none, there is no log.
fn inspected(dir: &Path) -> Result<Inspection, Failure> {
    let none = || {
        let failure = Failure::new(Exit::NotFound, format!("there is no log in {}", dir.display()));
        failure.advise("name the directory of a log: it holds a file `sidecar` and segments")
    };
    if !dir.is_dir() {
        return Err(none());
    }
    let found = inspect(Arc::new(DiskStorage::read_only(dir))).map_err(failure)?;
    let is_none = found.segments.is_empty()
        && found.missing.is_empty()
        && found.is_closed.is_none()
        && found.refusal.is_none();
    if is_none { Err(none()) } else { Ok(found) }
}

fn text(dir: &Path, found: &Inspection) -> Result<(), Failure> {
    let state = match found.is_closed {
        Some(true) => "closed",
        Some(false) => "not closed: it is open, or was stopped uncleanly",
        None => "its sidecar cannot be read",
    };
    say(&format!("log {}: {state}", dir.display()))?;
    let Inspection {
        watermark,
        last,
        pending,
        pending_bytes,
        ..
    } = found;
    say(&format!(
        "  entries up to {} are done, the last is {}; at most {pending} are pending, of {pending_bytes} bytes",
        watermark.0, last.0
    ))?;
    for segment in &found.segments {
        say(&format!("  {}", of_segment(segment)))?;
    }
    for missing in &found.missing {
        say(&format!("  segment {missing} is missing"))?;
    }
    for leftover in &found.leftovers {
        say(&format!("  {leftover} is left over: the next opening removes it"))?;
    }
    Ok(())
}

fn of_segment(segment: &SegmentInfo) -> String {
    let SegmentInfo {
        segment: number,
        bytes,
        groups,
        entries,
        copies,
        damage,
        ..
    } = segment;
    let damage = damage.map_or_else(String::new, |damage| {
        format!("; not whole at byte {}: {}", damage.offset, damage.what)
    });
    format!("segment {number}: {bytes} bytes, {groups} groups, {entries} entries, {copies} copies{damage}")
}

fn json(dir: &Path, found: &Inspection) -> String {
    let segments = found.segments.iter().map(|segment| {
        serde_json::json!({
            "segment": segment.segment,
            "bytes": segment.bytes,
            "groups": segment.groups,
            "entries": segment.entries,
            "copies": segment.copies,
            "damage": segment.damage.map(|damage| serde_json::json!({ "offset": damage.offset, "what": damage.what })),
        })
    });
    serde_json::json!({
        "log": dir.display().to_string(),
        "is_closed": found.is_closed,
        "watermark": found.watermark.0,
        "last": found.last.0,
        "pending": found.pending,
        "pending_bytes": found.pending_bytes,
        "oldest": found.oldest.map(|oldest| oldest.0),
        "segments": segments.collect::<Vec<_>>(),
        "missing": found.missing,
        "leftovers": found.leftovers,
        "refusal": found.refusal.as_ref().map(ToString::to_string),
    })
    .to_string()
}

fn save(from: &Path, to: &Path, form: Form) -> Result<Exit, Failure> {
    let found = inspected(from)?;
    must_be_empty(to)?;
    let source = source(from)?;
    // The largest segment says how large an append can be.
    let largest = found.segments.iter().map(|segment| segment.bytes).max();
    let segment_bytes = largest.unwrap_or_default().max(DEFAULT_SEGMENT_BYTES);
    let options = LogOptions::default().segment_bytes(segment_bytes.min(u64::from(u32::MAX)));
    let target = DiskStorage::open(to).map_err(|error| failure(error.into()))?;
    let report = salvage(source, Arc::new(target), options, SystemClock.now()).map_err(failure)?;
    match form {
        Form::Text => say_saved(from, to, &report)?,
        Form::Json => say(&saved_json(&report))?,
    }
    if report.is_complete() {
        return Ok(Exit::Done);
    }
    let failure = Failure::new(Exit::Partial, "not all of the log could be saved, as listed");
    Err(failure.advise("keep a copy of the damaged log; what is lost may be in a backup"))
}

/// Opens the damaged log so that nobody else opens it meanwhile; where not even its lock can be written, to be read only.
fn source(from: &Path) -> Result<Arc<dyn Storage>, Failure> {
    match DiskStorage::open(from).map_err(LogError::from) {
        Ok(storage) => Ok(Arc::new(storage)),
        Err(error @ LogError::AlreadyOpen { .. }) => Err(failure(error)),
        Err(_) => Ok(Arc::new(DiskStorage::read_only(from))),
    }
}

/// Refuses a target that has anything in it.
fn must_be_empty(to: &Path) -> Result<(), Failure> {
    let is_empty = match std::fs::read_dir(to) {
        Ok(mut files) => files.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(Failure::file("looking at", to, &error)),
    };
    if is_empty {
        return Ok(());
    }
    let what = format!("{} is not empty: nothing was saved", to.display());
    Err(Failure::usage(what).advise("name an empty directory, or one that is not there"))
}

fn say_saved(from: &Path, to: &Path, report: &SalvageReport) -> Result<(), Failure> {
    say(&format!(
        "saved {} entries of {} into {}",
        report.saved,
        from.display(),
        to.display()
    ))?;
    for loss in &report.lost {
        say(&format!(
            "  lost: {} bytes of segment {} from byte {} on",
            loss.bytes, loss.segment, loss.offset
        ))?;
    }
    for missing in &report.missing {
        say(&format!("  lost: segment {missing}, which is missing"))?;
    }
    if report.refused > 0 {
        say(&format!(
            "  lost: {} entries that could not be understood",
            report.refused
        ))?;
    }
    say(&format!(
        "next: move {} away, and {} to its place",
        from.display(),
        to.display()
    ))
}

fn saved_json(report: &SalvageReport) -> String {
    let lost = report.lost.iter().map(
        |loss| serde_json::json!({ "segment": loss.segment, "offset": loss.offset, "bytes": loss.bytes }),
    );
    serde_json::json!({
        "saved": report.saved,
        "refused": report.refused,
        "lost": lost.collect::<Vec<_>>(),
        "missing": report.missing,
        "complete": report.is_complete(),
    })
    .to_string()
}

fn failure(error: LogError) -> Failure {
    error.into_store_error("write-behind", "log").into()
}
