//! What the process with the writers tells the test, one line each.

use std::io::Write as _;

use crate::moment::Moment;
use crate::number::Number;

/// What begins each line that is meant for the test: the harness writes lines of its own.
const MARK: &str = "> ";

/// What ends it: a line that a kill cut short does not count.
const WHOLE: &str = " .";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The log is about to be opened.
    Opening,
    /// The log is open, and writing begins.
    Opened,
    /// An append has returned, with the sequence of its first entry.
    Appended {
        first: Number,
        sequence: u64,
        at: Moment,
    },
    /// The log is about to be told that an entry is done.
    Done { sequence: u64 },
    /// A sync of a segment has returned.
    Synced { begun: Moment, at: Moment },
    /// Every writer has ended, since the log takes nothing more.
    Ended,
}

impl Told {
    pub(crate) fn tell(self) {
        let line = match self {
            Self::Opening => "OPENING".to_owned(),
            Self::Opened => "OPENED".to_owned(),
            Self::Appended { first, sequence, at } => format!("APPENDED {} {sequence} {}", first.0, at.0),
            Self::Done { sequence } => format!("DONE {sequence}"),
            Self::Synced { begun, at } => format!("SYNCED {} {}", begun.0, at.0),
            Self::Ended => "ENDED".to_owned(),
        };
        say(&format!("{MARK}{line}{WHOLE}"));
    }

    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(MARK)?.strip_suffix(WHOLE)?.split(' ');
        let word = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        Some(match word {
            "OPENING" => Self::Opening,
            "OPENED" => Self::Opened,
            "APPENDED" => Self::Appended {
                first: Number(number()?),
                sequence: number()?,
                at: Moment(number()?),
            },
            "DONE" => Self::Done { sequence: number()? },
            "SYNCED" => Self::Synced {
                begun: Moment(number()?),
                at: Moment(number()?),
            },
            "ENDED" => Self::Ended,
            _ => return None,
        })
    }
}

/// Writes a whole line at once.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush())
        .unwrap();
}
