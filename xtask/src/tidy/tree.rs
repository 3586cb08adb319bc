//! The files of the repository, held in memory so that each check can be shown a bad one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::failure::Outcome;
use crate::process::Process;

/// Text files by their path from the root, with `/` between folders.
#[derive(Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Reads every file that git tracks or would track. What is not UTF-8 holds no rule of ours.
    pub(crate) fn read(root: &Path) -> Outcome<Self> {
        let git =
            Process::new("git", root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listing = git.stdout()?;
        let paths = listing.split('\0').filter(|path| !path.is_empty());
        let read = |path: &str| Some((path.to_owned(), std::fs::read_to_string(root.join(path)).ok()?));
        Ok(Self(paths.filter_map(read).collect()))
    }

    /// All paths and texts.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust sources.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Whether that file or folder exists.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.0.contains_key(path) || self.0.keys().any(|file| file.starts_with(&folder))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        Self(
            files
                .into_iter()
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .collect(),
        )
    }
}
