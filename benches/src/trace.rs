//! Which keys are asked for, one after the other: what a cache is judged by.

mod generators;
mod oracle;
mod text;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::BenchError;

pub use generators::{Shape, zipf};

/// The keys that were asked for, in order.
#[derive(Debug, Clone)]
pub struct Trace {
    name: String,
    keys: Vec<u64>,
    footprint: usize,
}

impl Trace {
    /// Names the requests and counts how many keys there are among them.
    #[must_use]
    pub fn new(name: impl Into<String>, keys: Vec<u64>) -> Self {
        let footprint = keys.iter().collect::<HashSet<_>>().len();
        Self {
            name: name.into(),
            keys,
            footprint,
        }
    }

    /// Reads a trace from a file: libCacheSim's oracleGeneral (`.bin`, `.oracleGeneral`), CSV (`.csv`), or else a number a line.
    ///
    /// A compressed trace has to be unpacked first.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is not of the form that its name says.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let read = || -> Result<Vec<u64>, BenchError> {
            let mut file = BufReader::new(File::open(path)?);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("bin" | "oracleGeneral") => {
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes)?;
                    oracle::keys(&bytes)
                }
                Some("csv") => text::csv(file),
                _ => text::numbers(file),
            }
        };
        let keys = read().map_err(|error| format!("{}: {error}", path.display()))?;
        if keys.is_empty() {
            return Err(format!("{}: no requests in it", path.display()).into());
        }
        Ok(Self::new(name, keys))
    }

    /// Returns what the table calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the requests.
    #[must_use]
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Returns how many keys there are.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.footprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_how_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let written = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut record = 9_u32.to_le_bytes().to_vec();
        record.extend(7_u64.to_le_bytes());
        record.extend([0; 12]);
        let one = |path: &Path| Trace::read(path).unwrap().keys().to_vec();
        assert_eq!(one(&written("a.oracleGeneral.bin", &record)), [7]);
        assert_eq!(one(&written("a.csv", b"time,key\n1,7\n")), [7]);
        let numbers = Trace::read(&written("a.txt", b"7\n8\n7\n")).unwrap();
        assert_eq!((numbers.keys(), numbers.footprint()), (&[7, 8, 7][..], 2));
        let empty = Trace::read(&written("empty", b"")).unwrap_err().to_string();
        assert!(empty.ends_with("no requests in it"), "{empty}");
    }
}
