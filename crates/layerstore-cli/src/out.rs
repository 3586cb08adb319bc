use std::io::{self, ErrorKind, Write};

use crate::exit::Exit;
use crate::failure::Failure;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs: JSON, one value a line.
    Json,
}

impl Form {
    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }
}

/// Writes to stdout.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|error| broken(&error))
}

/// Writes to stderr; a closed stderr has nobody to tell.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "layerstore: {text}");
}

/// Turns an error of stdout into an end of the command: a reader that has seen enough is no failure.
pub(crate) fn broken(error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        Failure::new(Exit::Done, "stdout was closed")
    } else {
        Failure::new(Exit::Failed, format!("stdout cannot be written: {error}"))
    }
}

/// Shows a text that may hold anything on one line: as it is where that is plain, escaped otherwise.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.escape_debug().to_string()
    } else {
        text.to_owned()
    }
}

/// Quotes a word for a shell where it needs to be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("cities"), "cities");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted(""), "''");
    }
}
