use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A configuration that cannot work: names the file, the line and the key, and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigError {
    facts: Box<Facts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    file: Option<PathBuf>,
    place: Option<Place>,
    key: String,
    what: String,
}

/// A place in a file, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl ConfigError {
    /// Makes an error of the setting `key`; `what` says what is wrong and what to do.
    #[must_use]
    pub fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            facts: Box::new(Facts {
                file: None,
                place: None,
                key: key.into(),
                what: what.into(),
            }),
        }
    }

    /// Adds the file.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.facts.file = Some(file.to_owned());
        self
    }

    /// Adds the place in the file.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.facts.place = place;
        self
    }

    /// Returns the setting, in dotted form; empty where the file as a whole is concerned.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.facts.key
    }

    /// Returns the file, where one was read.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.facts.file.as_deref()
    }

    /// Returns the place in the file, where it is known.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.facts.place
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts {
            file,
            place,
            key,
            what,
        } = &*self.facts;
        match file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("configuration")?,
        }
        if let Some(Place { line, column }) = place {
            write!(f, ":{line}:{column}")?;
        }
        if !key.is_empty() {
            write!(f, ": {}", OneLine(key))?;
        }
        write!(f, ": {}", OneLine(what))
    }
}

/// Shows a text that may quote names of the file, in which anything may stand, on one line.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|character| match character.is_control() {
                true => write!(f, "{}", character.escape_debug()),
                false => f.write_char(character),
            })
    }
}
