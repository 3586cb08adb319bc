use std::path::PathBuf;

use super::tally::Tally;
use crate::args::{Import, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, quoted, say};
use crate::store::Left;

/// How an import ended, and what it did.
pub(super) struct Report {
    pub(super) end: End,
    pub(super) tally: Tally,
    /// How many lines were rejected.
    pub(super) rejected: u64,
    /// Where they are listed.
    pub(super) list: Option<PathBuf>,
    /// What is in the log of write-behind alone.
    pub(super) left: Left,
}

/// Why an import ended.
#[derive(Debug)]
pub(super) enum End {
    /// The file did.
    Done,
    /// Ctrl-C.
    Interrupted,
    /// A strict import met a bad line.
    BadLine {
        /// The line.
        line: u64,
        /// Why it is bad.
        reason: String,
    },
    /// Something failed.
    Failed(Failure),
}

impl Report {
    /// Says what is durable, and how it ended.
    pub(super) fn say(self, place: &Place, form: Form, args: &Import) -> Result<Exit, Failure> {
        match form {
            Form::Json => say(&self.json(args))?,
            Form::Text => self.text(place, args)?,
        }
        let file = args.file.display();
        let there = self.there();
        match self.end {
            End::Done if self.rejected > 0 || self.left.dead_letters > 0 => Ok(Exit::Partial),
            End::Done => Ok(Exit::Done),
            End::Interrupted => {
                let what = format!(
                    "interrupted: everything up to line {} is {there}",
                    self.tally.last_line
                );
                let failure = Failure::new(Exit::Interrupted, what);
                Err(failure.advise("run the same command again to go on: no record is imported twice"))
            }
            End::BadLine { line, reason } => {
                let what = format!("{file}, line {line}: {reason}");
                let failure = Failure::new(Exit::Failed, what);
                let durable = self.tally.last_line;
                Err(failure.advise(format!(
                    "correct the line and run the same command again, or leave out --strict; everything up to line {durable} is {there}"
                )))
            }
            End::Failed(failure) => {
                let what = format!(
                    "import of {file} stopped after line {}, up to which all is {there}",
                    self.tally.last_line
                );
                Err(failure.during(&what))
            }
        }
    }

    /// Says where what was imported is.
    fn there(&self) -> &'static str {
        if self.left.pending > 0 {
            "in the store, or pending in its log"
        } else {
            "in the store"
        }
    }

    fn json(&self, args: &Import) -> String {
        let tally = &self.tally;
        serde_json::json!({
            "file": args.file.display().to_string(),
            "map": args.map,
            "imported": tally.imported(),
            "new": tally.new,
            "changed": tally.changed,
            "unchanged": tally.unchanged,
            "rejected": self.rejected,
            "rejects": self.list.as_ref().map(|list| list.display().to_string()),
            "durable_line": tally.last_line,
            "pending": self.left.pending,
            "dead_letters": self.left.dead_letters,
            "complete": matches!(self.end, End::Done),
        })
        .to_string()
    }

    fn text(&self, place: &Place, args: &Import) -> Result<(), Failure> {
        let tally = &self.tally;
        say(&format!(
            "imported {} records of {} into map {:?} {}, durable up to line {}",
            tally.imported(),
            args.file.display(),
            args.map,
            place.shown(),
            tally.last_line,
        ))?;
        say(&format!(
            "  {} new, {} changed, {} unchanged",
            tally.new, tally.changed, tally.unchanged
        ))?;
        if let Some(list) = &self.list {
            say(&format!(
                "  {} lines rejected, listed with their reasons in {}",
                self.rejected,
                list.display()
            ))?;
        }
        if let Some(left) = self.left.shown(&place.command()) {
            say(&format!("  {left}"))?;
        }
        match (&self.end, &tally.first_key) {
            (End::Done, Some(key)) => say(&next(place, &args.map, key)),
            _ => Ok(()),
        }
    }
}

/// Says what to try next, as it is to be typed.
fn next(place: &Place, map: &str, key: &str) -> String {
    let command = place.command();
    let map = quoted(map);
    let dashes = if key.starts_with('-') { "-- " } else { "" };
    let key = quoted(key);
    format!(
        "next:\n  {command} get --map {map} {dashes}{key}\n  {command} scan --map {map} --limit 3\n  {command} export --map {map}\n  {command} stat"
    )
}
