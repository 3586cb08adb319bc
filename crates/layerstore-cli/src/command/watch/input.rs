use std::io::{self, BufReader};
use std::path::Path;

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::failure::Failure;
use crate::import::lines::{self, Lines, MAX_LINE_BYTES};

/// How many lines are read ahead of those that are applied.
const READ_AHEAD: usize = 64;

/// A line of standard input.
pub(super) enum Line {
    /// Its number and its text, or why it has none.
    Text(u64, Result<String, String>),
    /// It could not be read on.
    Failed(Failure),
}

/// Reads standard input on a thread of its own; empty lines are left out.
pub(super) fn lines() -> Receiver<Line> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    // A read that nobody waits for any more ends with the process.
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = read(&sender) {
            let failure = Failure::file("reading", Path::new("standard input"), &error);
            let _ = sender.blocking_send(Line::Failed(failure));
        }
    }));
    receiver
}

fn read(sender: &Sender<Line>) -> io::Result<()> {
    let mut lines = Lines::new(BufReader::new(io::stdin()));
    while let Some((number, line)) = lines.next()? {
        let text = match line {
            lines::Line::Text(text) if text.trim().is_empty() => continue,
            lines::Line::Text(text) => Ok(text.to_owned()),
            lines::Line::TooLong => Err(format!("the line is longer than {} MiB", MAX_LINE_BYTES >> 20)),
            lines::Line::NotUtf8(column) => Err(format!("not UTF-8, at column {column}")),
        };
        if sender.blocking_send(Line::Text(number, text)).is_err() {
            break;
        }
    }
    Ok(())
}
