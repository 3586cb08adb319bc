use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Lists the lines that were rejected: file, line and reason, as JSON Lines. Made when the first one comes.
pub(super) struct Rejects {
    /// The file that is imported, as it was named.
    imported: String,
    path: PathBuf,
    list: Option<BufWriter<File>>,
    count: u64,
}

impl Rejects {
    pub(super) fn new(imported: &Path, path: PathBuf) -> Self {
        Self {
            imported: imported.display().to_string(),
            path,
            list: None,
            count: 0,
        }
    }

    /// Lists a line.
    pub(super) fn add(&mut self, line: u64, reason: &str) -> Result<(), Failure> {
        let entry = serde_json::json!({ "file": self.imported, "line": line, "reason": reason });
        let failed =
            |error: &std::io::Error| Failure::file("writing the list of rejected lines", &self.path, error);
        let list = match &mut self.list {
            Some(list) => list,
            None => {
                let file = File::create(&self.path).map_err(|error| failed(&error))?;
                self.list.insert(BufWriter::new(file))
            }
        };
        writeln!(list, "{entry}").map_err(|error| failed(&error))?;
        self.count += 1;
        Ok(())
    }

    /// Writes out what was listed so far.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.list {
            Some(list) => list
                .flush()
                .map_err(|error| Failure::file("writing the list of rejected lines", &self.path, &error)),
            None => Ok(()),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns where the list is, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.list.as_ref().map(|_| self.path.as_path())
    }
}

/// Returns where the list goes that nobody named a place for: here, under the name of what is imported.
pub(super) fn default_path(stem: &str) -> PathBuf {
    PathBuf::from(format!("{}.rejects.jsonl", stem.replace(['/', '\0'], "_")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn the_list_is_made_with_the_first_rejected_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.jsonl");
        let mut rejects = Rejects::new(Path::new("in.jsonl"), path.clone());
        rejects.flush().unwrap();
        assert!(!path.exists() && rejects.path().is_none());
        rejects.add(7, "not JSON").unwrap();
        rejects.flush().unwrap();
        let entry = json::read(std::fs::read_to_string(&path).unwrap().trim()).unwrap();
        assert_eq!(
            json::text(&entry),
            r#"{"file":"in.jsonl","line":7,"reason":"not JSON"}"#
        );
        assert_eq!((rejects.count(), rejects.path()), (1, Some(path.as_path())));
    }
}
